"""A question to `explain`: who would open what with whom, by its ends as routing knows them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from daoli.hosts.errors import Invalid
from daoli.hosts.finding import find_host
from daoli.hosts.reports import PublishedPort
from daoli.hosts.rule import PROTOCOLS
from daoli.routing.model import Endpoint, Host
from daoli.routing.packet import TCP, UDP
from daoli.routing.policy import Between, Judgement
from daoli.routing.rules import Rule
from daoli.routing.view import End, Outside, View

_NO_PROTOCOL: Final = -1
_LAST_PORT: Final = 0xFFFF


@dataclass(frozen=True, slots=True)
class Question:
    """A conversation to ask about; an address is one outside all networks."""

    source: Endpoint | IPv4Address
    destination: Endpoint | IPv4Address
    protocol: str | None = None
    """None: whatever it carries."""
    port: int | None = None
    """The destination's; None: any."""
    via: str | None = None
    """The host by which a source that is outside enters; None: its own, if it is one, or the destination's."""
    why_not: bool = False
    """Whether it is to be told what would have to change."""
    published: tuple[PublishedPort, ...] = ()
    """Published ports that lead to what is asked about, where that comes from outside."""

    @property
    def number(self) -> int | None:
        """The protocol's number."""
        return PROTOCOLS[self.protocol] if self.protocol else None


def ends(view: View, question: Question) -> tuple[End, End]:
    """Find both ends.

    Raises:
        Invalid: neither is on a network, or `via` is told where nothing enters.
        NotFound: there is no host `via`.
    """
    source, destination = question.source, question.destination
    if isinstance(source, Endpoint):
        if question.via is not None:
            raise Invalid("only what comes from outside all networks enters by a host", "via")
        here = view.place_of(source.id)
        if isinstance(destination, Endpoint):
            return here, view.place_of(destination.id)
        return here, Outside(here.switch, destination.packed, here.gateway)
    if not isinstance(destination, Endpoint):
        raise Invalid("neither source nor destination is on a network, so that it does not come by here", "destination")
    there = view.place_of(destination.id)
    host = find_host(view, question.via, "via") if question.via else _entry(view, source, there.switch.host)
    return Outside(view.switches[host.dpid], source.packed, there.gateway), there


def _entry(view: View, source: IPv4Address, own: Host) -> Host:
    """Say by which host something enters: by itself if it is one, else by the destination's `own`."""
    return next((host for host in view.hosts.values() if host.address == source.packed), own)


def judged(between: Between, protocol: int | None, port: int | None) -> Judgement | None:
    """Judge what opens a conversation; None if it depends on what was not asked."""
    if between.whole is not None:
        return between.whole
    said = [between.forth.judge(*probe) for probe in probes(between.forth.rules, protocol, port)]
    return said[0] if len({judgement.allowed for judgement in said}) == 1 else None


def probes(rules: Iterable[Rule], protocol: int | None, port: int | None) -> Iterator[tuple[int, int | None]]:
    """Give a protocol and port of each kind that rules can tell from the others, of what was asked."""
    if protocol is not None:
        yield protocol, port
        if port is not None or protocol not in (TCP, UDP):
            return
        yield protocol, 1
    else:
        yield _NO_PROTOCOL, None
    for rule in rules:
        if rule.protocol is None or protocol not in (None, rule.protocol):
            continue
        yield rule.protocol, None
        yield rule.protocol, 1
        for low, high in rule.ports:
            yield rule.protocol, low
            if high < _LAST_PORT:
                yield rule.protocol, high + 1
