"""A record as the audit message of DICOM PS3.15 A.5.1; it is only written, never read."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from xml.etree.ElementTree import Element, SubElement, tostring  # nosec B405 # reads none

from workers.audit.entries import AuditRecord
from workers.audit.events import FORMS, AuditEvent, Code

APPLICATION = Code("110150", "Application")
DESTINATION = Code("110152", "Destination Role ID")
SOURCE = Code("110153", "Source Role ID")
STUDY_UID = Code("110180", "Study Instance UID")
OWN_SCHEME = "99OARLOCK"
RFC_3881 = "RFC-3881"
IP_ADDRESS = "2"
APPLICATION_SERVER = "4"

# ParticipantObjectTypeCode and ParticipantObjectTypeCodeRole.
PATIENT = ("1", "1")
REPORT = ("2", "3")
SECURITY_RESOURCE = ("2", "13")
JOB = ("2", "20")
QUERY = ("2", "24")

LEAVING = (
    AuditEvent.OBJECTS_LEAVING,
    AuditEvent.OBJECTS_SENT,
    AuditEvent.DELIVERED,
    AuditEvent.DELIVERY_FAILED,
    AuditEvent.RESULT_EXPORTED,
)
COMING = (AuditEvent.OBJECTS_COMING, AuditEvent.OBJECTS_RECEIVED, AuditEvent.SERIES_IMPORTED)


@dataclass(frozen=True)
class AuditSource:
    """Who reports: AuditSourceID and, where there is one, AuditEnterpriseSiteID."""

    id: str
    site: str = ""


@dataclass(frozen=True)
class _Object:
    id: str
    name: str
    kind: tuple[str, str]
    code: Mapping[str, str]


def build_message(record: AuditRecord, source: AuditSource) -> bytes:
    """The message, in UTF-8 without a declaration."""
    message = Element("AuditMessage")
    _add_event(message, record)
    _add_participants(message, record)
    site = {"AuditEnterpriseSiteID": source.site} if source.site else {}
    reporter = {**site, "AuditSourceID": source.id}
    identification = SubElement(message, "AuditSourceIdentification", reporter)
    SubElement(identification, "AuditSourceTypeCode", {"csd-code": APPLICATION_SERVER})
    if record.event is AuditEvent.OBJECTS_SEARCHED:
        _add_query(message, record)
    else:
        _add_objects(message, record)
    return bytes(tostring(message, encoding="utf-8", xml_declaration=False))


def _add_event(message: Element, record: AuditRecord) -> None:
    form = FORMS[record.event]
    event = SubElement(
        message,
        "EventIdentification",
        {
            "EventActionCode": form.action,
            "EventDateTime": record.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "EventOutcomeIndicator": str(int(record.outcome)),
        },
    )
    SubElement(event, "EventID", _build_standard_code(form.id))
    if form.kind is not None:
        SubElement(event, "EventTypeCode", _build_standard_code(form.kind))
    SubElement(event, "EventTypeCode", _build_code(record.event, OWN_SCHEME, record.event))
    if record.outcome:
        words = str(record.details.get("fault", record.event.value))
        SubElement(event, "EventOutcomeDescription").text = _clean(words)


def _add_participants(message: Element, record: AuditRecord) -> None:
    """Whoever asked, then Oarlock itself, then where something was delivered to."""
    peer, own = None, APPLICATION
    if record.event in LEAVING:
        peer, own = DESTINATION, SOURCE
    elif record.event in COMING:
        peer, own = SOURCE, DESTINATION
    actor = record.actor
    is_asked = bool(actor.person or actor.address)
    if is_asked:
        asking = _add_participant(message, actor.person or actor.address, peer, is_requestor=True)
        if actor.proof:
            asking.set("AlternativeUserID", _clean(actor.proof))
        if actor.address:
            asking.set("NetworkAccessPointID", _clean(actor.address))
            asking.set("NetworkAccessPointTypeCode", IP_ADDRESS)
    _add_participant(message, record.process, own, is_requestor=not is_asked)
    if "destination" in record.details:
        receiver = str(record.details["destination"])
        _add_participant(message, receiver, DESTINATION, is_requestor=False)


def _add_participant(
    message: Element, user: str, role: Code | None, *, is_requestor: bool
) -> Element:
    attributes = {"UserID": _clean(user), "UserIsRequestor": str(is_requestor).lower()}
    participant = SubElement(message, "ActiveParticipant", attributes)
    if role is not None:
        SubElement(participant, "RoleIDCode", _build_standard_code(role))
    return participant


def _add_query(message: Element, record: AuditRecord) -> None:
    details = dict(record.details)
    code = _build_code("10", RFC_3881, "Search Criteria")
    added = _add_object(message, _Object("query", "", QUERY, code))
    query = SubElement(added, "ParticipantObjectQuery")
    query.text = _encode(str(details.pop("attributes", "")))
    _add_details(added, details, record)


def _add_objects(message: Element, record: AuditRecord) -> None:
    for place, one in enumerate(_list_objects(record)):
        added = _add_object(message, one)
        life_cycle = FORMS[record.event].life_cycle
        if one.kind == REPORT and life_cycle is not None:
            added.set("ParticipantObjectDataLifeCycle", life_cycle)
        SubElement(added, "ParticipantObjectName").text = one.name
        if place == 0:
            _add_details(added, record.details, record)


def _list_objects(record: AuditRecord) -> Iterator[_Object]:
    if record.event in (AuditEvent.AUDIT_USED, AuditEvent.AUDIT_PRUNED):
        code = _build_code("12", RFC_3881, "URI")
        yield _Object("audit_records", "Security Audit Log", SECURITY_RESOURCE, code)
        return
    if record.study_uid:
        yield _Object(record.study_uid, "study", REPORT, _build_standard_code(STUDY_UID))
    if record.patient:
        code = _build_code("2", RFC_3881, "Patient Number")
        yield _Object(record.patient, "pseudonym", PATIENT, code)
    if record.job_id:
        yield _Object(record.job_id, "job", JOB, _build_code("job", OWN_SCHEME, "job"))
    if not (record.study_uid or record.patient or record.job_id) and record.details:
        code = _build_code(record.event, OWN_SCHEME, record.event)
        yield _Object(record.event, record.event, SECURITY_RESOURCE, code)


def _add_object(message: Element, one: _Object) -> Element:
    kind, role = one.kind
    attributes = {
        "ParticipantObjectID": one.id,
        "ParticipantObjectTypeCode": kind,
        "ParticipantObjectTypeCodeRole": role,
    }
    added = SubElement(message, "ParticipantObjectIdentification", attributes)
    SubElement(added, "ParticipantObjectIDTypeCode", dict(one.code))
    return added


def _add_details(added: Element, details: Mapping[str, str | int], record: AuditRecord) -> None:
    told = {**details, "number": record.number, "hash": record.hash}
    if record.request_id:
        told["request"] = record.request_id
    for name, value in sorted(told.items()):
        pair = {"type": name, "value": _encode(str(value))}
        SubElement(added, "ParticipantObjectDetail", pair)


def _build_standard_code(code: Code) -> dict[str, str]:
    return _build_code(code.value, "DCM", code.meaning)


def _build_code(value: str, scheme: str, meaning: str) -> dict[str, str]:
    return {"csd-code": str(value), "codeSystemName": scheme, "originalText": str(meaning)}


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _clean(text: str) -> str:
    """Without what XML 1.0 cannot say; its writer escapes the rest."""
    return "".join(letter for letter in text if letter.isprintable())
