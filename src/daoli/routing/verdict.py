"""What is to be done with a punted packet: `decide` says it, and why. Nothing is built or changed here."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from daoli.ofproto import PacketInReason
from daoli.ofproto.shapes import Punt
from daoli.routing.model import ipv4_text
from daoli.routing.packet import IPV4, Frame, ethernet, parse
from daoli.routing.policy import Judgement, judge
from daoli.routing.view import Place, Switch, View


class Outcome(Enum):
    """What a punted packet turned out to be. The values are the labels of metrics and events."""

    FORWARD = "forward"
    """Allowed, and the way is open: install the route and pass the packet on."""
    RESTORE = "restore"
    """Routed here by the source, but the flow at this destination is missing."""
    ANSWER = "answer"
    """Meant for the gateway itself."""
    EXPIRED = "ttl expired"
    DENIED = "denied"
    UNKNOWN_HOST = "unknown host"
    UNKNOWN_NETWORK = "unknown network"
    UNREACHABLE = "unreachable"
    """The destination is known, but its port or its host is away."""
    SPOOFED = "spoofed"
    UNKNOWN_PORT = "unknown port"
    MULTICAST = "multicast"
    NOT_IPV4 = "not IPv4"
    MALFORMED = "malformed"
    STRAY = "stray"
    """Came by the uplink, but from nobody that we know of, or for nobody here."""


class Verdict(NamedTuple):
    """An outcome, and what was found out on the way to it."""

    outcome: Outcome
    frame: Frame | None = None
    source: Place | None = None
    destination: Place | None = None
    judgement: Judgement | None = None
    problem: str = ""
    """A sentence for operators, where the outcome leaves room for one."""


_MULTICAST_FROM = 224
_FIRST_HOP = 1


def decide(view: View, dpid: int, punt: Punt) -> Verdict:
    """Judge a packet that a registered host's datapath punted."""
    switch = view.switches[dpid]
    if punt.in_port == switch.uplink:
        return _from_uplink(view, switch, punt)
    frame = parse(punt.data)
    source = switch.by_port.get(punt.in_port)
    if source is None:
        return Verdict(Outcome.UNKNOWN_PORT, frame)
    if frame is None:
        return _not_ipv4(punt.data, source)
    if frame.eth_src != source.mac or frame.ipv4_src != source.ipv4:
        return Verdict(Outcome.SPOOFED, frame, source)
    destination = view.by_ipv4.get(frame.ipv4_dst)
    if destination is None and (kept := _not_forwarded(frame, source)):
        return Verdict(kept, frame, source)  # so its TTL, often 1, does not count (RFC 1812, 4.2.2.9 and 5.3.1)
    if punt.reason == PacketInReason.INVALID_TTL or frame.ttl <= _FIRST_HOP:
        return Verdict(Outcome.EXPIRED, frame, source)
    if destination is None:
        return _to_nobody(view, frame, source)
    return converse(source, destination, frame)


def converse(source: Place, destination: Place, frame: Frame | None = None) -> Verdict:
    """Judge a conversation between two known endpoints; `frame` is its first packet, if there is one."""
    judgement = judge(source.endpoint, destination.endpoint)
    if not judgement.allowed:
        return Verdict(Outcome.DENIED, frame, source, destination, judgement)
    if problem := obstacle(source, destination):
        return Verdict(Outcome.UNREACHABLE, frame, source, destination, judgement, problem)
    return Verdict(Outcome.FORWARD, frame, source, destination, judgement)


def obstacle(source: Place, destination: Place) -> str:
    """Say what keeps allowed packets from passing between two endpoints; empty when nothing does."""
    if away := absence(source) or absence(destination):
        return away
    if source.switch is not destination.switch:
        for place in (source, destination):
            if place.switch.uplink is None:
                return f"uplink {place.switch.host.uplink} is not on host {place.endpoint.host}"
    elif source is destination:
        return "an endpoint does not reach itself by the network"
    return ""


def absence(place: Place) -> str:
    """Say why an endpoint cannot be reached where it is; empty if it can."""
    if place.port_no is not None:
        return ""
    if not place.switch.connected:
        return f"host {place.endpoint.host} is not connected"
    return f"port {place.endpoint.port} of {place.endpoint.id} is not on host {place.endpoint.host}"


def _from_uplink(view: View, switch: Switch, punt: Punt) -> Verdict:
    frame = parse(punt.data)
    if frame is None:
        return Verdict(Outcome.MALFORMED)
    source = view.by_ipv4.get(frame.ipv4_src)
    if source is None or source.switch is switch:
        return Verdict(Outcome.STRAY, frame, problem=f"no other host has {ipv4_text(frame.ipv4_src)}")
    if frame.eth_src != source.switch.uplink_mac:
        return Verdict(Outcome.SPOOFED, frame, problem="not sent by the uplink of the source's host")
    destination = view.by_ipv4.get(frame.ipv4_dst)
    if destination is None or destination.switch is not switch:
        return Verdict(Outcome.STRAY, frame, source, problem=f"{ipv4_text(frame.ipv4_dst)} is not on this host")
    judgement = judge(source.endpoint, destination.endpoint)
    outcome, problem = Outcome.RESTORE, ""
    if not judgement.allowed:
        outcome = Outcome.DENIED
    elif problem := absence(destination):  # of the source it does not matter: its packet is here already
        outcome = Outcome.UNREACHABLE
    elif punt.reason == PacketInReason.INVALID_TTL or frame.ttl <= _FIRST_HOP:
        outcome = Outcome.EXPIRED
    return Verdict(outcome, frame, source, destination, judgement, problem)


def _not_ipv4(data: bytes, source: Place) -> Verdict:
    head = ethernet(data)
    if head is None or head[2] == IPV4:
        return Verdict(Outcome.MALFORMED, source=source)
    return Verdict(Outcome.NOT_IPV4, source=source, problem=f"EtherType 0x{head[2]:04x}")


def _not_forwarded(frame: Frame, source: Place) -> Outcome | None:
    if frame.ipv4_dst[0] >= _MULTICAST_FROM or frame.eth_dst[0] & 1:
        return Outcome.MULTICAST
    return Outcome.ANSWER if frame.ipv4_dst == source.gateway else None


def _to_nobody(view: View, frame: Frame, source: Place) -> Verdict:
    network = view.network_of(frame.ipv4_dst)
    if network is None:
        return Verdict(Outcome.UNKNOWN_NETWORK, frame, source, problem="no network holds this address")
    return Verdict(Outcome.UNKNOWN_HOST, frame, source, problem=f"no endpoint of {network.name} has this address")
