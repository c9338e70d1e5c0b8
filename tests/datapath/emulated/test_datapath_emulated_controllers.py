"""Several controllers: who is master, who may change what, and who is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.datapath.emulated.connected import FRAME, MISS
from tests.datapath.emulated.test_datapath_emulated_state import made
from tests.datapath.scripted_switch import Recorder

from daoli.datapath import Datapath, RequestFailed, serve
from daoli.datapath.emulated import EmulatedSwitch, Refused
from daoli.datapath.emulated.controllers import Controller, Controllers
from daoli.ofproto import (
    BadRequestCode,
    ControllerRole,
    FlowMod,
    FlowModCommand,
    FlowModFlags,
    FlowRemoved,
    PacketIn,
    PortConfig,
    PortMod,
    PortStatus,
    RoleReply,
    RoleRequest,
    RoleRequestFailedCode,
)

MASTER, SLAVE, EQUAL, SAME = (
    ControllerRole.MASTER,
    ControllerRole.SLAVE,
    ControllerRole.EQUAL,
    ControllerRole.NOCHANGE,
)
ALL_ONES = (1 << 64) - 1


class Bench:
    """Three controllers without connections."""

    def __init__(self) -> None:
        self.three = [Controller(made()) for _ in range(3)]
        self.controllers = Controllers(self.three[0])
        self.controllers.remote = self.three[1:]

    def ask(self, number: int, role: int, generation: int = 0) -> RoleReply:
        """Let a controller ask for a role."""
        return self.controllers.take_role(self.three[number], RoleRequest(role, generation))

    def roles(self) -> list[ControllerRole]:
        """The roles of all."""
        return [controller.role for controller in self.three]


def test_one_master() -> None:
    """Who becomes master makes the master before it a slave, and leaves equals alone."""
    bench = Bench()
    assert bench.ask(0, SAME) == RoleReply(EQUAL, ALL_ONES)
    assert bench.ask(0, MASTER, 5) == RoleReply(MASTER, 5)
    assert bench.ask(1, MASTER, 6) == RoleReply(MASTER, 6)
    assert bench.roles() == [SLAVE, MASTER, EQUAL]
    assert bench.ask(1, SAME) == RoleReply(MASTER, 6)


@pytest.mark.parametrize("role", [MASTER, SLAVE])
def test_stale(role: ControllerRole) -> None:
    """A generation is stale if it is behind by less than half of all; equals do not need one."""
    bench = Bench()
    bench.ask(0, MASTER, 5)
    with pytest.raises(Refused) as caught:
        bench.ask(1, role, 4)
    assert caught.value.code == RoleRequestFailedCode.STALE
    assert bench.ask(1, EQUAL, 4).generation_id == 5
    assert bench.ask(1, role, 5 + (1 << 63) - 1).role == role
    assert bench.ask(1, role, 3).role == role


def test_bad_role() -> None:
    """A role that is none is refused."""
    with pytest.raises(Refused) as caught:
        Bench().ask(0, 9)
    assert caught.value.code == RoleRequestFailedCode.BAD_ROLE


@asynccontextmanager
async def two() -> AsyncIterator[tuple[EmulatedSwitch, list[Recorder], list[Datapath]]]:
    """A switch with two controllers."""
    handlers = [Recorder(), Recorder()]
    async with serve(handlers[0], "127.0.0.1", 0) as one, serve(handlers[1], "127.0.0.1", 0) as other:
        switch = EmulatedSwitch(1, (1, 2))
        for channel in (one, other):
            await switch.connect(*channel.address)
        yield switch, handlers, [await handler.until(handler.datapaths) for handler in handlers]
        await switch.close()


async def heard(handlers: list[Recorder], datapaths: list[Datapath]) -> list[list[type]]:
    """What was told to each."""
    for datapath in datapaths:
        await datapath.barrier()
    said = [[type(message) for _, message in handler.messages] for handler in handlers]
    for handler in handlers:
        handler.messages.clear()
    return said


async def test_all_are_told() -> None:
    """Equals are told alike of packets, flows and ports; who changes a port by itself is not told of it."""
    async with two() as (switch, handlers, datapaths):
        await datapaths[0].apply(MISS)
        switch.receive(1, FRAME)
        assert await heard(handlers, datapaths) == [[PacketIn], [PacketIn]]
        await datapaths[0].apply(
            FlowMod(flags=FlowModFlags.SEND_FLOW_REM), FlowMod(command=FlowModCommand.DELETE, priority=1)
        )
        assert await heard(handlers, datapaths) == [[FlowRemoved], [FlowRemoved]]
        quiet = PortConfig.NO_PACKET_IN
        await datapaths[0].apply(MISS, PortMod(1, switch.ports[1].hw_addr, config=quiet, mask=quiet))
        switch.receive(1, FRAME)
        assert await heard(handlers, datapaths) == [[], [PortStatus]]


async def test_slave() -> None:
    """A slave may change nothing and is told of ports; when the master goes it may become master."""
    async with two() as (switch, handlers, datapaths):
        master, slave = datapaths
        await slave.role(SLAVE, 1)
        await master.role(MASTER, 1)
        await master.apply(MISS)
        switch.receive(1, FRAME)
        switch.add_port(3)
        assert await heard(handlers, datapaths) == [[PacketIn, PortStatus], [PortStatus]]
        with pytest.raises(RequestFailed) as caught:
            await slave.apply(MISS)
        assert caught.value.error.code == BadRequestCode.IS_SLAVE
        await switch.controllers[0].close()
        assert len(switch.controllers) == 1
        assert (await slave.role(MASTER, 2)).role == MASTER
        await slave.apply(MISS)
