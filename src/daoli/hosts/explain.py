"""What would happen to a packet, said by the functions that decide and install."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from daoli.hosts.reports import Explanation, PlannedFlow, RuleSaid
from daoli.ofproto import FlowMod, decode, flow_text
from daoli.routing.model import Endpoint
from daoli.routing.packet import ICMP, TCP, UDP
from daoli.routing.policy import Between, Judgement, Packet, judge
from daoli.routing.router import Router
from daoli.routing.routes import Connection, Route
from daoli.routing.verdict import obstacle
from daoli.routing.view import Place

PROTOCOLS: Final[Mapping[str, int]] = MappingProxyType({"tcp": TCP, "udp": UDP, "icmp": ICMP})
EPHEMERAL: Final = 49152
"""The source port that a planned connection is shown with (RFC 6335, 6)."""
_ECHO: Final = (8, 0)
_DEPENDS: Final = Judgement(allowed=False, reason="it depends on protocol and port: ask with both")


def explain(
    router: Router, source: Endpoint, destination: Endpoint, protocol: str | None = None, port: int | None = None
) -> Explanation:
    """Say what would happen to the first packet of a conversation, by the functions that decide and install."""
    a, b = router.view.place_of(source.id), router.view.place_of(destination.id)
    between = router.view.policy.between(a, b)
    number = PROTOCOLS[protocol] if protocol else None
    judgement = _judged(between, number, port)
    problem = obstacle(a, b)
    connection = None if between.whole is not None or number is None else _connection(number, port)
    live = router.routes.find(a.ipv4 + b.ipv4)
    flows: tuple[PlannedFlow, ...] = ()
    if judgement.allowed and not problem and (connection is not None or between.whole is not None):
        flows = _planned(router, a, b, judgement, connection)
    return Explanation(
        source=source.id,
        destination=destination.id,
        protocol=protocol,
        port=port,
        allowed=judgement.allowed,
        deliverable=judgement.allowed and not problem,
        reason=judgement.reason,
        rule=judgement.rule,
        overridden=judgement.overridden,
        rules=_said(between, number, port),
        default=between.forth.default.reason,
        granularity="pair" if between.whole is not None else "connection",
        problems=(problem,) if problem else (),
        path=(source.host,) if source.host == destination.host else (source.host, destination.host),
        flows=flows,
        live_route=live.id if live else None,
    )


def _judged(between: Between, protocol: int | None, port: int | None) -> Judgement:
    if between.whole is not None:
        return between.whole
    forth = between.forth
    if protocol is None:
        return forth.judge(-1, None) if forth.uniform is not None else _DEPENDS
    if (
        port is None
        and protocol in (TCP, UDP)
        and any(rule.ports and rule.protocol == protocol for rule in forth.rules)
    ):
        return _DEPENDS
    return judge(between, Packet(protocol, None, port))


def _said(between: Between, protocol: int | None, port: int | None) -> tuple[RuleSaid, ...]:
    """List the rules that match the two ends, in the order in which they are asked."""
    return tuple(
        RuleSaid(
            id=rule.id,
            allow=rule.allow,
            priority=rule.priority,
            comment=rule.comment,
            applies=protocol is None or rule.covers(protocol, port),
        )
        for rule in between.forth.rules
    )


def _connection(protocol: int, port: int | None) -> Connection:
    if protocol == ICMP:
        return Connection(ICMP, *_ECHO)
    return Connection(protocol, EPHEMERAL, port or 0)


def _planned(
    router: Router, a: Place, b: Place, judgement: Judgement, connection: Connection | None
) -> tuple[PlannedFlow, ...]:
    route = Route(0, a, b, judgement, 0.0, connection)
    router.limit(route)
    return tuple(
        PlannedFlow(router.view.switches[dpid].host.name, text)
        for dpid, data in router.flows_of(route)
        for text in _flow_texts(data)
    )


def _flow_texts(data: bytes) -> Iterable[str]:
    """Decode packed flow_mods, each to a line as `ovs-ofctl dump-flows` writes the flow that it adds."""
    at = 0
    while at < len(data):
        end = at + int.from_bytes(data[at + 2 : at + 4], "big")
        message = decode(data[at:end])
        yield _flow(message) if isinstance(message, FlowMod) else str(message)
        at = end


def _flow(mod: FlowMod) -> str:
    timeouts = (mod.idle_timeout, mod.hard_timeout)
    return flow_text(mod.table_id, mod.priority, mod.cookie, *timeouts, mod.flags, mod.match, mod.instructions)
