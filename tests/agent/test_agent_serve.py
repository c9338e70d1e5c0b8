"""HTTP on socket files."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from aiohttp import web

from daoli.agent.serve import Occupied, serving


async def test_socket_file_comes_and_goes(tmp_path: Path) -> None:
    """The socket file is for its owner only, replaces that of a dead process, and is gone at the end."""
    path = tmp_path / "run" / "agent.sock"
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with serving(web.Application(), path):
        assert path.stat().st_mode & 0o777 == 0o600
    assert not path.exists()


async def test_another_process_is_left_alone(tmp_path: Path) -> None:
    """A socket on which somebody listens is not taken away."""
    path = tmp_path / "agent.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(Occupied, match="another process listens on"):
            async with serving(web.Application(), path):
                pass
    assert path.exists()
