"""Real Open vSwitch: a controller that runs in a thread of this process, in the network of a lab's controller."""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from daoli.datapath import Datapath
from daoli.datapath.events import Connected, EventStream, events
from daoli.lab import Lab, Machine

_NEW_NETWORK = 0x40000000  # CLONE_NEWNET
PORT = 6653
LONG = 30.0
"""Seconds for a switch to come: Open vSwitch tries again after a second at most in a lab."""


def inside(machine: Machine, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine in a thread whose sockets are the machine's."""

    def run() -> None:
        with Path(f"/proc/{machine.pid_number}/ns/net").open() as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _NEW_NETWORK):
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        asyncio.run(main())

    with ThreadPoolExecutor(1) as threads:
        threads.submit(run).result()


async def next_datapath(stream: EventStream) -> Datapath:
    """Wait for a datapath."""
    async with asyncio.timeout(LONG):
        async for event in stream:
            if isinstance(event, Connected):
                return event.datapath
    raise AssertionError("the stream ended")


def with_datapath(lab: Lab, main: Callable[[Datapath], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine with the handle of the lab's first switch that connects."""

    async def serve() -> None:
        async with events("0.0.0.0", PORT) as stream:
            await main(await next_datapath(stream))

    inside(lab.controller, serve)
