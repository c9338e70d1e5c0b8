"""What the agent reports of its host's publications."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from tests.agent.fakes import FakeController, away, make_world, refused, tell

from daoli.agent.reporting import Reporting
from daoli.agent.world import World
from daoli.hosts.publication import LONGEST, MOST

HOST = {"name": "h1", "dpid": "00000000000000a1", "address": "192.0.2.1", "uplink": "eth0"}
PATH = "/hosts/h1/problems"


class Rig:
    """A report of one host, and the controller that takes it."""

    def __init__(self, world: World | None = None) -> None:
        self.published: dict[str, str | None] = {}
        self.world = world or make_world({"hosts/h1": HOST})
        self.controller = FakeController()
        self.reporting = Reporting(self.controller, self.world, "h1", lambda: self.published)

    def reports(self) -> list[dict[str, str | None]]:
        return [body["publications"] for body in self.controller.made("PUT", PATH)]


@asynccontextmanager
async def running(rig: Rig) -> AsyncIterator[None]:
    task = asyncio.create_task(rig.reporting.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(100):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError


async def test_reports_what_is_new() -> None:
    """What differs from the last report is told, once; an empty report tells that nothing is published."""
    rig = Rig()
    await rig.reporting.report()
    rig.published = {"p1": None, "p2": "tcp port 80: Address already in use"}
    await rig.reporting.report()
    await rig.reporting.report()
    assert rig.reports() == [{}, rig.published]


async def test_reports_anew() -> None:
    """A controller that may have forgotten is told anew, as it is after it forgot the host."""
    rig = Rig()
    await rig.reporting.report()
    rig.reporting.forget()
    await rig.reporting.report()
    tell(rig.world, {"hosts/h1": None})
    await rig.reporting.report()
    assert rig.reports() == [{}, {}]
    tell(rig.world, {"hosts/h1": HOST})
    await rig.reporting.report()
    assert rig.reports() == [{}, {}, {}]


async def test_report_is_bounded() -> None:
    """A report is no longer than the controller takes: problems come first, and long ones are cut."""
    rig = Rig()
    rig.published = {f"p{number:04}": None for number in range(MOST + 5)} | {"px": "x" * 1000}
    await rig.reporting.report()
    (report,) = rig.reports()
    assert len(report) == MOST
    assert report["px"] == "x" * LONGEST


async def test_controller_away() -> None:
    """What could not be told is told later, and news end the wait."""
    rig = Rig()
    rig.controller.answers["PUT", PATH] = away()
    async with running(rig):
        rig.reporting.look()
        await until(lambda: len(rig.reports()) == 1)
        del rig.controller.answers["PUT", PATH]
        rig.published = {"p1": None}
        await until(lambda: not rig.reporting._work.is_set())
        rig.reporting.look()
        await until(lambda: len(rig.reports()) > 1)
    assert rig.reports()[-1] == {"p1": None}


async def test_controller_refuses() -> None:
    """A report that the controller does not take is not told again before there is something new."""
    rig = Rig()
    rig.controller.answers["PUT", PATH] = refused("there is no such path", status=404)
    async with running(rig):
        rig.reporting.look()
        await until(lambda: len(rig.reports()) == 1)
        rig.reporting.look()
        await until(lambda: not rig.reporting._work.is_set())
        rig.published = {"p1": None}
        rig.reporting.look()
        await until(lambda: len(rig.reports()) == 2)
