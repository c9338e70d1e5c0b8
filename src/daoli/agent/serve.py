"""HTTP on socket files, which only root may use."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from aiohttp import web

SHUTDOWN_SECONDS: Final = 3.0
"""How long requests may take to end when the agent ends."""


class Occupied(OSError):
    """Another process listens there."""


@asynccontextmanager
async def serving(app: web.Application, path: Path) -> AsyncIterator[None]:
    """Serve for as long as the block lasts; Occupied or another OSError if it cannot be."""
    await asyncio.to_thread(_prepare, path)
    runner = web.AppRunner(app, shutdown_timeout=SHUTDOWN_SECONDS, access_log=None)
    await runner.setup()
    try:
        await web.UnixSite(runner, str(path)).start()
        await asyncio.to_thread(path.chmod, 0o600)
        yield
    finally:
        await runner.cleanup()
        await asyncio.to_thread(path.unlink, missing_ok=True)


def _prepare(path: Path) -> None:
    """Make room: the socket file of a process that was killed is still there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_socket():
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(path)) == 0:
                raise Occupied(f"another process listens on {path}")
        path.unlink()
