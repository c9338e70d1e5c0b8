"""What the fabric tells those who ask: plain records that the API turns into JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from daoli.hosts.names import Resolution


@dataclass(frozen=True, slots=True)
class HostStatus:
    """The live half of a registered host. `problems` are sentences that an operator can act on."""

    connected: bool
    peer: str | None
    """Address and port of the OpenFlow connection."""
    connected_seconds: float | None
    static_flows: int
    live_routes: int
    ports: dict[str, int]
    """OVS port name to OpenFlow port number, as the datapath reports them."""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A datapath that is connected but belongs to no host."""

    dpid: int
    peer: str
    connected_seconds: float


@dataclass(frozen=True, slots=True)
class RouteReport:
    """A live route. Packets and bytes count what left each side's host; None when that host did not answer."""

    id: int
    source: str | None
    """Endpoint ids, or null for who is outside; the source is the one that opened the conversation.

    That is not known any more after a restart: then it is the lower address, or of a pair route the endpoint.
    """
    destination: str | None
    source_host: str
    """Of who is outside, the host by whose LOCAL port it is reached."""
    destination_host: str
    granularity: str
    """``pair`` or ``connection``."""
    reason: str
    """Why the conversation is allowed."""
    age_seconds: float
    packets: int | None = None
    bytes: int | None = None
    packets_back: int | None = None
    bytes_back: int | None = None
    source_address: str = ""
    destination_address: str = ""
    protocol: str | None = None
    """Of a connection: ``tcp``, ``udp``, ``icmp``, or the protocol's number."""
    source_port: int | None = None
    """Of a TCP or UDP connection; 0 for fragments, which do not tell."""
    destination_port: int | None = None
    rule: str | None = None
    """Id of the rule that allows it; None where a default does."""


@dataclass(frozen=True, slots=True)
class CutReport:
    """What a change cut, once every datapath concerned has answered the barrier or failed to."""

    routes: tuple[RouteReport, ...] = ()
    unconfirmed: tuple[str, ...] = ()
    """Hosts that could not confirm; their flows idle out, and are removed when they reconnect."""


@dataclass(frozen=True, slots=True)
class PlannedFlow:
    """One flow that a verdict would install, as ``ovs-ofctl`` writes it."""

    host: str
    flow: str


@dataclass(frozen=True, slots=True)
class RuleSaid:
    """A rule that matches two ends; those before it in a list are asked before it."""

    id: str
    allow: bool
    priority: int
    comment: str
    applies: bool
    """Whether it speaks of the protocol and port asked for."""


@dataclass(frozen=True, slots=True)
class EndState:
    """Where one end of a conversation is, and how things are there."""

    id: str | None
    """The endpoint's; null for who is outside."""
    name: str | None
    address: str
    network: str | None
    host: str
    """Of who is outside, the host by which it is reached."""
    connected: bool
    settled: bool
    """Whether the host's flow table is known to be in order."""
    port: str | None
    """The OVS port's name; null for a port LOCAL that has not been reported."""
    port_no: int | None
    """Null while the port is not there."""
    link: str | None
    """``up`` or ``down``, as last reported; null while the port is not there."""
    uplink: str
    uplink_link: str | None
    gateway: bool
    """Whether the host lets anything in and out."""


@dataclass(frozen=True, slots=True)
class HostCounts:
    """What a route's flows on one host have counted, from its source to its destination and back."""

    host: str
    packets: int | None = None
    bytes: int | None = None
    packets_back: int | None = None
    bytes_back: int | None = None
    problem: str | None = None
    """Why something is null."""


@dataclass(frozen=True, slots=True)
class LiveRoute:
    """A live route with the counters of all its flows."""

    route: RouteReport
    counters: tuple[HostCounts, ...]
    """Of the source's host, then of the destination's if that is another."""


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A published port that leads to an endpoint."""

    id: str
    host: str | None
    """Null: every host."""
    address: str | None
    """Null: every address of the host."""
    protocol: str
    port: int
    target_port: int


@dataclass(frozen=True, slots=True)
class Step:
    """A request that changes policy, and the command that makes it."""

    command: str
    method: str
    path: str
    body: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Remedy:
    """A change of policy that was tried, and would allow what was asked."""

    said: str
    touches: str
    """What else it would change."""
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class WhyNot:
    """What would have to change for a packet to arrive."""

    said: str
    remedies: tuple[Remedy, ...] = ()
    """Of policy, the smallest first; one of them is enough."""
    besides: tuple[str, ...] = ()
    """What no policy changes, and what to do about it."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What would happen to a packet from source to destination, and why."""

    source: str | None
    """Endpoint ids, or null for who is outside."""
    destination: str | None
    protocol: str | None
    port: int | None
    allowed: bool
    """What policy says."""
    deliverable: bool | None
    """Whether an allowed packet would arrive now: both ports up, both hosts connected, and nothing else in the way.

    Null where it comes from outside, and nothing is known of a published port that would lead it there. What a host
    without an agent lets in is its own affair, and not asked.
    """
    reason: str
    rule: str | None
    """The id of the rule that decided, or None where a default did."""
    overridden: tuple[str, ...] = ()
    """Ids of the rules that say otherwise and lost."""
    rules: tuple[RuleSaid, ...] = ()
    """All that match the two ends, in the order in which they are asked."""
    default: str = ""
    """What holds where no rule decides."""
    granularity: str = "pair"
    """``pair`` where all between the two is allowed or denied alike, ``connection`` where it depends."""
    problems: tuple[str, ...] = ()
    """What keeps, or may keep, an allowed packet from arriving, a sentence each."""
    path: tuple[str, ...] = ()
    """Hosts in the order in which the packet meets them."""
    flows: tuple[PlannedFlow, ...] = field(default_factory=tuple)
    live_route: int | None = None
    """The id of the live pair route of these two ends, if there is one."""
    source_address: str = ""
    destination_address: str = ""
    source_end: EndState | None = None
    destination_end: EndState | None = None
    names: Resolution | None = None
    """Whether the source's container finds the destination's by name; null where one of them is outside."""
    routes: tuple[LiveRoute, ...] = ()
    """Live routes between the two, whoever opened them, of what was asked about; the newest first, at most 16."""
    routes_total: int = 0
    """How many there are."""
    published: tuple[PublishedPort, ...] = ()
    """Published ports by which what comes from outside reaches the destination."""
    why_not: WhyNot | None = None
    """What would have to change, where that was asked."""
