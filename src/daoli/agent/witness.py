"""Looks, when the controller asks, what this host's netfilter does with a probe, and says it.

One probe at a time, and never long: a new inquiry ends the one before. The table that has the probe traced is there
only as long as somebody looks; one that a killed agent has left goes when the next begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path as File
from typing import Any, Final, Never, Protocol

from daoli.agent.client import Refused, Unreachable
from daoli.agent.commands import ENVIRONMENT, CommandError, attempt, run
from daoli.agent.links import sysctl
from daoli.agent.nftrace import TABLE, Path, parse, render
from daoli.agent.ovs import BRIDGE
from daoli.hosts.inquiry import LONGEST, Inquiry, Sought, Word

QUIET: Final = 0.4
"""Seconds without a sign of a packet that was seen, after which it is gone: its whole way takes microseconds."""
SETTLE: Final = 0.1
"""Seconds until the monitor must have told of our table, or it was not listening yet."""
ATTEMPTS: Final = 15
LINE_LIMIT: Final = 1 << 20
"""Bytes of a line of the monitor; what is longer is passed over."""
_MONITOR: Final = ("setpriv", "--pdeathsig", "TERM", "nft", "monitor")
_FORWARD: Final = "net.ipv4.ip_forward"
_LEGACY: Final = File("/proc/net/ip_tables_names")
"""Where the kernel names the tables of legacy iptables that are in use."""


class Controller(Protocol):
    """Who asks, and is told."""

    async def request(self, method: str, path: str, body: Any = None) -> Any:
        """Make a request; Unreachable or Refused."""
        ...


class Witness:
    """Answers inquiries about probes."""

    def __init__(self, controller: Controller, host: str) -> None:
        self._controller = controller
        self._host = host
        self._asked: Inquiry | None = None
        self._news = asyncio.Event()

    def ask(self, inquiry: Inquiry) -> None:
        """Take an inquiry, be it for us or for another host."""
        if inquiry.host == self._host:
            self._asked = inquiry
            self._news.set()

    async def run(self) -> Never:
        """Answer them, for ever."""
        await clear()
        looking: asyncio.Task[None] | None = None
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._news.wait()
                self._news.clear()
                if looking is not None:
                    looking.cancel()
                    await asyncio.wait((looking,))
                if (inquiry := self._asked) is not None and inquiry.packet is not None:
                    looking = tasks.create_task(self._look(inquiry, inquiry.packet), name=f"inquiry {inquiry.id}")

    async def _look(self, inquiry: Inquiry, sought: Sought) -> None:
        try:
            async with watching(sought) as lines:
                await self._say(inquiry, Word(outcome="watching"))
                path = await follow(lines, inquiry.seconds)
            word = path.word(await why_lost(path))
        except (CommandError, OSError) as error:
            word = Word(outcome="failed", detail=str(error)[:LONGEST])
        await self._say(inquiry, word)

    async def _say(self, inquiry: Inquiry, word: Word) -> None:
        with suppress(Unreachable, Refused):  # then nobody waits for it any more
            path = f"/hosts/{self._host}/inquiries/{inquiry.id}"
            await self._controller.request("PUT", path, word.model_dump(mode="json"))


@asynccontextmanager
async def watching(sought: Sought) -> AsyncIterator[asyncio.StreamReader]:
    """Have a packet traced, and give what the monitor says; CommandError or OSError if that cannot be."""
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *_MONITOR, stdin=nothing, stdout=pipe, stderr=nothing, limit=LINE_LIMIT, env=ENVIRONMENT
    )
    assert process.stdout is not None  # noqa: S101 (it is a pipe)
    try:
        await _appear(process.stdout, render(sought))
        yield process.stdout
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await clear()


async def _appear(lines: asyncio.StreamReader, table: str) -> None:
    """Make our table, again and again until the monitor tells of it: so we know that it listens."""
    for _ in range(ATTEMPTS):
        await run("nft", "-f", "-", stdin=table)
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE):
                while TABLE not in await _line(lines):
                    pass
                return
    raise CommandError(_MONITOR, "it is silent")


async def follow(lines: asyncio.StreamReader, seconds: float) -> Path:
    """Follow the packet to its end, or to where it is not seen any more."""
    path, now = Path(), asyncio.get_running_loop().time
    end = now() + seconds
    with suppress(TimeoutError):
        async with asyncio.timeout_at(end) as limit:
            while path.outcome is None:
                event = parse(await _line(lines))
                if event is not None and path.take(event):
                    limit.reschedule(min(end, now() + QUIET))
    return path


async def _line(lines: asyncio.StreamReader) -> str:
    while True:
        try:
            data = await lines.readline()
        except ValueError:
            continue  # longer than LINE_LIMIT
        if not data:
            raise CommandError(_MONITOR, "it has ended")
        return data.decode(errors="replace")


async def why_lost(path: Path) -> str | None:
    """Ask the kernel why a packet was not seen to leave; None if it was, or never came."""
    if path.outcome is not None or path.trace is None:
        return None
    found = [f"it was last seen in chain {path.at}"]
    if "oif" not in path.seen:
        to, by = path.seen.get("ip daddr", ""), path.seen.get("ip saddr", "")
        _, said, code = await attempt("ip", "-4", "route", "get", to, "from", by, "iif", BRIDGE)
        found += [f"the kernel does not route it ({said})"] if code else []
        found += [f"{_FORWARD} is 0"] if sysctl(_FORWARD) == "0" else []
    if legacy := await asyncio.to_thread(_legacy_tables):
        found.append(f"daolictl cannot see legacy iptables rules, and there are such tables: {', '.join(legacy)}")
    return "; ".join(found)


def _legacy_tables() -> list[str]:
    try:
        return _LEGACY.read_text().split()
    except OSError:
        return []  # the kernel has no legacy iptables


async def clear() -> None:
    """Remove our table, if it is there."""
    with suppress(CommandError):
        await attempt("nft", "delete", "table", "ip", TABLE)
