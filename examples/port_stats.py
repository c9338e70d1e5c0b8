"""Poll the ports of all datapaths that connect, and print what passes through them in each second.

python examples/port_stats.py [ADDRESS:PORT [SECONDS]]
"""

import asyncio
import sys
from contextlib import suppress

from daoli.datapath import Datapath, DatapathError
from daoli.datapath.events import Connected, events
from daoli.ofproto import PortDescRequest, PortStats, PortStatsRequest


async def ports_of(datapath: Datapath) -> dict[int, PortStats]:
    """Ask for the counters of all ports."""
    return {port.port_no: port async for part in datapath.multipart(PortStatsRequest()) for port in part.ports}


def rates(before: PortStats, after: PortStats) -> str:
    """Say what happened between two readings, by the datapath's own clock."""
    seconds = after.duration_sec - before.duration_sec + (after.duration_nsec - before.duration_nsec) / 1e9
    counters = ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes")
    each = ((name, getattr(after, name) - getattr(before, name)) for name in counters)
    return " ".join(f"{name}/s={count / seconds:.0f}" for name, count in each)


async def poll(datapath: Datapath, interval: float) -> None:
    """Print the rates of one datapath's ports until it is gone."""
    with suppress(DatapathError, TimeoutError):
        described = [port async for part in datapath.multipart(PortDescRequest()) for port in part.ports]
        names = {port.port_no: port.name for port in described}
        before = await ports_of(datapath)
        while True:
            await asyncio.sleep(interval)
            after = await ports_of(datapath)
            for number in sorted(before.keys() & after.keys()):
                name = names.get(number, number)
                print(f"{datapath.dpid:016x} {name} {rates(before[number], after[number])}", flush=True)
            before = after


async def main(address: str, interval: float) -> None:
    """Poll all datapaths that connect, side by side."""
    host, _, port = address.rpartition(":")
    async with asyncio.TaskGroup() as polls, events(host, int(port)) as stream:
        async for event in stream:
            if isinstance(event, Connected):
                polls.create_task(poll(event.datapath, interval))


if __name__ == "__main__":
    where, seconds = (sys.argv[1:] + ["127.0.0.1:6653", "1"][len(sys.argv) - 1 :])[:2]
    asyncio.run(main(where, float(seconds)))
