"""The rig's hosts as gateways: who is outside, what leaves, and what enters."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from tests.hosts.rig import NO_BUFFER, Rig, port

from daoli.datapath import Datapath
from daoli.ofproto import PortNo
from daoli.ofproto.shapes import Punt
from daoli.routing.model import ROUTER_MAC

X = bytes((198, 51, 100, 7))
LOCAL_MAC = {n: bytes((2, 0xEE, 0, 0, 0, n)) for n in (1, 2, 3)}


async def open_world(rig: Rig) -> None:
    """Make both hosts gateways, and settle them."""
    for n in rig.hosts:
        rig.hosts[n] = replace(rig.hosts[n], gateway=True)
        rig.datapaths[n].ports.append(port(PortNo.LOCAL, "daoli", LOCAL_MAC[n]))
    await rig.ready()


def send(rig: Rig, n: int, in_port: int, eth_src: bytes, src: bytes, dst: bytes) -> None:
    """Punt a UDP packet from port 9 to port 9."""
    frame = ROUTER_MAC + eth_src + rig.frame(1, 2)[12:26] + src + dst + bytes((0, 9, 0, 9, 0, 8, 0, 0))
    rig.fabric.received(cast("Datapath", rig.datapaths[n]), Punt(0, NO_BUFFER, len(frame), 0, 0, 0, in_port, frame))


def leave(rig: Rig, n: int) -> None:
    """Let a host's endpoint open a way out."""
    send(rig, n, 10 + n, rig.endpoints[n].mac, rig.endpoints[n].ipv4, X)


def enter(rig: Rig, n: int, to: int) -> None:
    """Let a host's own stack send to an endpoint."""
    send(rig, n, PortNo.LOCAL, LOCAL_MAC[n], X, rig.endpoints[to].ipv4)
