"""A bundle evaluated on cases, several at a time, each in a process of its own if asked to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import torch

from contouring.recipe import Cascade
from models.bundles import Bundle, read_bundle
from models.cascades import open_cascade
from models.evaluation.case_results import Names, judge_scan
from models.evaluation.drawn_scans import ScanSource
from models.evaluation.results import (
    CaseResult,
    Evaluation,
    JudgedData,
    JudgedModel,
    LeftOut,
    Machine,
)
from models.processor import read_processor
from models.runtime_names import RuntimeName

Outcome = CaseResult | LeftOut
Told = Callable[[int], None]


@dataclass(frozen=True)
class Work:
    """How the cases are shared out: `jobs` processes, each with `threads` for its networks.

    `engines`: the folder of those that were built for this machine.
    """

    jobs: int = 1
    threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    runtime: RuntimeName = RuntimeName.AUTO
    engines: Path | None = None


def evaluate_bundle(
    bundle: Bundle,
    scans: Sequence[ScanSource],
    data: JudgedData,
    names: Names | None = None,
    work: Work | None = None,
    tell: Told = lambda _: None,
) -> Evaluation:
    """Contour and judge every scan; `tell` hears how many are done.

    The order of the results is that of `scans`, however the work was shared out.
    """
    names, work = names or Names(), work or Work()
    outcomes: dict[int, Outcome] = {}
    for index, outcome in _judge_all(bundle, scans, names, work):
        outcomes[index] = outcome
        tell(len(outcomes))
    in_order = [outcomes[index] for index in range(len(scans))]
    cascade = _open(bundle.folder, bundle.checksum, work)
    return Evaluation(
        model=JudgedModel(
            name=cascade.name,
            version=cascade.version,
            checksum=cascade.checksum,
            runtime=cascade.runtime,
            structures=tuple(structure.name for structure in cascade.structures),
        ),
        data=data,
        machine=Machine(
            processor=read_processor().name,
            cores=os.cpu_count() or 1,
            jobs=work.jobs,
            threads=work.threads,
            software_version=version("oarlock"),
        ),
        cases=tuple(one for one in in_order if isinstance(one, CaseResult)),
        left_out=tuple(one for one in in_order if isinstance(one, LeftOut)),
    )


def _judge_all(
    bundle: Bundle, scans: Sequence[ScanSource], names: Names, work: Work
) -> Iterator[tuple[int, Outcome]]:
    """Outcomes with their places in `scans`, as they come."""
    if work.jobs == 1:
        for index, scan in enumerate(scans):
            yield index, _judge(bundle, scan, names, work)
        return
    # Forking a process that already runs a runtime's threads can hang it.
    with ProcessPoolExecutor(work.jobs, mp_context=get_context("spawn")) as pool:
        try:
            places = {
                pool.submit(_judge, bundle, scan, names, work): index
                for index, scan in enumerate(scans)
            }
            for future in as_completed(places):
                yield places[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _judge(bundle: Bundle, scan: ScanSource, names: Names, work: Work) -> Outcome:
    return judge_scan(scan, _open(bundle.folder, bundle.checksum, work), names)


@lru_cache(maxsize=1)
def _open(folder: Path, _checksum: str, work: Work) -> Cascade:
    """Once in each process, not once for each case; a bundle that was changed is opened anew."""
    torch.set_num_threads(work.threads)  # MONAI's measures, which would take all cores
    return open_cascade(
        read_bundle(folder), work.threads, runtime=work.runtime, engines=work.engines
    )
