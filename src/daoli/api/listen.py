"""Where the API listens: ``HOST:PORT``, ``[V6]:PORT`` or ``unix:PATH``."""

from __future__ import annotations

import asyncio
import socket
import stat
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from aiohttp import web

SHUTDOWN_SECONDS: Final = 5.0
"""How long requests may take to end when the API stops."""
_UNIX: Final = "unix:"


class ListenError(ValueError):
    """The API cannot listen where it is told to; the text says why."""


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A host name or address, and a port; 0 for any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it. Names other than localhost are not looked up, so they are not."""
        try:
            return self.host == "localhost" or ip_address(self.host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A socket file, which the file system guards."""

    path: Path

    def __str__(self) -> str:
        return f"{_UNIX}{self.path}"


def parse_listen(text: str) -> TcpAddress | UnixAddress:
    """Take an address apart; ListenError if it is none."""
    if text.startswith(_UNIX):
        path = text.removeprefix(_UNIX)
        if not path or "\0" in path:
            raise ListenError(f"{text!r} has no path; write unix:/run/daoli.sock")
        return UnixAddress(Path(path))
    host, _, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not host or (":" in host and not bracketed):
        raise ListenError(f"{text!r} is not HOST:PORT, [IPV6]:PORT or unix:PATH")
    if not (port.isascii() and port.isdecimal() and int(port) <= 0xFFFF):
        raise ListenError(f"{text!r} has no port between 0 and 65535")
    return TcpAddress(host[1:-1] if bracketed else host, int(port))


class Listening:
    """The API being served; `address` is where, with the port that was found where any free one was asked for."""

    def __init__(self, runner: web.AppRunner, address: TcpAddress | UnixAddress) -> None:
        self._runner = runner
        self._address = address

    @property
    def address(self) -> str:
        """Where it listens, as `parse_listen` reads it."""
        return str(self._address)

    async def close(self) -> None:
        """Take no more requests, end event streams, give others `SHUTDOWN_SECONDS`, and go."""
        await self._runner.cleanup()
        if isinstance(self._address, UnixAddress):
            self._address.path.unlink(missing_ok=True)


async def serve(app: web.Application, listen: str, *, token: str | None = None) -> Listening:
    """Serve the application; `token` is the one that it asks for.

    Raises:
        ListenError: the address is none, is taken, or can be reached by others while there is no token.
    """
    address = parse_listen(listen)
    if isinstance(address, TcpAddress) and not address.loopback and token is None:
        raise ListenError(f"{listen} can be reached from other machines: set a token, or listen on 127.0.0.1")
    runner = web.AppRunner(app, shutdown_timeout=SHUTDOWN_SECONDS, access_log=None)
    await runner.setup()
    try:
        return Listening(runner, await _start(runner, address))
    except OSError as error:
        await runner.cleanup()
        raise ListenError(f"cannot listen on {address}: {error.strerror or error}") from error
    except BaseException:  # undone whatever ends it, a cancellation too, and raised again
        await runner.cleanup()
        raise


async def _start(runner: web.AppRunner, address: TcpAddress | UnixAddress) -> TcpAddress | UnixAddress:
    if isinstance(address, UnixAddress):
        await _clear(address.path)
        await web.UnixSite(runner, str(address.path)).start()
        await asyncio.to_thread(address.path.chmod, 0o600)
        return address
    await web.TCPSite(runner, address.host, address.port).start()
    return TcpAddress(address.host, runner.addresses[0][1])


async def _clear(path: Path) -> None:
    """Remove the socket file of a process that is gone, and nothing else."""
    mode = await asyncio.to_thread(_mode, path)
    if mode is None:
        return
    if not stat.S_ISSOCK(mode):
        raise ListenError(f"{path} exists and is not a socket")
    if await asyncio.to_thread(_answers, path):
        raise ListenError(f"another process listens on {path}")
    await asyncio.to_thread(path.unlink)


def _mode(path: Path) -> int | None:
    try:
        return path.lstat().st_mode
    except FileNotFoundError:
        return None


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
    return True
