"""The emulated switch says what Open vSwitch says, but where `differences` has the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.datapath.ovs import inside
from tests.e2e.differences import DIFFERENCES
from tests.e2e.parity import Peer, Step, ask
from tests.e2e.sequences import SEQUENCES, TEARDOWN, for_port

from daoli.datapath.emulated import EmulatedSwitch
from daoli.lab import Lab
from daoli.ofproto import Message

PORTS = (6653, 6654)
"""Where the two controllers listen for Open vSwitch."""
OWN_TABLES = 254
"""Tables of Open vSwitch for others to use; there is one more of its own."""

Asked = Mapping[str, Sequence[Message | Step]]
Said = dict[str, list[str]]


async def run(peers: Sequence[Peer], asked: Asked, wanted: Said | None = None) -> Said:
    """Ask all, each of an empty switch; wait for as much news as there is in `wanted`."""
    said: Said = {}
    for name, steps in asked.items():
        for peer in peers:
            await peer.tell(*TEARDOWN)
        for peer in peers:
            peer.news.clear()
        answers = await ask(peers, [step if isinstance(step, Step) else Step(step) for step in steps])
        said[name] = answers + [
            f"news of {index}: {part}"
            for index, peer in enumerate(peers)
            for part in await peer.all_news(_count(index, wanted[name]) if wanted else 0)
        ]
    return said


def _count(index: int, said: Sequence[str]) -> int:
    return sum(line.startswith(f"news of {index}: ") for line in said)


async def compare() -> tuple[Said, Said]:
    """Ask both switches; the emulated one has the other's ports."""
    async with AsyncExitStack() as stack:
        real = [await stack.enter_async_context(Peer.listening("0.0.0.0", port)) for port in PORTS]
        for peer in real:
            await peer.ready()
        ports = await real[0].ports()
        asked = {**SEQUENCES, **for_port(ports[0])}
        others = [await stack.enter_async_context(Peer.listening("127.0.0.1", 0)) for _ in PORTS]
        switch = EmulatedSwitch(1, ports, tables=OWN_TABLES)
        for peer in others:
            await switch.connect(*peer.address)
            await peer.ready()
        emulated = await run(others, asked)
        await switch.close()
        return await run(real, asked, emulated), emulated


@pytest.mark.e2e
def test_parity(labs: Path) -> None:
    """To each sequence both answer alike, errors by type, code and quoted message; each known difference is one."""
    found: list[tuple[Said, Said]] = []

    async def main() -> None:
        found.append(await compare())

    with Lab.create(hosts=1, endpoints=0, state_dir=labs) as lab:
        (host,) = lab.hosts.values()
        host.vsctl("set-controller", "daoli", *(f"tcp:10.254.0.250:{port}" for port in PORTS))
        inside(lab.controller, main)
    ((real, emulated),) = found
    assert len(real) > 100
    different = {name: (real[name], emulated[name]) for name in real if real[name] != emulated[name]}
    assert {name: both for name, both in different.items() if name not in DIFFERENCES} == {}
    assert DIFFERENCES.keys() - different.keys() == set()
