"""What the agent does when it is asked about a probe, with a monitor that is a script and an `nft` that is a record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.agent.fakes import FakeController, away, refused
from tests.agent.test_nftrace import ENTERED, FORWARDED, LEFT, SOUGHT

from daoli.agent import witness as module
from daoli.agent.commands import CommandError
from daoli.agent.nftrace import render
from daoli.agent.witness import Witness
from daoli.hosts.inquiry import Inquiry

APPEARS = "add table ip daoli_trace\n"
LEGACY = (
    "it was last seen in chain ip filter FORWARD; daolictl cannot see legacy iptables rules, and there are such "
    "tables: filter, nat"
)
UNREACHABLE = "RTNETLINK answers: Network is unreachable"
NOT_ROUTED = (
    f"it was last seen in chain ip nat PREROUTING; the kernel does not route it ({UNREACHABLE}); net.ipv4.ip_forward "
    "is 0"
)
TABLE = ("nft", "-f", "-")
CLEARED = ("nft", "delete", "table", "ip", "daoli_trace")
ROUTE = ("ip", "-4", "route", "get", "198.51.100.7", "from", "10.1.0.2", "iif", "daoli")


class FakeHost:
    """A host whose monitor says what a file says, and then nothing."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[tuple[str, ...]] = []
        self.tables: list[str | None] = []
        self.routed = True
        self.trouble: Exception | None = None
        """What the controller answers."""
        self.says = folder / "says"
        self.legacy = folder / "tables"
        self.controller = FakeController()
        self.watching = asyncio.Event()
        self.said = asyncio.Event()
        self.cleared = asyncio.Event()
        self.controller.answers[("PUT", "/hosts/h1/inquiries/")] = self._heard
        self.monitor(APPEARS)
        monkeypatch.setattr(module, "run", self.run)
        monkeypatch.setattr(module, "attempt", self.attempt)
        monkeypatch.setattr(module, "_LEGACY", self.legacy)
        monkeypatch.setattr(module, "sysctl", lambda _: "1" if self.routed else "0")
        monkeypatch.setattr(module, "QUIET", 0.05)
        monkeypatch.setattr(module, "_MONITOR", ("sh", "-c", f"cat {self.says}; exec sleep 60"))

    def _heard(self, _method: str, _path: str, body: Any) -> Exception | None:
        (self.watching if body["outcome"] == "watching" else self.said).set()
        return self.trouble

    def monitor(self, text: str) -> None:
        self.says.write_text(text)

    async def run(self, *command: str, stdin: str | None = None) -> str:
        self.done.append(command)
        self.tables.append(stdin)
        return ""

    async def attempt(self, *command: str) -> tuple[str, str, int]:
        self.done.append(command)
        if command == CLEARED:
            self.cleared.set()
        return ("", "", 0) if self.routed or command[0] != "ip" else ("", UNREACHABLE, 2)

    @property
    def words(self) -> list[tuple[str, str | None]]:
        return [(body["outcome"], body["detail"]) for body in self.controller.made("PUT", "/hosts/h1/inquiries/7")]

    @asynccontextmanager
    async def asked(self, **changes: Any) -> AsyncIterator[Witness]:
        """Have the agent asked, and follow it until the test is over."""
        witness = Witness(self.controller, "h1")
        running = asyncio.create_task(witness.run())
        witness.ask(Inquiry(id="7", host="h1", seconds=5.0, packet=SOUGHT).model_copy(update=changes))
        try:
            yield witness
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    return FakeHost(tmp_path, monkeypatch)


async def test_sees_it_leave(host: FakeHost) -> None:
    """The table is there before the agent says that it watches, and gone when it says what it saw."""
    host.monitor(ENTERED + FORWARDED + LEFT)
    async with host.asked():
        await host.said.wait()
    assert host.words == [("watching", None), ("left", None)]
    assert host.done == [CLEARED, TABLE, CLEARED]
    assert host.tables == [render(SOUGHT)]


@pytest.mark.parametrize(
    ("text", "routed", "legacy", "detail"),
    [
        (ENTERED, True, None, "it was last seen in chain ip nat PREROUTING"),
        (
            ENTERED,
            False,
            None,
            NOT_ROUTED,
        ),
        (ENTERED + FORWARDED, True, "filter\nnat\n", LEGACY),
    ],
)
async def test_sees_it_no_more(host: FakeHost, text: str, routed: bool, legacy: str | None, detail: str) -> None:
    """What is known of a packet that was not seen to leave is told: no route, or rules that are not shown."""
    host.monitor(text)
    host.routed = routed
    if legacy:
        host.legacy.write_text(legacy)
    async with host.asked():
        await host.said.wait()
    assert host.words[-1] == ("lost", detail)
    assert (ROUTE in host.done) is (text == ENTERED)


async def test_sees_nothing(host: FakeHost) -> None:
    """A packet that does not come is waited for as long as was asked."""
    async with host.asked(seconds=0.1):
        await host.said.wait()
    assert host.words == [("watching", None), ("absent", None)]
    assert host.done[-1] == CLEARED


@pytest.mark.parametrize(
    ("monitor", "problem"),
    [
        (("sh", "-c", "exit 1"), "sh -c 'exit 1': it has ended"),
        (("sleep", "60"), "sleep 60: it is silent"),
        (("no-such-program",), "[Errno 2] No such file or directory: 'no-such-program'"),
    ],
)
async def test_cannot_look(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch, monitor: tuple[str, ...], problem: str
) -> None:
    """Why it cannot look is told, and nothing is left behind."""
    monkeypatch.setattr(module, "_MONITOR", monitor)
    monkeypatch.setattr(module, "SETTLE", 0.01)
    async with host.asked():
        await host.said.wait()
    assert host.words == [("failed", problem)]
    assert host.done[-1] == CLEARED


async def test_nft_refuses(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """So is what `nft` says."""

    async def refuse(*command: str, **_: Any) -> str:
        raise CommandError(command, "not permitted")

    monkeypatch.setattr(module, "run", refuse)
    async with host.asked():
        await host.said.wait()
    assert host.words == [("failed", "nft -f -: not permitted")]


async def test_over(host: FakeHost) -> None:
    """When it is over the table goes, and nothing is said; the next inquiry is answered."""
    async with host.asked() as witness:
        await host.watching.wait()
        host.cleared.clear()
        witness.ask(Inquiry(id="7", host="h1", seconds=5.0))
        await host.cleared.wait()
        assert host.words == [("watching", None)]
        host.monitor(ENTERED + FORWARDED + LEFT)
        witness.ask(Inquiry(id="8", host="h1", seconds=5.0, packet=SOUGHT))
        await host.said.wait()
    outcomes = [body["outcome"] for body in host.controller.made("PUT", "/hosts/h1/inquiries/8")]
    assert outcomes == ["watching", "left"]


async def test_of_another_host(host: FakeHost) -> None:
    """Another host's inquiry is that host's."""
    async with host.asked(host="h2") as witness:
        witness.ask(Inquiry(id="7", host="h1", seconds=0.1, packet=SOUGHT))
        await host.said.wait()
    assert len(host.tables) == 1


@pytest.mark.parametrize("trouble", [away(), refused("nobody waits", status=404)])
async def test_nobody_hears(host: FakeHost, trouble: Exception) -> None:
    """A word that nobody takes is lost, and the agent goes on."""
    host.trouble = trouble
    host.monitor(ENTERED + FORWARDED + LEFT)
    async with host.asked() as witness:
        await host.said.wait()
        host.said.clear()
        witness.ask(Inquiry(id="8", host="h1", seconds=5.0, packet=SOUGHT))
        await host.said.wait()


async def test_lines_without_end(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that is longer than can be is passed over."""
    monkeypatch.setattr(module, "LINE_LIMIT", 2000)
    host.monitor(f"{APPEARS}{'x' * 9000}\n{ENTERED}{FORWARDED}{LEFT}")
    async with host.asked():
        await host.said.wait()
    assert host.words[-1] == ("left", None)
