"""What is kept and may be shown: objects that came in, and results that may leave."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import ColumnElement, Engine, and_, exists, or_, select

from workers.deliveries import DeliveryState
from workers.identities import PLAIN, Identities
from workers.instance_files import InstanceFiles
from workers.jobs import JobState
from workers.result_store import ResultStore
from workers.tables import arrivals, arrived_instances, instances, jobs, outbox


@dataclass(frozen=True)
class Holding:
    """One object; `job_id`: of the job whose result it is, None for what came in.

    `path` is what is kept of it; `restored` is what may leave.
    """

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    transfer_syntax_uid: str
    job_id: str | None
    identities: Identities = field(default=PLAIN, compare=False, repr=False)

    def restored(self, *, is_whole: bool = True) -> AbstractContextManager[Path]:
        """The object as it came, or as its job is to give it out; `is_whole`: with its pixels."""
        return self.identities.restored(self.path, self.job_id, is_whole=is_whole)


class Holdings:
    """Objects of one database and data folder."""

    def __init__(
        self,
        engine: Engine,
        files: InstanceFiles,
        results: ResultStore,
        identities: Identities = PLAIN,
        project: str | None = None,
    ) -> None:
        self._project = project
        self._identities = identities
        self._engine = engine
        self._files = files
        self._results = results

    def of_project(self, project: str | None) -> Holdings:
        """What is a project's alone; all of it for None."""
        return Holdings(self._engine, self._files, self._results, self._identities, project)

    def find(
        self,
        studies: Collection[str] = (),
        series: Collection[str] = (),
        objects: Collection[str] = (),
        *,
        leaves_out: bool = False,
    ) -> tuple[Holding, ...]:
        """Objects of these UIDs, none meaning any; of several contents of one, the newest.

        `leaves_out`: without those of which it cannot be said whose they are, as searches need it;
        whoever gives out a whole series must rather give out none of it (`IdentityError`).

        Whoever searches takes what is found: no result that is held for review, that a job with
        more slices has superseded, or that a shadow made.
        """
        query = select(instances).select_from(instances.outerjoin(jobs))
        query = query.where(or_(instances.c.job_id.is_(None), _may_leave()))
        if self._project is not None:
            query = query.where(or_(jobs.c.project == self._project, _came_for(self._project)))
        pairs = (
            (instances.c.study_instance_uid, studies),
            (instances.c.series_instance_uid, series),
            (instances.c.sop_instance_uid, objects),
        )
        for column, wanted in pairs:
            if wanted:
                # Results have UIDs of their own, which are not hidden.
                kept = {*wanted, *map(self._identities.hide_uid, wanted)}
                query = query.where(column.in_(sorted(kept)))
        query = query.order_by(instances.c.received_at, instances.c.sha256)
        with self._engine.connect() as connection:
            rows = {row.sop_instance_uid: row for row in connection.execute(query)}
        found = [
            Holding(
                path=self._find_path(row.sha256, row.file),
                sop_class_uid=row.sop_class_uid,
                sop_instance_uid=row.sop_instance_uid,
                series_instance_uid=row.series_instance_uid,
                study_instance_uid=row.study_instance_uid,
                transfer_syntax_uid=row.transfer_syntax_uid,
                job_id=row.job_id,
                identities=self._identities,
            )
            for row in rows.values()
        ]
        return tuple(
            one
            for one in self._identities.reveal_holdings(found, leaves_out=leaves_out)
            if (not studies or one.study_instance_uid in studies)
            and (not series or one.series_instance_uid in series)
            and (not objects or one.sop_instance_uid in objects)
        )

    def _find_path(self, sha256: str, file: str | None) -> Path:
        if file is None:
            return self._files.find(sha256)
        folder, _, name = file.rpartition("/")
        return self._results.find_file(folder, name)


def _came_for(project: str) -> ColumnElement[bool]:
    """An object that is shared with others, for it is kept by its content, is a project's, too."""
    came = arrived_instances.join(arrivals, arrivals.c.id == arrived_instances.c.arrival_id)
    return (
        exists()
        .select_from(came)
        .where(
            arrived_instances.c.sha256 == instances.c.sha256,
            arrivals.c.project == project,
            instances.c.job_id.is_(None),
        )
    )


def _may_leave() -> ColumnElement[bool]:
    is_held = exists().where(outbox.c.job_id == jobs.c.id, outbox.c.state == DeliveryState.HELD)
    return and_(
        jobs.c.state == JobState.DONE,
        jobs.c.is_shadow.is_(False),
        jobs.c.superseded_by.is_(None),
        ~is_held,
    )
