"""What is to be done with a punted packet: `decide` says it, and why. Nothing is built or changed here."""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from daoli.ofproto import PacketInReason, PortNo
from daoli.ofproto.shapes import Punt
from daoli.routing.doors import Door
from daoli.routing.memory import Memory
from daoli.routing.model import Network, ipv4_text
from daoli.routing.packet import (
    ICMP,
    IPV4,
    REQUESTS,
    TCP,
    UDP,
    Frame,
    Quoted,
    ethernet,
    fragmented,
    icmp_query,
    is_opening,
    parse,
    ports,
    quoted,
)
from daoli.routing.policy import Between, Judgement, Packet, Subject, judge
from daoli.routing.routes import Connection, RouteTable
from daoli.routing.view import End, Outside, Place, Switch, View


class Outcome(Enum):
    """What a punted packet turned out to be. The values are the labels of metrics and events."""

    FORWARD = "forward"
    """Allowed, and the way is open: install the route and pass the packet on."""
    RESTORE = "restore"
    """Routed here by the source, but the flow at this destination is missing."""
    REPORT = "icmp error"
    """About what the other end has sent: to be passed on, but no conversation."""
    ANSWER = "answer"
    """Meant for the gateway itself."""
    EXPIRED = "ttl expired"
    DENIED = "denied"
    PENDING = "identity unknown"
    """From or to an endpoint of which it is not known yet whose it is; said to nobody, since it soon will be."""
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
    source: End | None = None
    destination: End | None = None
    judgement: Judgement | None = None
    problem: str = ""
    """A sentence for operators, where the outcome leaves room for one."""
    connection: Connection | None = None
    """What the route, or the denial, is to be limited to; None for all of the pair."""


_MULTICAST_FROM = 224
_NEVER_SENT = (0, 127)
"""First bytes of addresses that no router forwards (RFC 1812, 4.2.2.11)."""
_FIRST_HOP = 1
_NO_WAY: Final = (Outcome.DENIED, Outcome.PENDING)
"""What holds whatever the way to the destination is like."""

NOTHING: Final = Memory(RouteTable())
"""What is known where no packet has been seen."""


def decide(view: View, dpid: int, punt: Punt, memory: Memory = NOTHING) -> Verdict:
    """Judge a packet that a registered host's datapath punted; `memory` knows of conversations that there are."""
    switch = view.switches[dpid]
    if punt.in_port == switch.uplink:
        return _from_uplink(view, switch, punt, memory)
    frame = parse(punt.data)
    source = switch.by_port.get(punt.in_port)
    if source is None:
        if punt.in_port == PortNo.LOCAL and switch.host.gateway:
            return _from_local(view, switch, punt, frame, memory)
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
        return _to_nobody(view, punt, frame, source, memory)
    return _converse(view, source, destination, punt.data, frame, memory)


def _converse(view: View, source: End, destination: End, data: bytes, frame: Frame, memory: Memory) -> Verdict:
    """Judge a packet from one known end to another."""
    if problem := unknown(source, destination):
        return Verdict(Outcome.PENDING, frame, source, destination, problem=problem)
    between = view.policy.between(source, destination)
    if between.whole is not None:
        return _follow(source, destination, between.whole, None, frame)
    if frame.proto != ICMP:
        connection = connection_of(data, frame)
        opens = is_opening(data, frame)
        if opens and frame.proto != TCP:
            opens = not memory.knows(connection.key(frame.ipv4_src, frame.ipv4_dst))
        packet = packet_of(connection, opens=opens)
        return _follow(source, destination, judge(between, packet), connection, frame)
    if (query := icmp_query(data, frame)) is not None:
        connection = Connection(ICMP, *query)
        return _follow(source, destination, judge(between, packet_of(connection)), connection, frame)
    if (about := quoted(data, frame)) is not None:
        packet = Packet(about.proto, about.source_port, about.destination_port, opens=False)
        judgement = judge(between.reversed(), packet)
    else:
        judgement = judge(between, Packet(ICMP))
    verdict = _follow(source, destination, judgement, Connection(ICMP), frame)
    return verdict._replace(outcome=Outcome.REPORT) if verdict.outcome is Outcome.FORWARD else verdict


def _tell(view: View, source: End, destination: End, about: Quoted, frame: Frame) -> Verdict:
    """Judge an ICMP error that comes from the outside or goes there, as an answer to the packet that it quotes.

    Outside anybody on that packet's way may send it; an endpoint speaks for itself only.
    """
    if problem := unknown(source, destination):
        return Verdict(Outcome.PENDING, frame, source, destination, problem=problem)
    peer = source if source.endpoint is not None else view.by_ipv4.get(about.ipv4_dst) or Subject(about.ipv4_dst)
    packet = Packet(about.proto, about.source_port, about.destination_port, opens=False)
    judgement = judge(view.policy.between(destination, peer), packet)
    verdict = _follow(source, destination, judgement, Connection(ICMP), frame)
    return verdict._replace(outcome=Outcome.REPORT) if verdict.outcome is Outcome.FORWARD else verdict


def _follow(
    source: End, destination: End, judgement: Judgement, connection: Connection | None, frame: Frame
) -> Verdict:
    """Say what follows from a judgement."""
    problem = ""
    outcome = Outcome.DENIED
    if judgement.allowed:
        problem = obstacle(source, destination)
        outcome = Outcome.UNREACHABLE if problem else Outcome.FORWARD
    return Verdict(outcome, frame, source, destination, judgement, problem, connection)


def _by_door(view: View, verdict: Verdict) -> Verdict:
    """Deny what policy allows to a host's address, but not to the container that its port leads to."""
    source, destination, connection = verdict.source, verdict.destination, verdict.connection
    if source is None or destination is None or connection is None or verdict.outcome is Outcome.DENIED:
        return verdict
    denial = behind(view, source, destination, connection)
    return verdict if denial is None else verdict._replace(outcome=Outcome.DENIED, judgement=denial, problem="")


def behind(view: View, source: End, destination: End, connection: Connection) -> Judgement | None:
    """Say why what an endpoint has with a host's address may not be, as its port there leads to a container."""
    closed = closed_door(view, source, destination, connection)
    return None if closed is None else closed[1]


def closed_door(view: View, source: End, destination: End, connection: Connection) -> tuple[Door, Judgement] | None:
    """Find the port of a host's address that leads to a container which policy denies the other end, and say why.

    Whichever end has sent: a published port is nobody else's. None where nothing is denied. Fragments do not show their
    ports, and may be for any of them. To a container that is not known yet nothing passes at its own host.
    """
    if destination.endpoint is None:
        client, ipv4, port = source.endpoint, destination.ipv4, connection.destination_port
    else:
        client, ipv4, port = destination.endpoint, source.ipv4, connection.source_port
        if source.endpoint is not None:
            return None
    host = view.doors.hosts.get(ipv4)
    if host is None or client is None or connection.protocol not in (TCP, UDP):
        return None
    for door in view.doors.at(host, connection.protocol, port or None):
        target = door.endpoint
        own = target.id == client.id or (target.container is not None and target.container == client.container)
        if own or target.pending:
            continue
        between = view.policy.between(Subject(client.ipv4, client), Subject(target.ipv4, target))
        judgement = between.forth.judge(connection.protocol, door.target_port)
        if not judgement.allowed:
            said = f"by published port {door.port} of {host.name}, which leads to {target.name}: {judgement.reason}"
            return door, judgement._replace(reason=said)
    return None


def packet_of(connection: Connection, *, opens: bool = False) -> Packet:
    """Tell what policy looks at in a packet of a connection; ports of 0 are none to see."""
    protocol, source_port, destination_port = connection
    if connection.is_query:
        asks = source_port in REQUESTS
        return Packet(ICMP, opens=asks, replies=not asks)
    return Packet(protocol, source_port or None, destination_port or None, opens)


def unknown(source: End, destination: End) -> str:
    """Say that policy cannot judge yet between two ends; empty if it can."""
    for end in (source.endpoint, destination.endpoint):
        if end is not None and end.pending:
            return f"the container of endpoint {end.id} is not known yet"
    return ""


def standing(view: View, source: End, destination: End, connection: Connection | None) -> Judgement | None:
    """Judge a route that there is, of all between its two ends or of one connection.

    None if there may be none of this kind: of a pair where things differ or a host's ports lead somewhere, of one type
    of ICMP where they do not.
    """
    judgement = _standing(view.policy.between(source, destination), connection)
    for end in (source, destination):
        if end.endpoint is None and end.ipv4 in view.doors.hosts:
            return (behind(view, source, destination, connection) or judgement) if connection else None
    return judgement


def _standing(between: Between, connection: Connection | None) -> Judgement | None:
    if between.whole is not None:
        return None if connection is not None and connection.is_query else between.whole
    if connection is None or (connection.protocol == ICMP and not connection.is_query):
        return None
    return judge(between, packet_of(connection))


def answering(between: Between, connection: Connection) -> tuple[bool, bool]:
    """Tell in which directions a TCP connection may not be opened: of the two ends of `between`, first and second."""
    if connection.protocol != TCP or between.whole is not None:
        return False, False
    packet = packet_of(connection, opens=True)
    forth = between.forth.judge(TCP, packet.destination_port).allowed
    back = between.back.judge(TCP, packet.source_port).allowed
    return not forth, not back


def connection_of(data: bytes, frame: Frame) -> Connection:
    """Read which connection a packet belongs to; all fragments of a pair are one, as they are for Open vSwitch."""
    found = None if fragmented(frame) else ports(data, frame)
    return Connection(frame.proto, *(found or ()))


def obstacle(source: End, destination: End) -> str:
    """Say what keeps allowed packets from passing between two ends; empty when nothing does."""
    if away := absence(source) or absence(destination):
        return away
    if source.switch is not destination.switch:
        for place in (source, destination):
            if place.switch.uplink is None:
                return f"uplink {place.switch.host.uplink} is not on host {place.switch.host.name}"
    elif source is destination:
        return "an endpoint does not reach itself by the network"
    return ""


def absence(place: End) -> str:
    """Say why an endpoint, or a host's way out, cannot be reached where it is; empty if it can."""
    if place.port_no is not None:
        return ""
    host = place.switch.host.name
    if not place.switch.connected:
        return f"host {host} is not connected"
    if place.endpoint is None:
        return f"port LOCAL is not on host {host}"
    return f"port {place.endpoint.port} of {place.endpoint.id} is not on host {host}"


def _from_uplink(view: View, switch: Switch, punt: Punt, memory: Memory) -> Verdict:
    frame = parse(punt.data)
    if frame is None:
        return Verdict(Outcome.MALFORMED)
    source = view.by_ipv4.get(frame.ipv4_src)
    destination = view.by_ipv4.get(frame.ipv4_dst)
    here = destination is not None and destination.switch is switch
    if source is None and destination is not None and here and (entry := _entry(view, switch, frame)):
        outside = Outside(entry, frame.ipv4_src, destination.gateway)
        return _arrived(view, punt, frame, outside, destination, memory)
    if source is None or source.switch is switch:
        return Verdict(Outcome.STRAY, frame, problem=f"no other host has {ipv4_text(frame.ipv4_src)}")
    if frame.eth_src != source.switch.uplink_mac:
        return Verdict(Outcome.SPOOFED, frame, problem="not sent by the uplink of the source's host")
    if destination is not None and here:
        return _arrived(view, punt, frame, source, destination, memory)
    if destination is None and switch.host.gateway and view.network_of(frame.ipv4_dst) is None:
        outside = Outside(switch, frame.ipv4_dst, source.gateway)
        return _arrived(view, punt, frame, source, outside, memory)
    return Verdict(Outcome.STRAY, frame, source, problem=f"{ipv4_text(frame.ipv4_dst)} is not on this host")


def _entry(view: View, switch: Switch, frame: Frame) -> Switch | None:
    """Find the host that let an outside packet in, by the uplink that sent it; None if it may not have."""
    entry = view.by_uplink.get(frame.eth_src)
    if entry is None or entry is switch or not entry.host.gateway:
        return None
    return entry if view.network_of(frame.ipv4_src) is None else None


def _arrived(view: View, punt: Punt, frame: Frame, source: End, destination: End, memory: Memory) -> Verdict:
    """Judge what another host has routed here."""
    verdict = _converse(view, source, destination, punt.data, frame, memory)
    if verdict.outcome in _NO_WAY:
        return verdict
    outcome = Outcome.REPORT if verdict.outcome is Outcome.REPORT else Outcome.RESTORE
    problem = absence(destination)  # of the source it does not matter: its packet is here already
    if problem:
        outcome = Outcome.UNREACHABLE
    elif punt.reason == PacketInReason.INVALID_TTL or frame.ttl <= _FIRST_HOP:
        outcome = Outcome.EXPIRED
    outside = source.endpoint is None or destination.endpoint is None
    if outside and verdict.connection is None:
        verdict = verdict._replace(connection=connection_of(punt.data, frame))
    return _by_door(view, verdict._replace(outcome=outcome, problem=problem))


def _from_local(view: View, switch: Switch, punt: Punt, frame: Frame | None, memory: Memory) -> Verdict:
    """Judge what the host's own stack sends to a container, from itself or from what it lets in."""
    if frame is None:
        return Verdict(Outcome.MALFORMED)
    if frame.eth_src != switch.local_mac or _is_no_sender(view, frame.ipv4_src):
        return Verdict(Outcome.SPOOFED, frame, problem=f"{ipv4_text(frame.ipv4_src)} is not outside of host and fabric")
    destination = view.by_ipv4.get(frame.ipv4_dst)
    network = destination.network if destination else view.network_of(frame.ipv4_dst)
    if network is None:
        return Verdict(Outcome.UNKNOWN_NETWORK, frame, problem="no network holds this address")
    source = Outside(switch, frame.ipv4_src, network.gateway)
    if frame.ipv4_dst == network.gateway:
        return Verdict(Outcome.ANSWER, frame, source)
    if punt.reason == PacketInReason.INVALID_TTL or frame.ttl <= _FIRST_HOP:
        return Verdict(Outcome.EXPIRED, frame, source)
    if destination is None:
        return Verdict(Outcome.UNKNOWN_HOST, frame, source, problem=_nobody(network))
    if (about := quoted(punt.data, frame)) is not None:
        return _tell(view, source, destination, about, frame)
    verdict = _converse(view, source, destination, punt.data, frame, memory)
    if verdict.outcome is not Outcome.FORWARD or verdict.connection is not None:
        return _by_door(view, verdict)
    # Answers have to come back to this host, whatever the way of the destination's own host to the outside.
    connection = connection_of(punt.data, frame)
    if frame.ipv4_src in view.doors.hosts:
        return _by_door(view, verdict._replace(connection=connection))
    pair = destination.switch is switch and not memory.stands_alone(connection.back(), destination.ipv4, source.ipv4)
    return verdict if pair else verdict._replace(connection=connection)


def _is_no_sender(view: View, ipv4: bytes) -> bool:
    return ipv4[0] in _NEVER_SENT or ipv4[0] >= _MULTICAST_FROM or view.network_of(ipv4) is not None


def _not_ipv4(data: bytes, source: Place) -> Verdict:
    head = ethernet(data)
    if head is None or head[2] == IPV4:
        return Verdict(Outcome.MALFORMED, source=source)
    return Verdict(Outcome.NOT_IPV4, source=source, problem=f"EtherType 0x{head[2]:04x}")


def _not_forwarded(frame: Frame, source: Place) -> Outcome | None:
    if frame.ipv4_dst[0] >= _MULTICAST_FROM or frame.eth_dst[0] & 1:
        return Outcome.MULTICAST
    return Outcome.ANSWER if frame.ipv4_dst == source.gateway else None


def _to_nobody(view: View, punt: Punt, frame: Frame, source: Place, memory: Memory) -> Verdict:
    network = view.network_of(frame.ipv4_dst)
    if network is not None:
        return Verdict(Outcome.UNKNOWN_HOST, frame, source, problem=_nobody(network))
    about = quoted(punt.data, frame)
    entry = _way_back(view, punt.data, frame, about, memory)
    outside = Outside(entry or source.switch, frame.ipv4_dst, source.gateway)
    if about is not None:
        verdict = _tell(view, source, outside, about, frame)
    else:
        verdict = _converse(view, source, outside, punt.data, frame, memory)
    if verdict.outcome in _NO_WAY:
        return verdict
    if not outside.switch.host.gateway or frame.ipv4_dst[0] in _NEVER_SENT:
        return Verdict(Outcome.UNKNOWN_NETWORK, frame, source, problem="no network holds this address")
    if verdict.connection is None:
        connection = connection_of(punt.data, frame)
        ours = entry is not None or frame.ipv4_dst in view.doors.hosts
        if ours or memory.stands_alone(connection, frame.ipv4_src, frame.ipv4_dst):
            verdict = verdict._replace(connection=connection)
    return _by_door(view, verdict)


def _way_back(view: View, data: bytes, frame: Frame, about: Quoted | None, memory: Memory) -> Switch | None:
    """Find the host that let in what a packet to the outside belongs to: it alone has translated its addresses."""
    for connection in _names(data, frame, about):
        dpid = memory.entry(connection.key(frame.ipv4_src, frame.ipv4_dst))
        entry = None if dpid is None else view.switches.get(dpid)
        if entry is not None and entry.host.gateway:
            return entry
    return None


def _names(data: bytes, frame: Frame, about: Quoted | None) -> tuple[Connection, Connection]:
    """Say as which connection a packet, or what it is about, may be known to its sender: by itself, or as fragments."""
    if about is not None:
        own = Connection(about.proto, about.destination_port or 0, about.source_port or 0)
    elif (query := icmp_query(data, frame)) is not None:
        own = Connection(ICMP, *query)
    else:
        own = connection_of(data, frame)
    return own, Connection(own.protocol)


def _nobody(network: Network) -> str:
    return f"no endpoint of {network.name} has this address"
