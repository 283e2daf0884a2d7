"""The events that are recorded, with the codes that DICOM PS3.15 A.5.3 and PS3.16 have for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class AuditEvent(StrEnum):
    """What happened, as `oarlock audit` calls it."""

    STARTED = "started"
    STOPPED = "stopped"
    CONFIGURATION_CHANGED = "configuration-changed"
    OBJECTS_COMING = "objects-coming"
    OBJECTS_RECEIVED = "objects-received"
    SERIES_IMPORTED = "series-imported"
    JOB_MADE = "job-made"
    JOB_CANCELLED = "job-cancelled"
    JOB_RETRIED = "job-retried"
    JOB_RELEASED = "job-released"
    JOB_HELD = "job-held"
    HOLD_LIFTED = "hold-lifted"
    RESULT_MADE = "result-made"
    JOB_FAILED = "job-failed"
    RESULT_VIEWED = "result-viewed"
    RESULT_EXPORTED = "result-exported"
    OBJECTS_SEARCHED = "objects-searched"
    OBJECTS_VIEWED = "objects-viewed"
    OBJECTS_LEAVING = "objects-leaving"
    OBJECTS_SENT = "objects-sent"
    DELIVERY_ASKED = "delivery-asked"
    DELIVERED = "delivered"
    DELIVERY_FAILED = "delivery-failed"
    JOB_PURGED = "job-purged"
    OBJECTS_FORGOTTEN = "objects-forgotten"
    LOGIN_FAILED = "login-failed"
    ACCESS_REFUSED = "access-refused"
    NODE_REFUSED = "node-refused"
    KEY_MADE = "key-made"
    KEY_ROTATED = "key-rotated"
    KEY_REVOKED = "key-revoked"
    MASTER_KEY_ROTATED = "master-key-rotated"
    USER_CHANGED = "user-changed"
    USER_REMOVED = "user-removed"
    BACKUP_MADE = "backup-made"
    BACKUP_RESTORED = "backup-restored"
    AUDIT_USED = "audit-used"
    AUDIT_PRUNED = "audit-pruned"


class Outcome(IntEnum):
    """EventOutcomeIndicator."""

    SUCCESS = 0
    MINOR_FAILURE = 4
    SERIOUS_FAILURE = 8


@dataclass(frozen=True)
class Code:
    """A coded value of the scheme DCM."""

    value: str
    meaning: str


@dataclass(frozen=True)
class EventForm:
    """How an event is told.

    `action`: EventActionCode; `kind`: EventTypeCode, beside the event's own name; `life_cycle`:
    ParticipantObjectDataLifeCycle of the study; `when`: for the page.
    """

    id: Code
    action: str
    when: str
    kind: Code | None = None
    life_cycle: str | None = None


ACTIVITY = Code("110100", "Application Activity")
LOG_USED = Code("110101", "Audit Log Used")
BEGIN_TRANSFERRING = Code("110102", "Begin Transferring DICOM Instances")
ACCESSED = Code("110103", "DICOM Instances Accessed")
TRANSFERRED = Code("110104", "DICOM Instances Transferred")
STUDY_DELETED = Code("110105", "DICOM Study Deleted")
EXPORT = Code("110106", "Export")
IMPORT = Code("110107", "Import")
QUERY = Code("110112", "Query")
ALERT = Code("110113", "Security Alert")
AUTHENTICATION = Code("110114", "User Authentication")

START = Code("110120", "Application Start")
STOP = Code("110121", "Application Stop")
LOGIN = Code("110122", "Login")
NODE = Code("110126", "Node Authentication")
SECURITY = Code("110129", "Security Configuration")
SOFTWARE = Code("110131", "Software Configuration")
RESTRICTED = Code("110132", "Use of Restricted Function")

FORMS: Mapping[AuditEvent, EventForm] = {
    AuditEvent.STARTED: EventForm(ACTIVITY, "E", "a process of Oarlock starts", START),
    AuditEvent.STOPPED: EventForm(ACTIVITY, "E", "it stops, unless it is killed", STOP),
    AuditEvent.CONFIGURATION_CHANGED: EventForm(
        ALERT,
        "E",
        "settings, rules, destinations or senders differ from the last time, or rules were read "
        "anew",
        SOFTWARE,
    ),
    AuditEvent.OBJECTS_COMING: EventForm(
        BEGIN_TRANSFERRING, "E", "the first object of a series is kept", life_cycle="2"
    ),
    AuditEvent.OBJECTS_RECEIVED: EventForm(
        TRANSFERRED, "C", "a series that came object by object is judged", life_cycle="2"
    ),
    AuditEvent.SERIES_IMPORTED: EventForm(
        IMPORT, "C", "a series came whole, by `POST /v1/jobs`, or was refused (4)", life_cycle="2"
    ),
    AuditEvent.JOB_MADE: EventForm(ACCESSED, "R", "a job is recorded", life_cycle="6"),
    AuditEvent.JOB_CANCELLED: EventForm(
        ACCESSED, "U", "somebody cancels a job, or a waiting one gives way to one of more slices"
    ),
    AuditEvent.JOB_RETRIED: EventForm(ACCESSED, "U", "somebody has a job run again"),
    AuditEvent.JOB_RELEASED: EventForm(ACCESSED, "U", "a partial job is released", life_cycle="4"),
    AuditEvent.JOB_HELD: EventForm(ACCESSED, "U", "a legal hold is put on a job"),
    AuditEvent.HOLD_LIFTED: EventForm(ACCESSED, "U", "a legal hold is lifted"),
    AuditEvent.RESULT_MADE: EventForm(ACCESSED, "C", "a job is done or partial", life_cycle="1"),
    AuditEvent.JOB_FAILED: EventForm(
        ACCESSED, "C", "a job ends without a result, its failure's code beside it", life_cycle="1"
    ),
    AuditEvent.RESULT_VIEWED: EventForm(
        ACCESSED, "R", "a report, preview or comparison is looked at", life_cycle="6"
    ),
    AuditEvent.RESULT_EXPORTED: EventForm(
        EXPORT, "R", "a structure set or segmentation is fetched from `/v1/jobs`", life_cycle="10"
    ),
    AuditEvent.OBJECTS_SEARCHED: EventForm(
        QUERY, "E", "QIDO-RS: the attributes asked for, never their values"
    ),
    AuditEvent.OBJECTS_VIEWED: EventForm(
        ACCESSED, "R", "metadata are fetched by WADO-RS", life_cycle="6"
    ),
    AuditEvent.OBJECTS_LEAVING: EventForm(
        BEGIN_TRANSFERRING, "E", "objects are asked for by WADO-RS", life_cycle="10"
    ),
    AuditEvent.OBJECTS_SENT: EventForm(
        TRANSFERRED, "R", "their last byte was taken", life_cycle="10"
    ),
    AuditEvent.DELIVERY_ASKED: EventForm(
        ACCESSED, "U", "somebody has a result sent, held or once more"
    ),
    AuditEvent.DELIVERED: EventForm(
        TRANSFERRED, "R", "a destination has taken a result, or was told of it", life_cycle="10"
    ),
    AuditEvent.DELIVERY_FAILED: EventForm(
        TRANSFERRED, "R", "a try failed (4), or the last one did (8)", life_cycle="10"
    ),
    AuditEvent.JOB_PURGED: EventForm(
        STUDY_DELETED, "D", "a job was kept long enough", life_cycle="15"
    ),
    AuditEvent.OBJECTS_FORGOTTEN: EventForm(
        STUDY_DELETED, "D", "what came in goes, after its jobs or without any", life_cycle="15"
    ),
    AuditEvent.LOGIN_FAILED: EventForm(
        AUTHENTICATION,
        "E",
        "a request is answered with 401, or with 429 after too many of these",
        LOGIN,
    ),
    AuditEvent.ACCESS_REFUSED: EventForm(
        ALERT,
        "E",
        "a request is answered with 403, or with 429 for its sender makes too many",
        RESTRICTED,
    ),
    AuditEvent.NODE_REFUSED: EventForm(
        ALERT, "E", "an association is rejected for its titles or its address", NODE
    ),
    AuditEvent.KEY_MADE: EventForm(ALERT, "C", "a key is made", SECURITY),
    AuditEvent.KEY_ROTATED: EventForm(
        ALERT, "U", "another key takes a key's place, at once or after a while", SECURITY
    ),
    AuditEvent.KEY_REVOKED: EventForm(ALERT, "D", "a key is revoked", SECURITY),
    AuditEvent.MASTER_KEY_ROTATED: EventForm(
        ALERT, "U", "the keys of studies are wrapped by another master key", SECURITY
    ),
    AuditEvent.USER_CHANGED: EventForm(ALERT, "U", "a user is given roles", SECURITY),
    AuditEvent.USER_REMOVED: EventForm(ALERT, "D", "a user's roles are taken away", SECURITY),
    AuditEvent.BACKUP_MADE: EventForm(EXPORT, "R", "`oarlock backup` has copied the server"),
    AuditEvent.BACKUP_RESTORED: EventForm(IMPORT, "C", "`oarlock restore` has put one back"),
    AuditEvent.AUDIT_USED: EventForm(
        LOG_USED, "R", "somebody searches, verifies or exports the records"
    ),
    AuditEvent.AUDIT_PRUNED: EventForm(LOG_USED, "D", "records were kept long enough"),
}
