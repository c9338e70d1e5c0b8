"""A learning switch: a frame goes to the port where its destination was last heard, or to all.

python examples/learning_switch.py [ADDRESS:PORT]
"""

import asyncio
import sys

from daoli.datapath import Datapath
from daoli.datapath.events import Connected, Received, events
from daoli.ofproto import ApplyActions, FlowMod, FlowModCommand, Match, Output, PacketIn, PacketOut, PortNo

MISS = FlowMod(priority=0, instructions=(ApplyActions((Output(PortNo.CONTROLLER),)),))
IDLE = 60
"""Seconds without a packet after which a flow goes."""

Places = dict[tuple[int, bytes], int]
"""The port at which an address was last heard, by datapath and address."""


def forward(datapath: Datapath, packet: PacketIn, places: Places) -> None:
    """Learn from a packet, and send it on; where its destination is known the next one needs nobody's help."""
    in_port, destination, source = packet.match.number("in_port"), packet.data[:6], packet.data[6:12]
    if in_port is None or len(packet.data) < 14:
        return
    if places.get((datapath.dpid, source), in_port) != in_port:  # it moved: what leads to its old place goes
        datapath.send(FlowMod(command=FlowModCommand.DELETE, match=Match(eth_dst=source)))
    places[datapath.dpid, source] = in_port
    out_port = places.get((datapath.dpid, destination), PortNo.FLOOD)
    if out_port != PortNo.FLOOD:
        match = Match(in_port=in_port, eth_dst=destination, eth_src=source)
        datapath.send(FlowMod(idle_timeout=IDLE, match=match, instructions=(ApplyActions((Output(out_port),)),)))
    datapath.send(PacketOut(in_port=in_port, actions=(Output(out_port),), data=packet.data))


async def main(address: str) -> None:
    """Serve all datapaths that connect."""
    host, _, port = address.rpartition(":")
    places: Places = {}
    async with events(host, int(port)) as stream:
        async for event in stream:
            match event:
                case Connected(datapath):
                    await datapath.apply(FlowMod(command=FlowModCommand.DELETE), MISS)
                    print(f"{datapath.dpid:016x} forwards", flush=True)
                case Received(datapath, PacketIn() as packet):
                    forward(datapath, packet, places)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:6653"))
