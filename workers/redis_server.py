"""A Redis of Oarlock's own: the system's `redis-server` on a unix socket in the data folder."""

from __future__ import annotations

import logging
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import redis

from workers.child_process import stop_process, tie_to_parent
from workers.redis_urls import build_socket_url

SOCKET_PATH_LIMIT = 100  # bytes; the kernel's own limit is 107
START_SECONDS = 10.0
STOP_SECONDS = 10.0

log = logging.getLogger(__name__)


class RedisServerError(RuntimeError):
    """There is no Redis of Oarlock's own."""


class MissingRedisError(RedisServerError):
    """There is no redis-server to start."""

    def __init__(self) -> None:
        super().__init__(
            "redis-server was not found: install it (apt install redis-server), or set "
            "OARLOCK_REDIS_URL to a Redis that runs already."
        )


class RedisServer:
    """Starts and stops the server; one that a killed Oarlock left behind is taken over."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._process: subprocess.Popen[bytes] | None = None
        socket = self._folder / "redis.sock"
        if len(bytes(socket)) > SOCKET_PATH_LIMIT:
            socket = Path(tempfile.mkdtemp(prefix="oarlock-")) / "redis.sock"
        self._socket = socket

    @property
    def url(self) -> str:
        """URL for OARLOCK_REDIS_URL."""
        return build_socket_url(self._socket)

    @property
    def process_id(self) -> int | None:
        """The server that was started here; None for one that ran already."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Return once the server answers."""
        if self._answers():
            log.info("a Redis that already runs in %s is used", self._folder)
            return
        program = shutil.which("redis-server")
        if program is None:
            raise MissingRedisError
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._process = subprocess.Popen(  # nosec B603 # our own options
            tie_to_parent([program, *self._build_options()]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                log_file = self._folder / "redis.log"
                raise RedisServerError(f"redis-server did not start: read {log_file}.")
            time.sleep(0.02)

    def is_dead(self) -> bool:
        """Whether the server that was started here has ended."""
        return self._process is not None and self._process.poll() is not None

    def stop(self) -> None:
        """Let the server write what it holds, and end it."""
        if self._process is not None:
            stop_process(self._process, STOP_SECONDS)
            self._process = None

    def _build_options(self) -> list[str]:
        return [
            *("--port", "0"),
            *("--unixsocket", str(self._socket), "--unixsocketperm", "700"),
            *("--dir", str(self._folder), "--logfile", str(self._folder / "redis.log")),
            *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
            *("--maxmemory-policy", "noeviction", "--daemonize", "no"),
        ]

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False
