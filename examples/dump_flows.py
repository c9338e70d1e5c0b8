"""Print the flows of the first datapath that connects, as `ovs-ofctl dump-flows` does.

python examples/dump_flows.py [ADDRESS:PORT]
"""

import asyncio
import sys

from daoli.datapath import Datapath
from daoli.datapath.events import Connected, events
from daoli.ofproto import FlowStatsRequest


async def dump(datapath: Datapath) -> None:
    """Print all flows, as they come."""
    async for part in datapath.multipart(FlowStatsRequest()):
        for flow in part.flows:
            print(f" {flow}")


async def main(address: str) -> None:
    """Wait for a datapath, ask it, and end."""
    host, _, port = address.rpartition(":")
    async with events(host, int(port)) as stream:
        async for event in stream:
            if isinstance(event, Connected):
                await dump(event.datapath)
                return


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:6653"))
