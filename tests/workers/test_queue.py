"""Settings of the queue that follow from others."""

from __future__ import annotations

import pytest

from workers.queue import build_queue


@pytest.mark.parametrize("limit_seconds", [60, 1380, 7200])
def test_no_message_comes_back_while_its_job_may_run(limit_seconds: int) -> None:
    """Also on a slow machine, where a site has given jobs more time."""
    conf = build_queue("redis://localhost", limit_seconds).conf

    visible = conf.broker_transport_options["visibility_timeout"]
    assert visible == conf.visibility_timeout >= 2 * conf.task_time_limit
    assert conf.task_time_limit > conf.task_soft_time_limit == limit_seconds
