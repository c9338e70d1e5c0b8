"""Rules about addresses on real Open vSwitch: of what leaves by a host, of what a host lets in, and of endpoints."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.gateways import gateways, outside_routes, published
from tests.e2e.probing import Came, asked, explained, probe, rules, serving
from tests.e2e.rig import Pinger, Rig, flows_between, ping, reaches
from tests.e2e.traffic import TcpEcho, TcpTransfer
from tests.routing.reference import End, Reference, Sent, Sort

from daoli.hosts.rule import PROTOCOLS, RuleSpec
from daoli.lab import Endpoint, Place
from daoli.routing.model import Endpoint as Record

pytestmark = pytest.mark.e2e

ONE, NEIGHBOUR, ELSEWHERE = "198.51.100.10", "198.51.100.20", "203.0.113.10"
"""Addresses outside all networks, all of one machine: two of one /24, and another."""
EVERYTHING = {"cidr": "0.0.0.0/0"}
PORTS = (80, 443, 5432, 8050)
RULES = 14
ROUNDS = 3

_FAR = """
ip link set lo up
for address in "$@"; do ip addr add "$address/32" dev lo; done
"""
_TO_FAR = "for address in 198.51.100.0/24 203.0.113.0/24; do ip route replace $address via 10.254.0.250; done"


@pytest.fixture(scope="module")
def module_rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Two hosts that are gateways, and three addresses behind them that reach containers by the first host."""
    with gateways("--idle-timeout", "10", state_dir=tmp_path_factory.mktemp("labs")) as rig:
        far = rig.lab.controller
        far.script(_FAR, ONE, NEIGHBOUR, ELSEWHERE, what="addresses outside")
        far.script(f"ip route replace 10.1.0.0/24 via {rig['h1'].address}", what="the way in")
        for host in rig.lab.hosts.values():
            host.script(_TO_FAR, what="the way to the outside")
        yield rig


def opened_by(source: Endpoint, routes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out what came from outside: who had the endpoint's address before may still be answered there."""
    return [route for route in routes if route["source"] == source.id]


def led_to(cut: list[dict[str, Any]], source: Endpoint) -> list[str]:
    """Whither the routes led that an endpoint had opened."""
    return [route["destination_address"] for route in opened_by(source, cut)]


def far_echo(rig: Rig, port: int = 9001) -> TcpEcho:
    """Have all addresses outside say back what they hear."""
    return TcpEcho(rig.lab.controller, port)


# -- against the reference


def cidrs(endpoints: list[Endpoint]) -> list[dict[str, str]]:
    """List what a rule about addresses may name here."""
    networks = ["198.51.100.0/24", f"{ONE}/32", "203.0.113.0/24", "192.0.0.0/2", "0.0.0.0/0", "10.1.0.0/24"]
    return [{"cidr": text} for text in [*networks, f"{endpoints[0].ip}/32"]]


def random_rules(draw: random.Random, endpoints: list[Endpoint]) -> list[dict[str, Any]]:
    """Make rules about addresses and endpoints."""
    own: list[dict[str, str]] = [{}, {"label": "app=a"}, {"label": "app=b"}, {"endpoint": draw.choice(endpoints).id}]
    made = []
    for _ in range(RULES):
        sides = [draw.choice(cidrs(endpoints)), draw.choice(own + cidrs(endpoints))]
        draw.shuffle(sides)
        protocol = draw.choice((None, "tcp", "tcp", "udp", "icmp"))
        body: dict[str, Any] = {
            "action": draw.choice(("allow", "deny")),
            "source": sides[0],
            "destination": sides[1],
            "priority": draw.choice((50, 100, 100, 200)),
            "both_ways": draw.random() < 0.3,
        }
        if protocol:
            body["protocol"] = protocol
        if protocol in ("tcp", "udp") and draw.random() < 0.7:
            body["ports"] = draw.sample([80, "400-500", 5432, "8000-8100"], 2)
        made.append(body)
    return made


def expected(rig: Rig, endpoints: list[Endpoint], made: list[dict[str, Any]]) -> set[Came]:
    """Say who reaches whom from or to the outside, by the plain reference, and who of the endpoints by `explain`."""
    reference = Reference({endpoint.plan.network: False for endpoint in endpoints})
    for body in made:
        rule = RuleSpec.model_validate({key: body[key] for key in RuleSpec.model_fields if key in body}).record()
        reference.rules[rule.id] = rule
    inside = [End(_bytes(endpoint.ip), record(rig, endpoint)) for endpoint in endpoints]
    outside = [End(_bytes(address)) for address in (ONE, NEIGHBOUR, ELSEWHERE)]
    found = set()
    for source, destination in [(a, b) for a in inside for b in outside] + [(a, b) for a in outside for b in inside]:
        for protocol, port in asked(PORTS):
            if reference.passes(
                source, destination, Sent(PROTOCOLS[protocol], Sort.OPENS, 50000 if port else None, port)
            ):
                found.add((_text(source.ipv4), protocol, _text(destination.ipv4), port))
    return found | {came for endpoint in endpoints for came in explained(rig, endpoint, endpoints, PORTS)}


def record(rig: Rig, endpoint: Endpoint) -> Record:
    """Give an endpoint as the controller knows it."""
    body = rig.get(f"/endpoints/{endpoint.id}")
    ends = {key: body[key] for key in ("id", "name", "host", "network", "port", "labels")}
    return Record(**ends, mac=bytes.fromhex(body["mac"].replace(":", "")), ipv4=_bytes(endpoint.ip))


def _bytes(address: str) -> bytes:
    return bytes(map(int, address.split(".")))


def _text(address: bytes) -> str:
    return ".".join(map(str, address))


def test_what_gets_through_is_what_rules_say(rig: Rig) -> None:
    """Endpoints on two hosts and three addresses outside try all of each other: what passes is what is allowed."""
    draw = random.Random(11)
    endpoints = [rig.add(host) for host in ("h1", "h1", "h2", "h2")]
    for endpoint in endpoints:
        rig.post(endpoint, labels={"app": draw.choice("ab")})
    far: Place = rig.lab.controller
    outside, addresses = [ONE, NEIGHBOUR, ELSEWHERE], [endpoint.ip for endpoint in endpoints]
    listeners: dict[Place, list[str]] = {endpoint: [endpoint.ip] for endpoint in endpoints} | {far: outside}
    with serving(listeners, PORTS):
        for _ in range(ROUNDS):
            with rules(rig, *random_rules(draw, endpoints)) as made:
                said = expected(rig, endpoints, made)
                came = {one for own in endpoints for one in probe(own, own.ip, [*addresses, *outside], PORTS)}
                came |= {one for own in outside for one in probe(far, own, addresses, PORTS)}
                assert 50 < len(said) < 350
                assert came - said == set()
                assert said - came == set()


# -- what leaves


def leaving(action: str, source: Endpoint, cidr: str, **fields: Any) -> dict[str, Any]:
    """Make a rule about what an endpoint opens with addresses."""
    return {"action": action, "source": {"endpoint": source.id}, "destination": {"cidr": cidr}, **fields}


def test_a_forbidden_destination_with_one_open_port(rig: Rig) -> None:
    """Of a /24 only one port of one address is reached, the rest is prohibited; beyond it all is as before."""
    one = rig.add("h1")
    forbidden = leaving("deny", one, "198.51.100.0/24")
    with rules(rig, forbidden, leaving("allow", one, f"{ONE}/32", protocol="tcp", ports=[9001], priority=200)):
        assert "Packet filtered" in ping(one, NEIGHBOUR).stdout
        assert "Packet filtered" in ping(one, ONE).stdout
        assert reaches(one, ELSEWHERE)
        with far_echo(rig), TcpTransfer(one, ONE) as transfer:
            transfer.go_on()
            with far_echo(rig, 9002), pytest.raises(AssertionError, match="No route to host"):
                TcpTransfer(one, ONE, 9002)
            transfer.go_on()
            (route,) = opened_by(one, outside_routes(rig, one, "connection"))
            assert (route["protocol"], route["destination_port"]) == ("tcp", 9001)
            assert route["destination_address"] == ONE


@pytest.mark.parametrize("everything", [{}, EVERYTHING], ids=["{}", "0.0.0.0/0"])
def test_nothing_but_what_is_allowed(rig: Rig, everything: dict[str, str]) -> None:
    """With all denied, what exceptions allow goes out and comes in, and is answered; nothing else, inside or out."""
    one, other = rig.pair()
    with rules(
        rig,
        {"action": "deny", "source": everything, "destination": everything, "priority": 10},
        leaving("allow", one, "198.51.100.0/24", protocol="tcp"),
        leaving("allow", one, f"{other.ip}/32", protocol="icmp"),
    ):
        assert reaches(one, other.ip)
        assert not reaches(other, one.ip)
        assert not reaches(one, ONE)
        assert not reaches(rig["h1"], one.ip)
        assert reaches(one, "10.1.0.1"), "the gateway itself"
        with far_echo(rig), TcpTransfer(one, NEIGHBOUR) as transfer:
            transfer.go_on()
        with far_echo(rig), pytest.raises(AssertionError, match="No route to host"):
            TcpTransfer(one, ELSEWHERE)
        with TcpEcho(one), pytest.raises(AssertionError, match="No route to host"):
            TcpTransfer(rig.lab.controller, one.ip, 9001, NEIGHBOUR)
    assert reaches(one, ONE)


def test_a_new_rule_cuts_a_connection_and_no_other(rig: Rig) -> None:
    """A transfer through the gateway stops when a rule about its address is answered; others lose nothing."""
    one, other = rig.pair()
    with (
        far_echo(rig),
        far_echo(rig, 9002),
        TcpTransfer(one, ONE) as forbidden,
        TcpTransfer(other, ONE, 9002) as kept,
        Pinger(one, ELSEWHERE) as untouched,
    ):
        forbidden.go_on()
        kept.go_on()
        untouched.wait_for(5)
        with rules(rig, leaving("deny", one, "198.51.100.0/24", protocol="tcp", both_ways=True)) as [made]:
            assert led_to(made["cut"], one) == [ONE]
            assert made["unconfirmed"] == []
            assert not flows_between(rig["h1"], one.ip, ONE)
            untouched.wait_for(10)
            kept.go_on()
            assert len(opened_by(one, outside_routes(rig, one, "pair"))) == 1
        forbidden.go_on()
        assert untouched.stop() == []


def test_until(rig: Rig) -> None:
    """What a rule about addresses allows for a while is cut when that is over."""
    one = rig.add("h2")
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 4))
    with rules(rig, leaving("deny", one, "0.0.0.0/0", both_ways=True)), rig.watching() as wait_for:
        allowed = leaving("allow", one, f"{ONE}/32", protocol="tcp", priority=200, until=end)
        answer = rig.controller.post("/rules", allowed)
        assert answer.status == 201
        with far_echo(rig), TcpTransfer(one, ONE) as transfer:
            transfer.go_on()
            wait_for("rule.removed", rule=answer.body["id"])
            wait_for("route.closed", why="inventory changed")
            assert not flows_between(rig["h2"], one.ip, ONE, "cookie=0xda0104")
            assert opened_by(one, outside_routes(rig, one, "connection")) == []


def test_labels_and_groups(rig: Rig) -> None:
    """Who may reach the outside depends on labels and groups, and a change of either cuts at once."""
    one = rig.add("h1")
    with rules(rig, {"action": "deny", "source": {"label": "zone=closed"}, "destination": {"cidr": "198.51.0.0/16"}}):
        assert reaches(one, ONE)
        assert reaches(one, ELSEWHERE)
        cut = rig.post(one, labels={"zone": "closed"})["cut"]
        assert led_to(cut, one) == [ONE]
        assert not reaches(one, ONE)
        assert reaches(one, ELSEWHERE)
        rig.post(one, labels={})
        assert reaches(one, ONE)
    assert rig.controller.put("/groups/closed", {"networks": []}).status == 201
    try:
        with rules(rig, {"action": "deny", "source": {"group": "closed"}, "destination": {"cidr": f"{ONE}/32"}}):
            assert reaches(one, ONE)
            cut = rig.controller.put("/groups/closed", {"networks": [one.plan.network]}).body["cut"]
            assert ONE in led_to(cut, one)
            assert not reaches(one, ONE)
    finally:
        rig.controller.delete("/groups/closed")


# -- what enters


def entering(action: str, cidr: str, target: Endpoint, **fields: Any) -> dict[str, Any]:
    """Make a rule about what addresses open with an endpoint."""
    return {"action": action, "source": {"cidr": cidr}, "destination": {"endpoint": target.id}, **fields}


@pytest.mark.parametrize("where", ["h1", "h2"])
def test_who_may_come_in_by_a_published_port(rig: Rig, where: str) -> None:
    """By a port published on one host only allowed addresses come in, to a container here or there."""
    target, far = rig.add(where), rig.lab.controller
    with (
        rules(rig, entering("deny", "0.0.0.0/0", target), entering("allow", "203.0.113.0/24", target, priority=200)),
        published(rig["h1"], 8080, target, 9001),
        TcpEcho(target),
    ):
        with pytest.raises(AssertionError, match="No route to host"):
            TcpTransfer(far, rig["h1"].address, 8080, ONE)
        with TcpTransfer(far, rig["h1"].address, 8080, ELSEWHERE) as transfer:
            transfer.go_on()
            with rules(rig, entering("deny", f"{ELSEWHERE}/32", target, priority=300, both_ways=True)) as [made]:
                assert [route["source_address"] for route in made["cut"]] == [ELSEWHERE]
                assert made["unconfirmed"] == []
                assert not any(flows_between(rig[host], target.ip, ELSEWHERE) for host in ("h1", "h2"))
            transfer.go_on()


def test_who_came_in_is_not_cut_with_another(rig: Rig) -> None:
    """Of two clients of one published port a rule cuts the one that it names, and the other goes on."""
    first, second, far = rig.add("h2"), rig.add("h2"), rig.lab.controller
    with (
        published(rig["h1"], 8080, first, 9001),
        TcpEcho(first),
        TcpTransfer(far, rig["h1"].address, 8080, ONE) as cut,
        TcpEcho(second),
        TcpTransfer(far, second.ip, 9001, NEIGHBOUR) as kept,
        Pinger(second, ONE) as untouched,
    ):
        cut.go_on()
        kept.go_on()
        untouched.wait_for(5)
        named = {"source": {"cidr": f"{ONE}/32"}, "destination": {}, "both_ways": True}
        with rules(rig, {"action": "deny", "protocol": "tcp", **named}) as [made]:
            assert (ONE, first.id) in {(route["source_address"], route["destination"]) for route in made["cut"]}
            kept.go_on()
            untouched.wait_for(10)
        cut.go_on()
        assert untouched.stop() == []
