"""The tutorial's programs do what it says, and what it quotes of the example stands there."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import daoli.datapath.events
from daoli.datapath.emulated import EmulatedSwitch
from daoli.datapath.events import EventStream

ROOT = Path(__file__).parents[2]
TUTORIAL = (ROOT / "docs/tutorial.md").read_text()
EXAMPLE = (ROOT / "examples/learning_switch.py").read_text()
SNIPPET = '``` { .python }\n--8<-- "examples/learning_switch.py"\n```\n'
RUN = "\n\nasyncio.run(main())\n"
BLOCKS = re.findall(r"```python\n(.*?)```", TUTORIAL, re.DOTALL)
PROGRAMS = [block for block in BLOCKS if block.endswith(RUN)]
EXCERPTS = [block for block in BLOCKS if not block.endswith(RUN)]

A, B = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
FRAME = B + A + bytes.fromhex("88b5") + bytes(46)
BACK = A + B + FRAME[12:]


def test_final_program_is_the_example() -> None:
    """The whole program is included from its file, once."""
    assert TUTORIAL.count(SNIPPET) == 1
    assert len(PROGRAMS) == 3
    assert len(EXCERPTS) == 4


@pytest.mark.parametrize("excerpt", EXCERPTS)
def test_excerpts_stand_in_the_example(excerpt: str) -> None:
    """What is quoted stands in the example, line by line as it is quoted."""
    assert f"\n{excerpt}" in EXAMPLE


@asynccontextmanager
async def running(program: str, monkeypatch: pytest.MonkeyPatch, *args: str) -> AsyncIterator[EmulatedSwitch]:
    """Run a program at a free port, with a switch of three ports connected to it."""
    listening: asyncio.Future[EventStream] = asyncio.get_running_loop().create_future()
    events = daoli.datapath.events.events

    @asynccontextmanager
    async def elsewhere(host: str, port: int) -> AsyncIterator[EventStream]:
        assert port == 6653
        async with events(host, 0) as stream:
            listening.set_result(stream)
            yield stream

    monkeypatch.setattr(daoli.datapath.events, "events", elsewhere)
    scope: dict[str, Any] = {"__name__": "tutorial"}
    exec(program.removesuffix(RUN), scope)  # noqa: S102 - of this repository
    task = asyncio.create_task(scope["main"](*args))
    switch = EmulatedSwitch(dpid=1, ports=(1, 2, 3))
    try:
        await switch.connect(*(await listening).address)
        yield switch
    finally:
        await switch.close()
        task.cancel()
        await asyncio.wait((task,))


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until something is so."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - programs of a page have no events for tests
            await asyncio.sleep(0)


async def printed(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Wait until a program has printed something."""
    said: list[str] = []

    def heard() -> bool:
        said.append(capsys.readouterr().out)
        return text in "".join(said)

    await until(heard)


async def test_connected(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The first program says who connects, and who is gone."""
    async with running(PROGRAMS[0], monkeypatch) as switch:
        await printed("connected <Datapath 0000000000000001", capsys)
        await switch.close()
        await printed("gone <Datapath 0000000000000001", capsys)


async def test_heard(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The second program prints what comes in."""
    async with running(PROGRAMS[1], monkeypatch) as switch:
        await until(lambda: bool(switch.tables[0]))
        switch.receive(2, FRAME)
        await printed("in_port=2", capsys)


async def test_flooded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The third program is a hub: a frame leaves by every other port."""
    async with running(PROGRAMS[2], monkeypatch) as switch:
        await until(lambda: bool(switch.tables[0]))
        switch.receive(2, FRAME)
        await until(lambda: len(switch.sent) > 1)
        assert sorted(switch.sent) == [(1, FRAME), (3, FRAME)]


async def test_switched(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole program learns, leaves what it knows to the switch, and follows an address to another port."""
    async with running(EXAMPLE, monkeypatch, "127.0.0.1:6653") as switch:
        await until(lambda: bool(switch.tables[0]))
        switch.receive(1, FRAME)
        await until(lambda: len(switch.sent) == 2)
        switch.receive(2, BACK)
        await until(lambda: len(switch.tables[0]) == 2)
        await until(lambda: len(switch.sent) == 3)
        switch.receive(2, BACK)
        assert switch.sent[2:] == [(1, BACK), (1, BACK)]
        switch.receive(3, FRAME)
        await until(lambda: len(switch.sent) == 5)
        assert switch.sent[4] == (2, FRAME)
        switch.receive(2, BACK)
        await until(lambda: len(switch.sent) == 6)
        assert switch.sent[5] == (3, BACK)
