"""Objects as senders send them, for the tests of what arrives."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from workers.instances import ReceivedInstance
from workers.sources import Source, SourceKind

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
EXPLICIT = "1.2.840.10008.1.2.1"
PACS = Source("pacs", SourceKind.STOW, address="10.0.0.5")


def receive(
    numbers: Iterable[int], *, series: str = "1.2.3", version: str = "", sop_class: str = CT
) -> list[ReceivedInstance]:
    """Objects of one series; those of another `version` have other bytes."""
    return [
        ReceivedInstance(
            path=Path("staged"),
            sha256=hashlib.sha256(f"{series}.{number}{version}".encode()).hexdigest(),
            size=10,
            sop_class_uid=sop_class,
            sop_instance_uid=f"{series}.{number}",
            series_instance_uid=series,
            study_instance_uid="1.2",
            transfer_syntax_uid=EXPLICIT,
            modality="CT" if sop_class == CT else "MR",
            description="Planning CT",
        )
        for number in numbers
    ]
