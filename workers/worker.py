"""A worker's process: `python -m workers.worker`, or `oarlock worker`."""

from __future__ import annotations

import logging

from workers.database import migrate, open_engine
from workers.settings import Settings
from workers.tasks import app

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def run_worker(settings: Settings) -> None:
    """Take jobs until the process is told to stop."""
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    settings.require_redis_url()
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = open_engine(settings.sql_url)
    migrate(engine)
    engine.dispose()
    app.worker_main(
        [
            "worker",
            "--loglevel=INFO",
            "--hostname=oarlock@%h",
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
        ]
    )


if __name__ == "__main__":
    run_worker(Settings())
