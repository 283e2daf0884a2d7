"""Audit messages are what DICOM PS3.15 A.5.1 says they are."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from lxml import etree

from tests.workers.audit.made_records import PATIENT, make_record
from workers.audit.actors import NOBODY, Actor
from workers.audit.entries import AuditRecord
from workers.audit.events import FORMS, AuditEvent, Outcome
from workers.audit.message_xml import AuditSource, build_message

SOURCE = AuditSource("oarlock", "Radiotherapy")
SCHEMA = etree.RelaxNG(etree.parse(Path(__file__).with_name("audit_message.rng")))


def judge(record: AuditRecord) -> etree._Element:
    """The message, which the schema has found good."""
    message = etree.fromstring(build_message(record, SOURCE))
    SCHEMA.assertValid(message)
    return message


@pytest.mark.parametrize("event", AuditEvent)
@pytest.mark.parametrize("outcome", Outcome)
def test_every_event_is_valid_by_the_schema(event: AuditEvent, outcome: Outcome) -> None:
    """With a study and without, asked for by somebody and by nobody, with and without details."""
    for study_uid in ("1.2.3", ""):
        for actor in (NOBODY, Actor("jane", "10.0.0.7"), Actor("", "10.0.0.7")):
            judge(make_record(event, actor=actor, outcome=outcome, study_uid=study_uid))
            judge(
                make_record(
                    event, actor=actor, outcome=outcome, study_uid=study_uid, destination="pacs"
                )
            )


def test_the_schema_refuses_what_it_must() -> None:
    """A judge that finds everything good is none."""
    message = etree.fromstring(build_message(make_record(AuditEvent.DELIVERED), SOURCE))
    message.find("EventIdentification").set("EventActionCode", "X")

    assert not SCHEMA.validate(message)


def test_whoever_asked_is_named_with_a_proof() -> None:
    """Two keys may have had one name, one after the other."""
    message = judge(make_record(AuditEvent.JOB_RELEASED))

    asking = message.find("ActiveParticipant[@UserIsRequestor='true']")

    assert (asking.get("UserID"), asking.get("AlternativeUserID")) == ("jane", "key 0ddba11")


def test_a_delivery_names_who_when_what_and_where_to() -> None:
    """A record that leaves one of them out answers no question."""
    record = make_record(AuditEvent.DELIVERED, actor=NOBODY, destination="pacs", tries=2)

    message = judge(record)

    event = message.find("EventIdentification")
    users = {one.get("UserID"): one for one in message.iterfind("ActiveParticipant")}
    objects = [
        one.get("ParticipantObjectID") for one in message.iterfind(".//*[@ParticipantObjectID]")
    ]
    details = {
        one.get("type"): base64.b64decode(one.get("value")).decode()
        for one in message.iterfind(".//ParticipantObjectDetail")
    }
    assert event.get("EventDateTime") == "2026-03-01T12:00:00.123456+00:00"
    assert event.find("EventID").get("csd-code") == "110104"
    assert {name: one.find("RoleIDCode").get("csd-code") for name, one in users.items()} == {
        "service@host:17": "110153",
        "pacs": "110152",
    }
    assert users["service@host:17"].get("UserIsRequestor") == "true"
    assert objects == ["1.2.3", PATIENT, "0ddba11"]
    told = {"destination": "pacs", "tries": "2", "request": "request-1"}
    assert details == {**told, "number": "1", "hash": "1" * 64}


def test_a_search_tells_what_was_asked_for_as_a_query() -> None:
    """PS3.15 A.5.3.10 wants the query; the values of ours stay out of it."""
    message = judge(make_record(AuditEvent.OBJECTS_SEARCHED, attributes="PatientName", hits=3))

    query = message.find(".//ParticipantObjectQuery")

    assert base64.b64decode(query.text) == b"PatientName"


def test_words_of_a_stranger_do_not_break_the_message() -> None:
    """What a client calls itself is neither markup nor a character that XML lacks."""
    record = make_record(AuditEvent.NODE_REFUSED, actor=Actor('<A x="&\0\x1b\n', "10.0.0.7"))

    message = judge(record)

    assert message.find("ActiveParticipant").get("UserID") == '<A x="&'


def test_every_event_has_a_form() -> None:
    """One without would fail when it is sent, hours after it happened."""
    assert set(FORMS) == set(AuditEvent)
