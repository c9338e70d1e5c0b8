"""A firewall in the datapath: a few TCP ports are open, ping is rationed by a meter, all else is dropped.

python examples/meter_firewall.py [ADDRESS:PORT [PINGS_PER_SECOND [TCP_PORT …]]]

What may pass is forwarded as by an ordinary switch (NORMAL), by the datapath itself: this program may end.
"""

import asyncio
import sys
from collections.abc import Iterator

from daoli.datapath import RequestFailed
from daoli.datapath.events import Connected, events
from daoli.ofproto import (
    ApplyActions,
    DropBand,
    EtherType,
    FlowMod,
    FlowModCommand,
    Instruction,
    IpProto,
    Match,
    Message,
    Meter,
    MeterFlags,
    MeterMod,
    MeterModCommand,
    MeterNo,
    Output,
    PortNo,
)

PINGS = 1
"""The meter's number."""
PASS: tuple[Instruction, ...] = (ApplyActions((Output(PortNo.NORMAL),)),)


def rules(pings: int, tcp_ports: list[int]) -> Iterator[Message]:
    """Give all that makes up the firewall, in the order that a datapath must have it: meters before what uses them."""
    yield FlowMod(command=FlowModCommand.DELETE)
    yield MeterMod(MeterModCommand.DELETE, meter_id=MeterNo.ALL)
    yield MeterMod(flags=MeterFlags.PKTPS | MeterFlags.BURST, meter_id=PINGS, bands=(DropBand(pings, pings),))
    yield FlowMod(priority=0)
    yield FlowMod(match=Match(eth_type=EtherType.ARP), instructions=PASS)
    icmp = Match(eth_type=EtherType.IPV4, ip_proto=IpProto.ICMP)
    yield FlowMod(match=icmp, instructions=(Meter(PINGS), *PASS))
    for port in tcp_ports:
        tcp = {"eth_type": EtherType.IPV4, "ip_proto": IpProto.TCP}
        yield FlowMod(match=Match(**tcp, tcp_dst=port), instructions=PASS)
        yield FlowMod(match=Match(**tcp, tcp_src=port), instructions=PASS)


async def main(address: str, pings: int, tcp_ports: list[int]) -> None:
    """Make a firewall of every datapath that connects."""
    host, _, port = address.rpartition(":")
    async with events(host, int(port)) as stream:
        async for event in stream:
            if isinstance(event, Connected):
                datapath = event.datapath
                try:
                    await datapath.apply(*rules(pings, tcp_ports))
                    print(f"{datapath.dpid:016x} guards", flush=True)
                except RequestFailed as error:
                    print(f"{datapath.dpid:016x} cannot: {error}", flush=True)


if __name__ == "__main__":
    where, rate, *opened = sys.argv[1:] + ["127.0.0.1:6653", "10"][len(sys.argv) - 1 :]
    asyncio.run(main(where, int(rate), [int(number) for number in opened or ["80"]]))
