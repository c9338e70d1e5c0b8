"""What would happen to a packet, said by the functions that decide and install."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Final

from daoli.hosts.live import unhurried
from daoli.hosts.names import Resolution, glance, resolution
from daoli.hosts.obstacles import Obstacle, doubts, end_state
from daoli.hosts.question import Question, judged
from daoli.hosts.reports import Explanation, PlannedFlow, RuleSaid
from daoli.ofproto import FlowMod, decode, flow_text
from daoli.routing.model import ipv4_text
from daoli.routing.packet import ICMP, TCP, UDP
from daoli.routing.policy import Between, Judgement
from daoli.routing.router import Router
from daoli.routing.routes import Connection, Route
from daoli.routing.verdict import behind
from daoli.routing.view import End, Place, View

EPHEMERAL: Final = 49152
"""The source port that a planned connection is shown with (RFC 6335, 6)."""
_ECHO: Final = (8, 0)
_DEPENDS: Final = Judgement(allowed=False, reason="it depends on protocol and port: ask with both")


def explain(
    router: Router, question: Question, a: End, b: End, obstacles: Iterable[Obstacle], settled: Container[int]
) -> Explanation:
    """Say what would happen to the first packet of a conversation, by the functions that decide and install.

    `a` and `b` are the question's ends, `obstacles` what is between them, `settled` the datapaths that are in order.
    """
    between, number = router.view.policy.between(a, b), question.number
    judgement = judged(between, number, question.port) or _DEPENDS
    if judgement.allowed and (denial := _behind(router.view, question, a, b)) is not None:
        judgement = denial
    problems = tuple(obstacle.said for obstacle in obstacles)
    doubted = tuple(doubt.said for doubt in doubts(a, b, question.published))
    with_host = any(end.endpoint is None and end.ipv4 in router.view.doors.hosts for end in (a, b))
    pair = between.whole is not None and not _enters_elsewhere(a, b) and not with_host
    live = router.routes.find(a.ipv4 + b.ipv4)
    flows: tuple[PlannedFlow, ...] = ()
    if judgement.allowed and not problems and (pair or number is not None):
        connection = None if pair or number is None else _connection(between, number, question.port)
        flows = _planned(router, a, b, judgement, connection)
    return Explanation(
        source=a.endpoint.id if a.endpoint else None,
        destination=b.endpoint.id if b.endpoint else None,
        protocol=question.protocol,
        port=question.port,
        allowed=judgement.allowed,
        deliverable=None if judgement.allowed and doubted and not problems else judgement.allowed and not problems,
        reason=judgement.reason,
        rule=judgement.rule,
        overridden=judgement.overridden,
        rules=_said(between, number, question.port),
        default=between.forth.default.reason,
        granularity="pair" if pair else "connection",
        problems=problems + doubted,
        published=question.published,
        path=tuple(dict.fromkeys((a.switch.host.name, b.switch.host.name))),
        flows=flows,
        live_route=live.id if live else None,
        source_address=ipv4_text(a.ipv4),
        destination_address=ipv4_text(b.ipv4),
        source_end=end_state(a, settled),
        destination_end=end_state(b, settled),
    )


def _behind(view: View, question: Question, a: End, b: End) -> Judgement | None:
    """Say why a host's port may not be talked to that leads to a container; None if it may."""
    if b.endpoint is not None:
        return None
    asked = (TCP, UDP) if question.number is None else (question.number,)
    for protocol in asked:
        denial = behind(view, a, b, Connection(protocol, EPHEMERAL, question.port or 0))
        if denial is not None:
            return denial if question.port and question.number else _DEPENDS
    return None


def _enters_elsewhere(a: End, b: End) -> bool:
    """Tell whether something enters by another host than the destination's: answers have to find back there."""
    return a.endpoint is None and a.switch is not b.switch


async def look_up(view: View, a: End, b: End) -> Resolution | None:
    """Tell whether the first end's container finds the second's by name; None where that makes no sense."""
    if not isinstance(a, Place) or not isinstance(b, Place) or a is b:
        return None
    asker, sought = a.endpoint, b.endpoint
    if not a.switch.connected:
        return Resolution(False, f"host {asker.host} is not connected: nobody knows whether an agent answers there")
    matters, answered = glance(asker, sought), a.switch.names is not None
    known = [endpoint async for endpoint in unhurried(list(view.endpoints.values())) if matters(endpoint)]
    return resolution(asker, sought, known, answered=answered)


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


def _connection(between: Between, protocol: int, port: int | None) -> Connection:
    if protocol == ICMP:
        return Connection(ICMP) if between.whole is not None else Connection(ICMP, *_ECHO)
    return Connection(protocol, EPHEMERAL, port or 0)


def _planned(
    router: Router, a: End, b: End, judgement: Judgement, connection: Connection | None
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
