"""A Redis on a unix socket has one URL for redis-py and another for Celery."""

from __future__ import annotations

from pathlib import Path

SOCKET_SCHEME = "unix://"


def build_socket_url(socket: Path) -> str:
    """URL of a Redis on a unix socket, as redis-py and OARLOCK_REDIS_URL write it."""
    return f"{SOCKET_SCHEME}{socket}"


def build_broker_url(redis_url: str) -> str:
    """The same Redis as Celery writes it."""
    if redis_url.startswith(SOCKET_SCHEME):
        return f"redis+socket://{redis_url.removeprefix(SOCKET_SCHEME)}"
    return redis_url
