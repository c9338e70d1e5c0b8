"""Open vSwitch by `ovs-vsctl`: what is asked at the same time, and what fails alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import pytest

from daoli.agent import ovs as module
from daoli.agent.commands import CommandError
from daoli.agent.ovs import Ovs, OvsAway, OvsError


class FakeSwitch:
    """Runs ovs-vsctl: refuses ports of another bridge, and cannot open those whose names begin with ``no``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.runs: list[list[str]] = []
        self.output = ""
        self.away: str | None = None
        monkeypatch.setattr(module, "attempt", self.attempt)

    async def attempt(self, *command: str, timeout: float) -> tuple[str, str, int]:  # noqa: ASYNC109
        self.runs.append([word for word in command[1:] if not word.startswith("--timeout")])
        await asyncio.sleep(0)
        if self.away is not None:
            return "", f"ovs-vsctl: {self.away}", 1
        added = _after(command, "add-port")
        if "taken" in added:
            return "", "ovs-vsctl: cannot create a port named taken because it exists on bridge other", 1
        lines = [
            f"ovs-vsctl: Error detected while setting up '{port}': could not open network device {port} "
            "(No such device).  See ovs-vswitchd log for details."
            for port in added
            if port.startswith("no")
        ]
        return self.output, " / ".join([*lines, "The default log directory is /var/log"] if lines else []), 0


def _after(words: Sequence[str], command: str) -> list[str]:
    return [words[index + 2] for index, word in enumerate(words) if word == command]


@pytest.fixture
def switch(monkeypatch: pytest.MonkeyPatch) -> FakeSwitch:
    """Stand in for Open vSwitch."""
    return FakeSwitch(monkeypatch)


async def test_a_burst_is_one_transaction(switch: FakeSwitch) -> None:
    """Ports that are added while a run is under way go together in the next one."""
    ovs = Ovs()
    await asyncio.gather(*(ovs.add_port(f"dl{number}") for number in range(50)), ovs.del_port("old"))
    assert len(switch.runs) == 1
    assert _after(switch.runs[0], "add-port") == [f"dl{number}" for number in range(50)]
    assert _after(switch.runs[0], "del-port") == ["old"]


async def test_options(switch: FakeSwitch) -> None:
    """Options of a port are columns of its interface."""
    await Ovs().add_port("dldns", type="internal", ofport_request=2)
    words = "--may-exist add-port daoli dldns -- set interface dldns type=internal ofport_request=2"
    assert switch.runs == [words.split()]


async def test_a_port_that_cannot_be_opened_fails_alone(switch: FakeSwitch) -> None:
    """The others are on the bridge; the one that cannot be opened is taken off again, and its error is its own."""
    ovs = Ovs()
    results = await asyncio.gather(*map(ovs.add_port, ("dl1", "none", "dl2")), return_exceptions=True)
    assert [str(result) for result in results] == [
        "None",
        "Open vSwitch cannot use none: could not open network device none (No such device)",
        "None",
    ]
    assert switch.runs[1:] == [["--no-wait", "--if-exists", "del-port", "daoli", "none"]]


@pytest.mark.usefixtures("switch")
async def test_a_port_that_is_refused_fails_alone() -> None:
    """Where the whole transaction is refused, each of its ports is tried by itself."""
    ovs = Ovs()
    results = await asyncio.gather(*map(ovs.add_port, ("dl1", "taken", "dl2")), return_exceptions=True)
    assert [type(result) for result in results] == [type(None), OvsError, type(None)]
    assert "exists on bridge other" in str(results[1])


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("unix:/run/openvswitch/db.sock: database connection failed (No such file)", "Open vSwitch is not running"),
        ("|fatal_signal|WARN|terminating with signal 14 (Alarm clock)", "is ovs-vswitchd running?"),
    ],
)
async def test_away(switch: FakeSwitch, said: str, words: str) -> None:
    """Where Open vSwitch does not run or does not answer, all are told so at once."""
    switch.away = said
    ovs = Ovs()
    results = await asyncio.gather(*map(ovs.add_port, ("dl1", "dl2")), return_exceptions=True)
    assert all(isinstance(result, OvsAway) and words in str(result) for result in results)
    assert len(switch.runs) == 1


async def test_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ovs-vsctl Open vSwitch is away."""

    async def attempt(*command: str, **_: object) -> tuple[str, str, int]:
        raise CommandError(command, "no such file or directory")

    monkeypatch.setattr(module, "attempt", attempt)
    with pytest.raises(OvsAway, match="no such file"):
        await Ovs().ports()


@pytest.mark.usefixtures("switch")
async def test_a_caller_who_goes_away() -> None:
    """Who does not wait any more keeps nobody else from being served."""
    ovs = Ovs()
    first, second = asyncio.create_task(ovs.add_port("dl1")), asyncio.create_task(ovs.add_port("dl2"))
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert first.cancelled()


async def test_settling(switch: FakeSwitch) -> None:
    """It is the switch that is waited for, not only its database."""
    await Ovs().settle()
    assert switch.runs == [["list-br"]]


async def test_rows(switch: FakeSwitch) -> None:
    """Values of the database come as Python's: sets as lists, maps as dicts."""
    headings = ["name", "other_config", "controller", "ofport"]
    row = ["daoli", ["map", [["hwaddr", "06:00"]]], ["uuid", "1-2"], ["set", []]]
    switch.output = json.dumps({"headings": headings, "data": [row]})
    found = await Ovs().rows("Bridge", headings, "daoli")
    assert found == [{"name": "daoli", "other_config": {"hwaddr": "06:00"}, "controller": "1-2", "ofport": []}]
    switch.output = ""
    assert await Ovs().rows("Bridge", headings, "none") == []
