"""What became of conversations, as it is noted on the way of packets, and as it is told to people later.

A note is a tuple of what is at hand anyway. Text is made of it only when somebody reads it: a listener to events, the
ledger's file, or who asks for the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from daoli.routing.model import ipv4_text
from daoli.routing.packet import PROTOCOLS, TCP, UDP, Frame, ports
from daoli.routing.routes import BACK, FORTH, Route
from daoli.routing.verdict import Outcome, Verdict
from daoli.routing.view import End

OPENED: Final = "route.opened"
CLOSED: Final = "route.closed"
REFUSED: Final = "packet.refused"
HEAD: Final = 78
"""Bytes of a frame that are kept of it: up to the ports, behind the longest IPv4 header."""

Counts = dict[int, tuple[int, int]]
"""Packets and bytes by direction: `FORTH`, `BACK`; what is not known is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A conversation that was allowed and got a route, or was refused, or is over."""

    kind: str
    """``route.opened``, ``packet.refused`` or ``route.closed``."""
    time: str
    """RFC 3339, to the millisecond."""
    verdict: str
    """``allowed``, ``denied`` by policy, or what else a refused packet was: ``spoofed``, ``unknown host``, …"""
    reason: str
    rule: str | None = None
    """The id of the rule that decided; null where a default did, or where it did not come to that."""
    source: str | None = None
    """Endpoint ids, or null for who is outside or unknown."""
    destination: str | None = None
    source_name: str | None = None
    destination_name: str | None = None
    source_address: str | None = None
    destination_address: str | None = None
    source_host: str | None = None
    destination_host: str | None = None
    protocol: str | None = None
    """``tcp``, ``udp``, ``icmp`` or a number: of the packet that opened the route or was refused.

    Of a route that is over it is the connection's; null if it was all between two endpoints.
    """
    source_port: int | None = None
    destination_port: int | None = None
    answer: bool | None = None
    """Whether a route was opened by what can only be an answer, its conversation having idled out."""
    route: int | None = None
    granularity: str | None = None
    """``pair`` if the route is for all between two endpoints, ``connection`` if it is for one."""
    packets: int | None = None
    """From the source, counted by its route's flows where that begins; the first packet took no flow.

    Null while the route lives, and where a host could not tell. Open vSwitch counts twice a second, so that of a route
    that is cut the last half second may be missing.
    """
    bytes: int | None = None
    packets_back: int | None = None
    bytes_back: int | None = None
    seconds: float | None = None
    """From opening to end, the time in which it idled out included."""
    why: str | None = None
    """Why a route ended: ``idle``, ``inventory changed``, …"""
    host: str | None = None
    """Where a refused packet was, and the OpenFlow port by which it had come."""
    in_port: int | None = None

    def told(self) -> dict[str, Any]:
        """Give the fields that have a value, those of the head first."""
        return {name: value for name in _NAMES if (value := getattr(self, name)) is not None}


_NAMES: Final = tuple(field.name for field in fields(Entry))


class Opened(NamedTuple):
    """A route is new; `data` is the head of the packet that opened it, and `time` in seconds since 1970."""

    time: float
    route: Route
    frame: Frame | None
    data: bytes

    def entry(self) -> Entry:
        """Put it into words."""
        return Entry(kind=OPENED, time=moment(self.time), **_route(self.route), **_packet(self.frame, self.data))


class Closed(NamedTuple):
    """A route is over, `seconds` after it was opened."""

    time: float
    route: Route
    why: str
    seconds: float
    counts: Counts

    def entry(self) -> Entry:
        """Put it into words."""
        packets, size = self.counts.get(FORTH, (None, None))
        packets_back, size_back = self.counts.get(BACK, (None, None))
        return Entry(
            kind=CLOSED,
            time=moment(self.time),
            **_route(self.route),
            **_connection(self.route),
            packets=packets,
            bytes=size,
            packets_back=packets_back,
            bytes_back=size_back,
            seconds=round(self.seconds, 3),
            why=self.why,
        )


class Refused(NamedTuple):
    """A packet was not passed on; `host` is the one that asked."""

    time: float
    host: str
    in_port: int
    verdict: Verdict
    data: bytes

    def entry(self) -> Entry:
        """Put it into words."""
        verdict, frame = self.verdict, self.verdict.frame
        addresses = (ipv4_text(frame.ipv4_src), ipv4_text(frame.ipv4_dst)) if frame else (None, None)
        judgement = verdict.judgement if verdict.outcome is Outcome.DENIED else None
        return Entry(
            kind=REFUSED,
            time=moment(self.time),
            verdict=verdict.outcome.value,
            reason=judgement.reason if judgement else verdict.problem or verdict.outcome.value,
            rule=judgement.rule if judgement else None,
            **_end("source", verdict.source, addresses[0]),
            **_end("destination", verdict.destination, addresses[1]),
            **_packet(frame, self.data),
            host=self.host,
            in_port=self.in_port,
        )


class Recalled(NamedTuple):
    """What an earlier controller noted, as the ledger's file has it."""

    time: float
    told: Entry

    def entry(self) -> Entry:
        """Give it as it was put into words."""
        return self.told


Note = Opened | Closed | Refused
KINDS: Final[dict[type[Note], str]] = {Opened: OPENED, Refused: REFUSED, Closed: CLOSED}
"""The events' names."""


def moment(seconds: float) -> str:
    """Write a time, in seconds since 1970, as RFC 3339 has it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _route(route: Route) -> dict[str, Any]:
    return {
        "route": route.id,
        "answer": route.judgement.answer or None,
        "verdict": "allowed",
        "reason": route.judgement.reason,
        "rule": route.judgement.rule,
        "granularity": "pair" if route.connection is None else "connection",
        **_end("source", route.source, ipv4_text(route.source.ipv4)),
        **_end("destination", route.destination, ipv4_text(route.destination.ipv4)),
    }


def _end(side: str, end: End | None, address: str | None) -> dict[str, Any]:
    endpoint = end.endpoint if end is not None else None
    return {
        side: endpoint.id if endpoint else None,
        f"{side}_name": (endpoint.name or None) if endpoint else None,
        f"{side}_address": address,
        f"{side}_host": end.switch.host.name if end is not None else None,
    }


def _packet(frame: Frame | None, data: bytes) -> dict[str, Any]:
    if frame is None:
        return {}
    found = ports(data, frame) or (None, None)
    return {"protocol": _name(frame.proto), "source_port": found[0], "destination_port": found[1]}


def _connection(route: Route) -> dict[str, Any]:
    connection = route.connection
    if connection is None:
        return {}
    has_ports = connection.protocol in (TCP, UDP)
    return {
        "protocol": _name(connection.protocol),
        "source_port": connection.source_port if has_ports else None,
        "destination_port": connection.destination_port if has_ports else None,
    }


def _name(protocol: int) -> str:
    return PROTOCOLS.get(protocol, str(protocol))
