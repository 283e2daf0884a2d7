"""What became of each object of a STOW-RS request (PS3.18 10.5.3, Annex I)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from workers.instances import ReceivedInstance

OUT_OF_RESOURCES = 0xA700  # PS3.4 B.2.3, as PS3.18 I.2.2 takes them over
CANNOT_UNDERSTAND = 0xC000
PROCESSING_FAILURE = 0x0110


@dataclass(frozen=True)
class FailedInstance:
    """An object that is not stored; `instance` is None where it does not say which it is."""

    reason: int
    explanation: str
    instance: ReceivedInstance | None = None
    is_our_fault: bool = False  # another try may be stored


@dataclass(frozen=True)
class StowAnswer:
    """All objects of a request."""

    stored: Sequence[ReceivedInstance]
    failed: Sequence[FailedInstance]

    @property
    def status(self) -> HTTPStatus:
        """200 where all are stored, 202 where some are, 409 where none is."""
        if not self.failed:
            return HTTPStatus.OK
        return HTTPStatus.ACCEPTED if self.stored else HTTPStatus.CONFLICT

    @property
    def is_kept(self) -> bool:
        """Whether nothing is missing that the server should have stored."""
        return not any(one.is_our_fault for one in self.failed)

    @property
    def explanation(self) -> str:
        """Why objects failed, each reason once."""
        return " ".join(dict.fromkeys(one.explanation for one in self.failed))

    def build(self, root_url: str) -> dict[str, Any]:
        """The Store Instances Response module as DICOM JSON."""
        # What is no CT is acknowledged, and cannot be fetched.
        studies = {one.study_instance_uid for one in self.stored if one.is_ct}
        known = [one for one in self.failed if one.instance is not None]
        others = [one for one in self.failed if one.instance is None]
        answer: dict[str, Any] = {}
        if len(studies) == 1:
            answer["00081190"] = _value("UR", f"{root_url}/studies/{min(studies)}")
        if known:
            answer["00081198"] = _value("SQ", *(_build_failed(one) for one in known))
        if self.stored:
            references = (_build_reference(one, root_url) for one in self.stored)
            answer["00081199"] = _value("SQ", *references)
        if others:
            reasons = ({"00081197": _value("US", one.reason)} for one in others)
            answer["0008119A"] = _value("SQ", *reasons)
        return answer


def _build_reference(one: ReceivedInstance, root_url: str) -> dict[str, Any]:
    reference = _identify(one)
    if one.is_ct:
        path = f"studies/{one.study_instance_uid}/series/{one.series_instance_uid}"
        url = f"{root_url}/{path}/instances/{one.sop_instance_uid}"
        reference["00081190"] = _value("UR", url)
    return reference


def _build_failed(one: FailedInstance) -> dict[str, Any]:
    assert one.instance is not None
    return {**_identify(one.instance), "00081197": _value("US", one.reason)}


def _identify(one: ReceivedInstance) -> dict[str, Any]:
    return {
        "00081150": _value("UI", one.sop_class_uid),
        "00081155": _value("UI", one.sop_instance_uid),
    }


def _value(vr: str, *values: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)}
