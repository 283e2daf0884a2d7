"""Objects of several associations, kept together: one sync of the folder and one commit for all.

Both wait for the disk and take the same time for one object as for many. Whoever comes first does
it for all that wait by then; the others find theirs done.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from workers.arrival_additions import ArrivalAdditions
from workers.instance_files import InstanceFiles
from workers.instances import ReceivedInstance
from workers.reception import Reception


@dataclass
class _Waiting:
    reception: Reception
    instance: ReceivedInstance
    is_done: bool = False
    error: BaseException | None = None


class SharedKeeping:
    """Keeps objects for all associations of one process."""

    def __init__(self, files: InstanceFiles, additions: ArrivalAdditions) -> None:
        self._files = files
        self._additions = additions
        self._queue: list[_Waiting] = []
        self._changing = threading.Lock()
        self._turn = threading.Lock()

    def keep(self, reception: Reception, instance: ReceivedInstance) -> None:
        """Take over a staged and synced file; on return it survives a loss of power.

        Raises `OSError` and `SQLAlchemyError`; the object may be recorded even so, or not at all.
        """
        mine = _Waiting(reception, instance)
        with self._changing:
            self._queue.append(mine)
        with self._turn:
            if not mine.is_done:
                with self._changing:
                    batch, self._queue = self._queue, []
                self._keep(batch)
        if mine.error is not None:
            raise mine.error

    def _keep(self, batch: Sequence[_Waiting]) -> None:
        try:
            wanted = [one.instance for one in batch if one.instance.is_ct]
            if wanted:
                self._files.keep(wanted)
            self._record(batch)
        except BaseException as error:
            # Whatever it is, it is everybody's: none of them may be told that theirs is kept.
            for one in batch:
                one.error = error
            if not isinstance(error, OSError | SQLAlchemyError):
                raise
        finally:
            for one in batch:
                one.is_done = True

    def _record(self, batch: Sequence[_Waiting]) -> None:
        additions = [one.reception.find_addition(one.instance) for one in batch]
        plain = [addition for addition in additions if addition is not None]
        if len(plain) == len(batch) and self._additions.add(plain):
            return
        for one in batch:
            try:
                one.reception.note([one.instance])
            except SQLAlchemyError as error:
                one.error = error
