"""What would happen to a packet, said by the functions that decide and install."""

from __future__ import annotations

from collections.abc import Iterable

from daoli.hosts.reports import Explanation, PlannedFlow
from daoli.ofproto import FlowMod, decode, flow_text
from daoli.routing.model import Endpoint
from daoli.routing.policy import judge
from daoli.routing.router import Router
from daoli.routing.routes import Route
from daoli.routing.verdict import obstacle


def explain(
    router: Router, source: Endpoint, destination: Endpoint, protocol: str | None = None, port: int | None = None
) -> Explanation:
    """Say what would happen to a packet, by the functions that decide and install."""
    a, b = router.view.place_of(source.id), router.view.place_of(destination.id)
    judgement = judge(source, destination)
    problem = obstacle(a, b)
    live = router.routes.find(a.ipv4 + b.ipv4)
    flows: tuple[PlannedFlow, ...] = ()
    if judgement.allowed and not problem:
        planned = router.flows_of(Route(0, a, b, judgement, 0.0))
        flows = tuple(
            PlannedFlow(router.view.switches[dpid].host.name, text)
            for dpid, data in planned
            for text in _flow_texts(data)
        )
    return Explanation(
        source=source.id,
        destination=destination.id,
        protocol=protocol,
        port=port,
        allowed=judgement.allowed,
        deliverable=judgement.allowed and not problem,
        reason=judgement.reason,
        rule=judgement.rule,
        problems=(problem,) if problem else (),
        path=(source.host,) if source.host == destination.host else (source.host, destination.host),
        flows=flows,
        live_route=live.id if live else None,
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
