"""The Redis that `oarlock serve` starts."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from workers.redis_server import MissingRedisError, RedisServer


def test_it_is_durable_and_reached_by_its_socket_only(redis_server: RedisServer) -> None:
    """A port would be open to every user of the machine."""
    with redis.Redis.from_url(redis_server.url) as client:
        shown = {
            name: client.config_get(name)[name]
            for name in ("port", "appendonly", "maxmemory-policy")
        }

    assert shown == {"port": "0", "appendonly": "yes", "maxmemory-policy": "noeviction"}


def test_one_that_was_left_running_is_used(redis_server: RedisServer, tmp_path: Path) -> None:
    """Two servers on the same files would destroy them."""
    second = RedisServer(tmp_path / "redis")

    second.start()

    assert second.url == redis_server.url
    assert second.process_id is None


def test_a_missing_program_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The set-up installs it, but not everybody uses the set-up."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(MissingRedisError, match="install it"):
        RedisServer(tmp_path / "redis").start()


def test_a_long_data_folder_does_not_stop_it(tmp_path: Path) -> None:
    """The kernel allows 107 bytes for a socket's path."""
    server = RedisServer(tmp_path / ("long" * 30) / "redis")

    server.start()

    with redis.Redis.from_url(server.url) as client:
        assert client.ping()
    server.stop()
