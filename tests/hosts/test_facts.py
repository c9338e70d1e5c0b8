"""What is noted of conversations, in words."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from daoli.hosts.facts import HEAD, Closed, Entry, Opened, Refused, moment
from daoli.routing.model import Endpoint, Host, Network
from daoli.routing.packet import parse
from daoli.routing.policy import Judgement
from daoli.routing.routes import BACK, FORTH, Connection, Route
from daoli.routing.verdict import Outcome, Verdict
from daoli.routing.view import Outside, Place, Switch

NETWORK = Network("n", IPv4Network("10.1.0.0/24"), bytes((10, 1, 0, 1)))
A, B = (
    Place(
        Endpoint(f"e{n}", name, f"h{n}", "n", bytes((2, 0, 0, 0, 0, n)), bytes((10, 1, 0, n)), "p"),
        NETWORK,
        Switch(Host(f"h{n}", n, bytes((192, 0, 2, n)), "up")),
    )
    for n, name in ((2, "web"), (3, ""))
)
RULE = Judgement(allowed=False, reason="denied by rule r1", rule="r1")
TCP_80 = bytes.fromhex("0001 0050")


def frame(proto: int = 6, data: bytes = TCP_80) -> bytes:
    head = bytes((0x45, 0, 0, 20 + len(data), 0, 1, 0, 0, 64, proto, 0, 0)) + A.ipv4 + B.ipv4
    return bytes(12) + b"\x08\x00" + head + data


def test_opened() -> None:
    """A new route is told with both ends, the packet that opened it, and why it is allowed."""
    route = Route(7, A, B, Judgement(allowed=True, reason="same network"), 5.0)
    data = frame()[:HEAD]
    assert Opened(0.5, route, parse(data), data).entry() == Entry(
        kind="route.opened",
        time="1970-01-01T00:00:00.500Z",
        verdict="allowed",
        reason="same network",
        source="e2",
        source_name="web",
        source_address="10.1.0.2",
        source_host="h2",
        destination="e3",
        destination_address="10.1.0.3",
        destination_host="h3",
        protocol="tcp",
        source_port=1,
        destination_port=80,
        route=7,
        granularity="pair",
    )


def test_closed() -> None:
    """A route that is over is told with what went by in either direction, or null where that is not known."""
    outside = Outside(A.switch, bytes((198, 51, 100, 7)), NETWORK.gateway)
    route = Route(7, B, outside, RULE, 5.0, Connection(17, 5000, 53))
    entry = Closed(0.0, route, "idle", 31.25, {FORTH: (3, 300)}).entry()
    assert (entry.kind, entry.granularity, entry.protocol, entry.destination_port) == (
        "route.closed",
        "connection",
        "udp",
        53,
    )
    assert (entry.packets, entry.bytes, entry.packets_back, entry.bytes_back) == (3, 300, None, None)
    assert (entry.seconds, entry.why, entry.rule) == (31.25, "idle", "r1")
    assert (entry.destination, entry.destination_address) == (None, "198.51.100.7")
    both = Closed(0.0, Route(7, A, B, RULE, 5.0), "idle", 1.0, {FORTH: (3, 300), BACK: (2, 200)}).entry()
    assert (both.protocol, both.packets_back, both.bytes_back) == (None, 2, 200)


@pytest.mark.parametrize(
    ("outcome", "problem", "told"),
    [
        (Outcome.DENIED, "", ("denied", "denied by rule r1", "r1")),
        (Outcome.UNKNOWN_HOST, "nobody has it", ("unknown host", "nobody has it", None)),
        (Outcome.EXPIRED, "", ("ttl expired", "ttl expired", None)),
    ],
)
def test_refused(outcome: Outcome, problem: str, told: tuple[str, str, str | None]) -> None:
    """A refusal by policy is told with its rule, another with what is wrong, and both with the packet."""
    data = frame(1, bytes(8))
    entry = Refused(0.0, "h9", 5, Verdict(outcome, parse(data), A, None, RULE, problem), data).entry()
    assert (entry.verdict, entry.reason, entry.rule) == told
    assert (entry.source, entry.source_address, entry.destination_address) == ("e2", "10.1.0.2", "10.1.0.3")
    assert (entry.protocol, entry.destination_port, entry.host, entry.in_port) == ("icmp", None, "h9", 5)


def test_refused_without_a_frame() -> None:
    """What is no IPv4 has no addresses and no protocol, and only what has a value is told."""
    told = Refused(0.0, "h9", 5, Verdict(Outcome.NOT_IPV4, source=A, problem="EtherType 0x86dd"), b"").entry().told()
    assert told == {
        "kind": "packet.refused",
        "time": "1970-01-01T00:00:00.000Z",
        "verdict": "not IPv4",
        "reason": "EtherType 0x86dd",
        "source": "e2",
        "source_name": "web",
        "source_host": "h2",
        "host": "h9",
        "in_port": 5,
    }


def test_moment() -> None:
    """A time is written in UTC, to the millisecond."""
    assert moment(1700000000.1239) == "2023-11-14T22:13:20.123Z"
