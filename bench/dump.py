"""How long reading flow tables holds the event loop, and how long it takes, through real connections.

Switches that are threads of this process answer a flow stats request with parts that are encoded already, as fast as
TCP takes them. The controller's end is what programs use: `serve` and `Datapath.multipart`, on uvloop; a task that
comes up in every turn of the loop notes how long that turn was. All are CPU times of the loop's thread, in
microseconds.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import statistics
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from time import thread_time
from typing import Any, NamedTuple

import uvloop

from daoli.datapath import Datapath, serve
from daoli.ofproto import FeaturesReply, FlowStatsRequest, Hello
from daoli.ofproto.shapes import PUNT

ROUNDS = 9
MULTIPART_REQUEST = 18


class Dump(NamedTuple):
    """Medians over the rounds."""

    datapaths: int
    total: float
    """From the requests to the last flow read."""
    longest: float
    """The longest turn of the loop."""
    worst: float
    """The longest of all rounds, not a median: it shows whether the garbage collector came by."""


class Switches:
    """Takes in datapaths until all are there."""

    def __init__(self, count: int) -> None:
        self.datapaths: list[Datapath] = []
        self.complete = asyncio.Event()
        self._count = count

    def connected(self, datapath: Datapath) -> None:
        """Keep a datapath."""
        self.datapaths.append(datapath)
        if len(self.datapaths) == self._count:
            self.complete.set()

    def received(self, datapath: Datapath, message: Any) -> None:
        """Nothing comes that was not asked for."""

    def disconnected(self, datapath: Datapath, failure: Exception | None) -> None:
        """Wait for the end."""


def answer(address: tuple[str, int], parts: Sequence[bytes]) -> None:
    """Be a switch: shake hands, then answer every multipart request, until the connection ends."""
    with socket.create_connection(address) as connection, connection.makefile("rb") as stream:
        connection.sendall(Hello.of((4,)).encode() + FeaturesReply(datapath_id=1).encode())
        while len(head := stream.read(8)) == 8:
            stream.read(int.from_bytes(head[2:4], "big") - 8)
            if head[1] == MULTIPART_REQUEST:
                connection.sendall(b"".join(part[:4] + head[4:8] + part[8:] for part in parts))


@asynccontextmanager
async def switches(count: int, parts: Sequence[bytes]) -> AsyncIterator[list[Datapath]]:
    """Listen, and have so many switches connect."""
    handler = Switches(count)
    async with serve(handler, "127.0.0.1", 0, shapes=(PUNT,)) as channel:
        threads = [threading.Thread(target=answer, args=(channel.address, parts)) for _ in range(count)]
        for thread in threads:
            thread.start()
        await handler.complete.wait()
        yield handler.datapaths
    for thread in threads:
        await asyncio.to_thread(thread.join)


async def read(datapath: Datapath) -> int:
    """Read a flow table as programs do; give the number of flows."""
    flows = 0
    async for part in datapath.multipart(FlowStatsRequest()):
        flows += sum(flow.priority > 0 for flow in part.flows)
    return flows


async def watch(turns: list[float]) -> None:
    """Note how long each turn of the loop is."""
    while True:
        began = thread_time()
        await asyncio.sleep(0)
        turns.append((thread_time() - began) * 1e6)


async def measured(count: int, parts: Sequence[bytes], flows: int) -> Dump:
    """Have that many switches read at the same time, round by round."""
    totals, longest = [], []
    async with switches(count, parts) as datapaths:
        for _ in range(ROUNDS):
            turns: list[float] = []
            watching = asyncio.create_task(watch(turns))
            await asyncio.sleep(0)
            turns.clear()
            began = thread_time()
            found = await asyncio.gather(*map(read, datapaths))
            totals.append((thread_time() - began) * 1e6)
            watching.cancel()
            if found != [flows] * count:
                raise RuntimeError(f"{found} flows were read, not {flows} from each of {count}")
            longest.append(max(turns))
    return Dump(count, statistics.median(totals), statistics.median(longest), max(longest))


def dumps(parts: Sequence[bytes], flows: int, counts: Sequence[int] = (1, 16)) -> list[Dump]:
    """Measure for several numbers of switches; the collector leaves alone what is loaded, as in the controller."""
    gc.collect()
    gc.freeze()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        measurements = [runner.run(measured(count, parts, flows)) for count in counts]
    gc.unfreeze()
    return measurements
