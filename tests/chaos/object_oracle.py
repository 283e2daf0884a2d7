"""The judge of single objects: is all there that was acknowledged, and nothing else listed?"""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import pydicom
from dicomweb_client.api import DICOMwebClient
from sqlalchemy import select

from tests.chaos.findings import Finding, count_all, count_none
from tests.chaos.oracle import judge
from tests.chaos.senders import Ledger, hash_dataset
from tests.chaos.site import Site
from tests.keys import SHOWN
from workers.orphans import sweep_orphans
from workers.retention_store import RetentionStore
from workers.settings import Settings
from workers.tables import instances

FETCHED_STUDIES = 20


def judge_objects(site: Site, ledger: Ledger) -> list[Finding]:
    """What holds of the objects and of the site, whose jobs are not looked at."""
    site.wait_until_ready()
    rows = _read_rows(site)
    stored = {row.stem: hash_dataset(row.read_bytes()) for row in _list_files(site)}
    kept = {
        uid: [stored.get(checksum, "") for checksum in checksums] for uid, checksums in rows.items()
    }
    lost = [uid for uid in ledger.acknowledged if ledger.sent[uid] not in kept.get(uid, [])]
    foreign = [uid for uid, hashes in kept.items() if set(hashes) != {ledger.sent.get(uid)}]
    acknowledged = len(ledger.acknowledged)
    retention = RetentionStore(site.engine, Settings().retention)
    sweep_orphans(site.data, retention.find_kept(), age_seconds=0.0)
    listed = {checksum for checksums in rows.values() for checksum in checksums}
    left = {file.stem for file in _list_files(site)} ^ listed
    doubled = [uid for uid, checksums in rows.items() if len(checksums) > 1]
    return [
        count_all("acknowledged objects kept", acknowledged - len(lost), max(1, acknowledged)),
        count_none("acknowledged objects missing or changed", lost),
        count_none("objects recorded that are not whole and as they were sent", foreign),
        count_none("objects recorded twice", doubled),
        count_none("objects fetched that differ from what was sent", _fetch_wrong(site, ledger)),
        count_none("files without a record that a sweep leaves, and the reverse", sorted(left)),
        *judge(site, expected=None),
    ]


def _read_rows(site: Site) -> dict[str, list[str]]:
    """Names of files by SOP Instance UID, of all that came in."""
    received = select(instances).where(instances.c.job_id.is_(None))
    rows: dict[str, list[str]] = {}
    with site.engine.connect() as connection:
        for row in connection.execute(received):
            rows.setdefault(row.sop_instance_uid, []).append(row.sha256)
    return rows


def _list_files(site: Site) -> list[Path]:
    return list((site.data / "instances").iterdir())


def _fetch_wrong(site: Site, ledger: Ledger) -> list[str]:
    """Of some studies, as QIDO-RS lists and WADO-RS gives them."""
    client = DICOMwebClient(f"{site.url}/dicom-web", headers=SHOWN)
    found = client.search_for_studies(limit=FETCHED_STUDIES)
    wrong = []
    for study in found:
        uid = study["0020000D"]["Value"][0]
        listed = Counter(
            one["00080018"]["Value"][0] for one in client.search_for_instances(uid, limit=5000)
        )
        fetched: Counter[str] = Counter()
        for dataset in client.retrieve_study(uid):
            sop_uid = str(dataset.SOPInstanceUID)
            fetched[sop_uid] += 1
            if hash_dataset(_write(dataset)) != ledger.sent.get(sop_uid):
                wrong.append(sop_uid)
        if listed != fetched or max(listed.values(), default=1) > 1:
            wrong.append(uid)
    return wrong


def _write(dataset: pydicom.Dataset) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
