"""What the fabric tells those who listen to events, and the ledger; called only if there is somebody to be told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Final

from daoli.hosts.closing import Closing, Pending, ends
from daoli.hosts.events import EventHub
from daoli.hosts.facts import HEAD, KINDS, Closed, Note, Opened, Refused
from daoli.hosts.ledger import Ledger
from daoli.hosts.mirror import Changed
from daoli.hosts.move import Move
from daoli.ofproto import FlowRemoved
from daoli.ofproto.shapes import Punt
from daoli.routing.flows import Ended, EndedProtocol, EndedTcp
from daoli.routing.pipeline import Cookie, Kind
from daoli.routing.router import Answer, source_of
from daoli.routing.routes import Route, RouteTable
from daoli.routing.verdict import Outcome
from daoli.routing.view import Switch

PATIENCE: Final = 2.0
"""Seconds that the flows of a cut route have to tell what went by; a datapath that is well takes milliseconds."""
_NO_REFUSALS: Final = frozenset({Outcome.ANSWER, Outcome.REPORT, Outcome.RESTORE})


class Herald:
    """Tells facts; `now` is the event loop's clock, in seconds."""

    def __init__(self, events: EventHub, ledger: Ledger, routes: RouteTable, now: Callable[[], float]) -> None:
        self.events = events
        self.ledger = ledger
        self._closing = Closing(routes)
        self._now = now

    @property
    def hearing(self) -> bool:
        """Whether anybody would be told of routes now."""
        return self.ledger.on or self.events.listening

    def opened(self, route: Route, punt: Punt, answer: Answer) -> None:
        """Tell of a new route, and the packet that opened it."""
        frame = answer.verdict.frame if answer.verdict is not None else None
        self._tell(Opened(self.ledger.clock(), route, frame, punt.data[:HEAD]))

    def refused(self, switch: Switch, punt: Punt, answer: Answer) -> None:
        """Tell of a packet that was not passed on, and why."""
        verdict = answer.verdict
        if verdict is not None and verdict.outcome not in _NO_REFUSALS:
            note = Refused(self.ledger.clock(), switch.host.name, punt.in_port, verdict, punt.data[:HEAD])
            self._tell(note)

    def counted(self, message: Ended | EndedTcp | EndedProtocol | FlowRemoved) -> None:
        """Note what went by a flow that is gone; to be called before its route is taken out of the table."""
        cookie, source = Cookie.parse(message.cookie), source_of(message)
        if cookie is None or source is None or cookie.kind not in (Kind.PAIR, Kind.CONNECTION):
            return
        over = self._closing.counted(cookie.route_id, source, message.packet_count, message.byte_count)
        if over is not None:
            self._close(over)

    def closed(self, route: Route, why: str) -> None:
        """Tell of a route that is over, and whose flows are gone."""
        self._close(Pending(route, why, self._now() - route.opened, 0))

    def cut(self, route: Route, why: str, connected: Collection[int]) -> None:
        """Tell of a route that was cut, as soon as its flows on connected datapaths have told what went by."""
        missing = sum(bit for bit, dpid in ends(route) if route.alive & bit and dpid in connected)
        if self._closing.begin(route, why, self._now() - route.opened, missing):
            asyncio.get_running_loop().call_later(PATIENCE, self._give_up, route)
        else:
            self.closed(route, why)

    def away(self, dpid: int) -> None:
        """Note that a datapath is gone, and will not tell."""
        for over in self._closing.away(dpid):
            self._close(over)

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

    def _give_up(self, route: Route) -> None:
        if (late := self._closing.late(route)) is not None:
            self._close(late)

    def _close(self, over: Pending) -> None:
        counts = self._closing.taken(over.route)
        self._tell(Closed(self.ledger.clock(), over.route, over.why, over.seconds, counts))

    def _tell(self, note: Note) -> None:
        if self.ledger.on:
            self.ledger.add(note)
        if self.events.listening:
            told = note.entry().told()
            del told["kind"], told["time"]
            self.events.publish(KINDS[type(note)], **told)
