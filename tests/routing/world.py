"""Worlds to route in: a view, a router, and the simulated switches that obey it, all of one description."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import IPv4Network
from typing import NamedTuple

from hypothesis import strategies as st
from tests.routing.simulator import Arrival, Ethernet, Flow, Punted, SimulatedSwitch

from daoli.ofproto import NO_BUFFER, PacketInReason, PortNo
from daoli.ofproto.shapes import Punt
from daoli.routing.model import Endpoint, Host, Network
from daoli.routing.pipeline import NAMES_PORT
from daoli.routing.reconcile import Reconciler
from daoli.routing.router import Answer, Router, RouterSettings, Write
from daoli.routing.static import static_flows
from daoli.routing.view import Place, PortInfo, View

UPLINK = 1
NAMES = 2


class Spot(NamedTuple):
    """Where an endpoint is meant to be: indexes of host and network, and whether its port exists."""

    host: int
    network: int = 0
    up: bool = True


@dataclass(frozen=True)
class Plan:
    """A world's description: for each host whether its uplink exists, and the endpoints."""

    uplinks: tuple[bool, ...]
    spots: tuple[Spot, ...]


@st.composite
def plans(draw: st.DrawFn, *, all_up: bool = False) -> Plan:
    """Draw 1-4 hosts with 2-8 endpoints on 1-2 networks; most ports exist."""
    mostly = st.just(value=True) if all_up else st.sampled_from((True, True, True, True, False))
    uplinks = draw(st.lists(mostly, min_size=1, max_size=4))
    spots = st.builds(Spot, st.integers(0, len(uplinks) - 1), st.sampled_from((0, 0, 0, 1)), mostly)
    return Plan(tuple(uplinks), tuple(draw(st.lists(spots, min_size=2, max_size=8))))


def host(number: int) -> Host:
    """Describe the host of a number."""
    return Host(f"h{number}", 0xD0 + number, bytes((192, 0, 2, number + 1)), "up0")


def network(number: int) -> Network:
    """Describe the network of a number."""
    return Network(f"n{number}", IPv4Network(f"10.{number}.0.0/16"), bytes((10, number, 0, 1)))


def endpoint(number: int, spot: Spot) -> Endpoint:
    """Describe the endpoint of a number."""
    return Endpoint(
        id=f"e{number}",
        name=f"e{number}",
        host=f"h{spot.host}",
        network=f"n{spot.network}",
        mac=bytes((2, 0, 0, 0, 1, number)),
        ipv4=bytes((10, spot.network, 0, 10 + number)),
        port=f"p{number}",
    )


def uplink_mac(number: int) -> bytes:
    """Give the MAC of a host's uplink."""
    return bytes((2, 0, 0, 0, 0xFF, number))


def local_mac(number: int) -> bytes:
    """Give the MAC of a host's LOCAL port."""
    return bytes((2, 0, 0, 0, 0xEE, number))


def port_of(number: int) -> int:
    """Give the OpenFlow port number of an endpoint's port."""
    return 10 + number


@lru_cache
def static_of(uplink: int | None, mac: bytes, *, gateway: bool = False, names: int | None = None) -> tuple[Flow, ...]:
    """List the static flows of a datapath with that uplink, as its table holds them once it has read their bytes."""
    switch = SimulatedSwitch()
    switch.write(b"".join(flow.encode() for flow in static_flows(uplink, mac, gateway=gateway, names=names)))
    return tuple(switch.flows.values())


class World:
    """What a plan leads to, all datapaths connected and holding their static flows."""

    def __init__(
        self, plan: Plan, settings: RouterSettings | None = None, now: float = 0.0, *, gateway: bool = False
    ) -> None:
        """With `gateway` every host is a way to the outside, and answers questions for names at port `NAMES`."""
        self.plan = plan
        self.now = now
        self.view = View()
        self.answers: list[Answer] = []
        self.net = Ethernet(self.punted)
        for number in range(2):
            self.view.put_network(network(number))
        for number in range(len(plan.uplinks)):
            self.view.put_host(replace(host(number), gateway=gateway))
        for number, spot in enumerate(plan.spots):
            self.view.put_endpoint(endpoint(number, spot))
        for number, up in enumerate(plan.uplinks):
            dpid = host(number).dpid
            ports = [PortInfo(UPLINK, "up0", uplink_mac(number))] if up else []
            ports += [
                PortInfo(port_of(n), f"p{n}", bytes((0xA, 0, 0, 0, 0, n)))
                for n, spot in enumerate(plan.spots)
                if spot.host == number and spot.up
            ]
            if gateway:
                ports += [PortInfo(PortNo.LOCAL, "daoli", local_mac(number)), PortInfo(NAMES, NAMES_PORT, bytes(6))]
            self.view.set_ports(dpid, ports)
            switch = self.net.switches[dpid] = SimulatedSwitch({port.number for port in ports})
            if up:
                self.net.uplinks[dpid] = UPLINK
            switch.flows = {flow.key: flow for flow in self.static(dpid)}
        self.router = Router(self.view, settings or RouterSettings())

    def static(self, dpid: int) -> tuple[Flow, ...]:
        """List the static flows that a datapath should hold."""
        switch = self.view.switches[dpid]
        return static_of(switch.uplink, switch.uplink_mac, gateway=switch.host.gateway, names=switch.names)

    def place(self, number: int) -> Place:
        """Find an endpoint by its number."""
        return self.view.place_of(f"e{number}")

    def punted(self, dpid: int, punted: Punted) -> list[Write]:
        """Have the router answer a punt, with what it holds back at the end."""
        answer = self.router.punted(dpid, punt_of(punted), self.now)
        self.answers.append(answer)
        return [*answer.writes, *answer.held]

    def send(self, number: int, frame: bytes) -> list[Arrival]:
        """Let an endpoint send a frame; give what came out anywhere, and tell the router what ended."""
        arrivals = self.net.send(self.place(number).dpid, port_of(number), frame)
        self.tell_removals()
        return arrivals

    def send_from_host(self, number: int, frame: bytes) -> list[Arrival]:
        """Let a host's own stack send a frame."""
        arrivals = self.net.send(host(number).dpid, PortNo.LOCAL, frame)
        self.tell_removals()
        return arrivals

    def restart(self) -> None:
        """Have another controller take over, which knows nothing but what it finds on the datapaths."""
        self.router = Router(self.view, self.router.settings, 1 << 20)
        for dpid, switch in self.net.switches.items():
            reconciler = Reconciler(self.router, self.view.switches[dpid], self.now)
            for flow in list(switch.flows.values()):
                reconciler.take(flow.stats())
            self.net.write([(dpid, packed) for packed in reconciler.finish(self.now).writes])
        self.tell_removals()

    def tell_removals(self) -> None:
        """Hand flow_removed messages to the router."""
        for switch in self.net.switches.values():
            for message in switch.removals:
                self.router.removed(message)
            switch.removals.clear()


def punt_of(punted: Punted) -> Punt:
    """Report a punted frame as a packet_in does."""
    return Punt(
        xid=0,
        buffer_id=NO_BUFFER,
        total_len=len(punted.frame),
        reason=punted.reason,
        table_id=punted.table_id,
        cookie=punted.cookie,
        in_port=punted.in_port,
        data=punted.frame,
    )


def punt(in_port: int, frame: bytes, reason: int = PacketInReason.NO_MATCH) -> Punt:
    """Make the packet_in of a frame."""
    return punt_of(Punted(in_port, reason, 0, 0, frame))
