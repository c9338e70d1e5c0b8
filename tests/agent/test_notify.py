"""What systemd is told."""

from __future__ import annotations

import socket
from pathlib import Path

from daoli.agent.notify import is_awaited, notify


def test_lines_arrive(tmp_path: Path) -> None:
    """Assignments go to systemd's socket, a line each; without one nothing happens."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(path))
        notify("READY=1", "STATUS=joined", environment={"NOTIFY_SOCKET": str(path)})
        assert systemd.recv(100) == b"READY=1\nSTATUS=joined"
    notify("READY=1", environment={"NOTIFY_SOCKET": str(path)})
    notify("READY=1", environment={})


def test_who_waits() -> None:
    """A service of systemd's is told from what a person starts."""
    assert is_awaited({"NOTIFY_SOCKET": "/run/systemd/notify"})
    assert not is_awaited({"NOTIFY_SOCKET": ""})
    assert not is_awaited({})
