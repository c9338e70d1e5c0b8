"""What the fabric tells those who listen to events; where it happens often, it is called only if somebody does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from daoli.hosts.events import EventHub
from daoli.hosts.mirror import Changed
from daoli.hosts.move import Move
from daoli.ofproto.shapes import Punt
from daoli.routing.model import ipv4_text
from daoli.routing.router import Answer
from daoli.routing.routes import Route
from daoli.routing.verdict import Outcome, Verdict
from daoli.routing.view import End, Switch


class Herald:
    """Puts facts into words; `now` is the event loop's clock, in seconds."""

    def __init__(self, events: EventHub, now: Callable[[], float]) -> None:
        self.events = events
        self._now = now

    def opened(self, route: Route) -> None:
        """Tell of a new route."""
        self.events.publish(
            "route.opened",
            **_route(route),
            reason=route.judgement.reason,
        )

    def closed(self, route: Route, why: str) -> None:
        """Tell of a route that is over."""
        self.events.publish(
            "route.closed",
            **_route(route),
            why=why,
            seconds=round(self._now() - route.opened, 3),
        )

    def refused(self, switch: Switch, punt: Punt, answer: Answer) -> None:
        """Tell of a packet that was not passed on, and why."""
        verdict = answer.verdict
        if verdict is None or verdict.outcome in (Outcome.ANSWER, Outcome.REPORT, Outcome.RESTORE):
            return
        frame = verdict.frame
        self.events.publish(
            "packet.refused",
            outcome=verdict.outcome.value,
            host=switch.host.name,
            port=punt.in_port,
            source=_name_of(verdict.source),
            destination=_name_of(verdict.destination),
            ipv4_src=ipv4_text(frame.ipv4_src) if frame else None,
            ipv4_dst=ipv4_text(frame.ipv4_dst) if frame else None,
            reason=_reason(verdict),
        )

    def inventory(self, change: Changed) -> None:
        """Tell of records that came, changed or went."""
        for was, now in change.pairs():
            record = now if now is not None else was
            kind = type(record).__name__.removesuffix("Spec").lower()
            verb = "added" if was is None else "removed" if now is None else "changed"
            fields = {kind: getattr(record, "id", None) or getattr(record, "name", None)}
            if isinstance(record, Move):
                fields |= {"container": record.name, "to": record.to, "state": record.state, "detail": record.detail}
            self.events.publish(f"{kind}.{verb}", **fields)


def _reason(verdict: Verdict) -> str:
    if verdict.outcome is Outcome.DENIED and verdict.judgement is not None:
        return verdict.judgement.reason
    return verdict.problem or verdict.outcome.value


def _route(route: Route) -> dict[str, Any]:
    """Name a route and its ends; who is outside has an address and no name."""
    named = {"route": route.id, "source": _name_of(route.source), "destination": _name_of(route.destination)}
    if (outside := route.outside) is not None:
        named["address"] = ipv4_text(outside.ipv4)
    return named


def _name_of(place: End | None) -> str | None:
    return place.endpoint.id if place is not None and place.endpoint is not None else None
