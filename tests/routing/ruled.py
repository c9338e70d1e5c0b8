"""A world with rules, and the reference that knows the same; what may be sent in it, and what may change."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import NamedTuple

from hypothesis import strategies as st
from tests.routing.frames import ICMP, TCP, UDP, echo, ipv4, see
from tests.routing.reference import End, Reference, Sent, Sort
from tests.routing.rulebook import GROUPINGS, OUTSIDE, PORTS, rules
from tests.routing.world import Plan, Spot, World, host, local_mac, port_of

from daoli.ofproto import FlowRemovedReason, PortNo
from daoli.routing.model import ROUTER_MAC
from daoli.routing.policy import Subject
from daoli.routing.router import RouterSettings
from daoli.routing.routes import BACK, FORTH, Connection, Route
from daoli.routing.rules import Group, Kind, Rule, Selector

SYN, ACK, RST = 0x02, 0x10, 0x04
TCP_FLAGS = (SYN, SYN | ACK, ACK, RST, RST | ACK, 0)
FIRST, LATER = 0x2000, 0x0003
RULED = Plan((True, True), (Spot(0), Spot(1), Spot(0, 1), Spot(1, 1), Spot(0)))
UNLIMITED = RouterSettings(punt_rate=1e9, punt_burst=1e9, icmp_rate=1e9, icmp_burst=1e9)


class Letter(NamedTuple):
    """What one end sends to another; ends are numbers of endpoints, or -1 and -2 for who is outside."""

    source: int
    destination: int
    protocol: int
    ports: tuple[int, int] = (0, 0)
    flags: int = 0
    """Of TCP; or the ICMP type."""
    fragment: int = 0
    entry: int = 0
    """By which host it comes in, if it comes from outside."""
    quoted: tuple[int, int, int] | None = None
    """Of an ICMP error: protocol and ports of a packet that it is about."""


ENDS = (0, 1, 2, 3, 4, -1, -2)
PAIRED = [(a, b) for a in ENDS for b in ENDS if a != b and (a >= 0 or b >= 0)]
FAVOURITES = ((0, 2), (2, 0), (0, 1), (0, 3), (-1, 1), (1, -1))
CONVERSATIONS = ((40000, 80), (40000, 80), (40000, 8050), (80, 40000), (443, 22))
ONE_WAY = Rule("r0", allow=True, source=Selector(Kind.NETWORK, "n0"), destination=Selector(Kind.NETWORK, "n1"))
WORTH = (
    replace(ONE_WAY, protocol=TCP, ports=((80, 80),)),
    replace(ONE_WAY, protocol=ICMP),
    ONE_WAY,
    Rule("r1", allow=False, destination=Selector(Kind.NETWORK, "n1"), protocol=TCP, ports=((1, 1023),)),
    Rule("r1", allow=False, source=Selector(Kind.CIDR, "198.51.100.0/24"), protocol=TCP, ports=((8000, 8100),)),
    Rule("r2", allow=False, source=Selector(Kind.ENDPOINT, "e0"), destination=Selector(Kind.ENDPOINT, "e1")),
)


@st.composite
def letters(draw: st.DrawFn) -> Letter:
    """Draw something that is sent; among so few ends and ports it is often an answer to something else."""
    source, destination = draw(st.sampled_from(FAVOURITES) | st.sampled_from(PAIRED))
    protocol = draw(st.sampled_from((TCP, TCP, TCP, UDP, ICMP, ICMP, 47)))
    ports = draw(st.sampled_from(CONVERSATIONS)) if protocol in (TCP, UDP) else (0, 0)
    quoted = None
    flags = draw(st.sampled_from(TCP_FLAGS))
    if protocol == ICMP:
        flags = draw(st.sampled_from((8, 0, 8, 0, 13, 14, 3, 9)))
        if flags == 3:
            quoted = (draw(st.sampled_from((TCP, UDP, ICMP))), *draw(st.sampled_from(CONVERSATIONS)))
    fragment = 0 if quoted else draw(st.sampled_from((0, 0, 0, 0, 0, FIRST, LATER)))
    return Letter(source, destination, protocol, ports, flags, fragment, draw(st.integers(0, 1)), quoted)


class Again(NamedTuple):
    """The last letter once more, or an answer to it, with other flags or of another ICMP type."""

    answer: bool
    flags: int

    def of(self, last: Letter) -> Letter:
        """Write it."""
        if last.protocol == ICMP:
            partner = {8: 0, 0: 8, 13: 14, 14: 13}.get(last.flags, last.flags) if self.answer else last.flags
            flags = 8 if self.flags == SYN and last.quoted is None else partner
        else:
            flags = self.flags
        if not self.answer:
            return last._replace(flags=flags)
        quoted = None if last.quoted is None else (last.quoted[0], last.quoted[2], last.quoted[1])
        source, destination, ports = last.destination, last.source, (last.ports[1], last.ports[0])
        return last._replace(source=source, destination=destination, ports=ports, flags=flags, quoted=quoted)


class Ruled:
    """A world with a policy, the reference that knows the same, and what is live between any two."""

    def __init__(self) -> None:
        self.world = World(RULED, UNLIMITED, gateway=True)
        self.reference = Reference({"n0": False, "n1": False})
        self.spoken: set[tuple[int, frozenset[tuple[bytes, int]]]] = set()
        """Conversations without flags that have, or had, a route: protocol, and address and port of both."""

    def end(self, number: int) -> End:
        """Give an end as the reference knows it."""
        if number < 0:
            return End(OUTSIDE[number])
        place = self.world.place(number)
        return End(place.ipv4, place.endpoint)

    def frame(self, letter: Letter) -> bytes:
        """Make the frame that a letter travels in."""
        source, destination = self.end(letter.source), self.end(letter.destination)
        mac = local_mac(letter.entry) if source.endpoint is None else source.endpoint.mac
        payload = bytes(24)
        if letter.protocol == TCP:
            payload = struct.pack("!HHIIBBHHH", *letter.ports, 1, 1, 0x50, letter.flags, 1024, 0, 0) + b"data"
        elif letter.protocol == UDP:
            payload = struct.pack("!HHHH", *letter.ports, 12, 0) + b"data"
        elif letter.protocol == ICMP:
            payload = echo(letter.flags, self._quote(letter) if letter.quoted else b"ping")
        return ipv4(
            mac,
            ROUTER_MAC,
            source.ipv4,
            destination.ipv4,
            proto=letter.protocol,
            payload=payload,
            fragment=letter.fragment,
        )

    def _quote(self, letter: Letter) -> bytes:
        """Make the head of a packet that the letter's receiver has sent."""
        assert letter.quoted is not None
        protocol, *ports = letter.quoted
        ends = self.end(letter.destination).ipv4, self.end(letter.source).ipv4
        return ipv4(bytes(6), bytes(6), *ends, proto=protocol, payload=struct.pack("!HHI", *ports, 0))[14:]

    def send(self, letter: Letter) -> bool:
        """Send a letter; tell whether it came where it should. It may come nowhere else."""
        if letter.source < 0:
            arrivals = self.world.send_from_host(letter.entry, self.frame(letter))
        else:
            arrivals = self.world.send(letter.source, self.frame(letter))
        if letter.destination < 0:
            right = {(host(number).dpid, int(PortNo.LOCAL)) for number in range(2)}
        else:
            right = {(self.world.place(letter.destination).dpid, port_of(letter.destination))}
        came = [arrival for arrival in arrivals if see(arrival.frame).ipv4_dst == self.end(letter.destination).ipv4]
        assert {(arrival.dpid, arrival.port) for arrival in came} <= right
        assert len(came) <= 1
        if came and letter.protocol in (UDP, 47):
            ends = (self.end(letter.source).ipv4, self.end(letter.destination).ipv4)
            if self.world.router.routes.find(_connection(letter).key(*ends)) is not None:
                self.spoken.add((letter.protocol, frozenset(zip(ends, _connection(letter)[1:], strict=True))))
        return bool(came)

    def passes(self, letter: Letter) -> bool:
        """Ask the reference."""
        source, destination = self.end(letter.source), self.end(letter.destination)
        if letter.quoted is not None:
            protocol, *seen = letter.quoted
            about = Sent(protocol, Sort.EITHER) if protocol == ICMP else Sent(protocol, Sort.EITHER, *seen)
            return self.reference.passes(destination, source, about)
        ports: list[int | None] = (
            [None, None] if letter.fragment or letter.protocol not in (TCP, UDP) else [*letter.ports]
        )
        sort = _sort(letter)
        ends = zip((source.ipv4, destination.ipv4), _connection(letter)[1:], strict=True)
        if letter.protocol in (UDP, 47) and (letter.protocol, frozenset(ends)) in self.spoken:
            sort = Sort.EITHER
        return self.reference.passes(source, destination, Sent(letter.protocol, sort, *ports))

    def change(self, change: Rule | Group | str) -> None:
        """Change a rule or a group, or remove what has this name, and cut what that changes, and only that."""
        policy, before = self.world.view.policy, self.live()
        rules = [change] if isinstance(change, Rule) else []
        networks: set[str] = set(change.networks) if isinstance(change, Group) else set()
        if isinstance(change, str):
            if change not in policy.rules:
                return
            rules.append(policy.rules[change])
            policy.remove_rule(change)
            del self.reference.rules[change]
        elif isinstance(change, Rule):
            rules += [policy.rules[change.id]] if change.id in policy.rules else []
            policy.put_rule(change)
            self.reference.rules[change.id] = change
        else:
            networks |= {*policy.groups[change.name].networks} if change.name in policy.groups else set()
            policy.put_group(change)
            self.reference.groups[change.name] = change.networks
        router = self.world.router
        cut, writes = router.revoke(router.obsolete(router.affected(rules, networks)))
        self.world.net.write([*writes, *router.lift_denials(self.world.now)])
        self.world.tell_removals()
        self.check_cut(before, cut)

    def check_cut(self, before: dict[Route, list[bool]], cut: list[Route]) -> None:
        """Insist that what was cut has changed, and that no route is left which policy forbids."""
        after = {route: self.verdicts(route) for route in before}
        for route in cut:
            if route.connection is not None:
                ends = zip((end.ipv4 for end in route.ends()), route.connection[1:], strict=True)
                self.spoken.discard((route.connection.protocol, frozenset(ends)))
            assert before[route] != after[route], "nothing has changed for this route"
        for route in before.keys() - set(cut):
            verdicts = after[route]
            assert all(verdicts) if route.connection is None else any(verdicts)

    def live(self) -> dict[Route, list[bool]]:
        """List live routes, and what the reference says of each kind of packet that they are for."""
        return {route: self.verdicts(route) for route in self.world.router.routes}

    def verdicts(self, route: Route) -> list[bool]:
        """Ask the reference about all that a route may carry, in both directions."""
        one, other = (End(end.ipv4, end.endpoint) for end in route.ends())
        sent = [Sent(ICMP, sort) for sort in (Sort.OPENS, Sort.ANSWERS)] + [Sent(47, Sort.EITHER)]
        for protocol in (TCP, UDP):
            sent += [Sent(protocol, Sort.OPENS, None, port) for port in (None, *PORTS, 1, 8101)]
        connection = route.connection
        if connection is not None and connection.protocol != ICMP:
            ports = (connection.source_port or None, connection.destination_port or None)
            forth = [Sent(connection.protocol, sort, *ports) for sort in (Sort.OPENS, Sort.EITHER)]
            back = [packet._replace(source_port=ports[1], destination_port=ports[0]) for packet in forth]
            said = [self.reference.passes(one, other, packet) for packet in forth]
            said += [self.reference.passes(other, one, packet) for packet in back]
            if route.outside is not None:  # beside a pair route it is of another kind
                said.append(self.uniform(one, other))
            return said
        return [self.reference.passes(a, b, packet) for packet in sent for a, b in ((one, other), (other, one))]

    def uniform(self, one: End, other: End) -> bool:
        """Tell whether there may be a pair route of two ends."""
        return self.world.view.policy.between(Subject(*one), Subject(*other)).whole is not None

    def idle(self, which: int) -> None:
        """Have some flows of routes idle out, by the bits of a number."""
        for switch in self.world.net.switches.values():
            found = [flow for flow in switch.flows.values() if (flow.cookie >> 40) & 0xFF in (2, 4)]
            for n, flow in enumerate(found):
                if which >> n % 30 & 1:
                    switch.remove(flow, FlowRemovedReason.IDLE_TIMEOUT)
        self.world.tell_removals()

    def restart(self) -> None:
        """Have another controller take over: what it finds live and allowed goes on, and nothing else is known."""
        before = {(route.id, route.generation) for route in self.world.router.routes if route.alive == FORTH | BACK}
        self.world.restart()
        router = self.world.router
        assert before <= {(route.id, route.generation) for route in router.routes}
        self.spoken = {
            (route.connection.protocol, frozenset(zip(ends, route.connection[1:], strict=True)))
            for route in router.routes
            if route.connection is not None
            for ends in [[end.ipv4 for end in route.ends()]]
        }

    def wait(self) -> None:
        """Let denials and the grace of installations pass."""
        self.world.now += 5
        for switch in self.world.net.switches.values():
            for flow in [flow for flow in switch.flows.values() if flow.hard_timeout]:
                switch.remove(flow, FlowRemovedReason.HARD_TIMEOUT)


def _sort(letter: Letter) -> Sort:
    hidden = bool(letter.fragment)
    if letter.protocol == TCP:
        return Sort.OPENS if hidden or letter.flags & (SYN | ACK) == SYN else Sort.EITHER
    if letter.protocol == ICMP:
        return Sort.ANSWERS if not hidden and letter.flags in (0, 14) else Sort.OPENS
    return Sort.OPENS


def _connection(letter: Letter) -> Connection:
    return Connection(letter.protocol, *((0, 0) if letter.fragment else letter.ports))


AGAIN = st.builds(Again, st.booleans(), st.sampled_from(TCP_FLAGS))
STEPS = st.one_of(
    letters(),
    letters(),
    AGAIN,
    AGAIN,
    AGAIN,
    rules(),
    GROUPINGS,
    st.integers(0, 8).map("r{}".format),
    st.integers(0, 2**30 - 1),
    st.none(),
)
