"""An emulated switch that is connected to a controller in the same process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.datapath.scripted_switch import Recorder
from tests.routing.frames import ipv4

from daoli.datapath import Datapath, RequestFailed, serve
from daoli.datapath.emulated import EmulatedSwitch
from daoli.ofproto import (
    ApplyActions,
    FlowMod,
    Message,
    Output,
    PortNo,
)

FRAME = ipv4(bytes(5) + b"\1", bytes(5) + b"\2", bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]))
MISS = FlowMod(priority=0, instructions=(ApplyActions((Output(PortNo.CONTROLLER),)),))


class Bench:
    """An emulated switch with ports 1 and 2, and the handle that the controller has of it."""

    def __init__(self, switch: EmulatedSwitch, handler: Recorder) -> None:
        self.switch = switch
        self.handler = handler

    @property
    def datapath(self) -> Datapath:
        """The controller's handle."""
        return self.handler.datapaths[-1]

    async def news(self, count: int = 1) -> list[Any]:
        """Wait for so many messages that nobody asked for, and take them."""
        await self.handler.until(self.handler.messages, count)
        messages = [message for _, message in self.handler.messages]
        self.handler.messages.clear()
        return messages

    async def settle(self) -> list[Any]:
        """Wait until all that was told has arrived, and take it."""
        await self.datapath.barrier()
        messages = [message for _, message in self.handler.messages]
        self.handler.messages.clear()
        return messages

    async def refusal(self, *messages: Message) -> tuple[int, int]:
        """The error that applying messages leads to."""
        with pytest.raises(RequestFailed) as caught:
            await self.datapath.apply(*messages)
        return caught.value.error.type, caught.value.error.code


@asynccontextmanager
async def connected(**options: Any) -> AsyncIterator[Bench]:
    """Connect an emulated switch over loopback."""
    handler = Recorder()
    async with serve(handler, "127.0.0.1", 0) as channel:
        switch = EmulatedSwitch(0xDA01, (1, 2), **options)
        await switch.connect(*channel.address)
        await handler.until(handler.datapaths)
        yield Bench(switch, handler)
        await switch.close()
