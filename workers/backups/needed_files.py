"""What a database's rows point to below the data folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from workers.jobs import JobState
from workers.result_store import name_folder
from workers.tables import instances, jobs, results


@dataclass(frozen=True)
class NeededFiles:
    """Files and folders, relative to the data folder.

    `kept` are there from before their row until after it; `perhaps` may be: reports of attempts
    that gave no result. `sums`: SHA-256 (hex) of the files whose rows say it.
    """

    kept: frozenset[str]
    perhaps: frozenset[str]
    sums: Mapping[str, str]

    def list_files(self, data: Path) -> Iterator[str]:
        """Every file of it that is there."""
        for name in sorted(self.kept | self.perhaps):
            path = data / name
            if path.is_dir():
                yield from sorted(f"{name}/{one}" for one in os.listdir(path))
            elif path.is_file():
                yield name

    def find_missing(self, folder: Path) -> list[str]:
        """What should be there and is not."""
        return sorted(name for name in self.kept | set(self.sums) if not (folder / name).exists())


def read_needed_files(connection: Connection) -> NeededFiles:
    """Of the state that the connection sees."""
    columns = (jobs.c.id, jobs.c.fence, jobs.c.series_digest, results.c.folder, results.c.files)
    query = select(*columns).select_from(jobs.outerjoin(results))
    rows = connection.execute(query.where(jobs.c.state != JobState.PURGED)).all()
    # Those with a file are results', in their folders.
    received = connection.scalars(select(instances.c.sha256).where(instances.c.file.is_(None)))
    sums = {f"instances/{sha256}.dcm": sha256 for sha256 in received}
    kept = set(sums)
    for row in rows:
        sums |= {f"results/{row.folder}/{name}": one for name, one in (row.files or {}).items()}
    kept |= {f"series/{row.series_digest}" for row in rows}
    kept |= {f"results/{row.folder}" for row in rows if row.folder}
    perhaps = {f"results/{name_folder(row.id, row.fence)}" for row in rows if not row.folder}
    return NeededFiles(frozenset(kept), frozenset(perhaps), sums)
