"""Policy on real Open vSwitch: what passes is what `GET /explain` says; a change is felt when it is answered."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.probing import Came, explained, probe, rules, serving
from tests.e2e.rig import Pinger, Rig, flows_between, live, number, reaches, running
from tests.e2e.traffic import TcpEcho, TcpTransfer
from tests.labs import require_lab

from daoli.lab import Endpoint, Place

pytestmark = pytest.mark.e2e

CONNECTION = "cookie=0xda0104"
PORTS = (80, 443, 5432, 8050)
ENDPOINTS, NETWORKS, RULES = 10, 3, 15


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Two hosts with ten endpoints each, on three networks."""
    require_lab()
    root = tmp_path_factory.mktemp("labs")
    flags = ("--idle-timeout", "10")
    with running(*flags, endpoints=ENDPOINTS, networks=NETWORKS, state_dir=root) as rig:
        yield rig


def endpoints(rig: Rig) -> list[Endpoint]:
    """All endpoints of the lab."""
    return [endpoint for host in rig.lab.hosts.values() for endpoint in host.endpoints.values()]


def random_rules(draw: random.Random, everybody: list[Endpoint], networks: list[str]) -> list[dict[str, Any]]:
    """Rules about what there is."""
    selectors: list[dict[str, str]] = [{}, {"group": "both"}, {"cidr": everybody[0].ip + "/32"}]
    selectors += [{"network": name} for name in networks]
    selectors += [{"label": f"app={name}"} for name in "abc"]
    selectors += [{"endpoint": endpoint.id} for endpoint in draw.sample(everybody, 4)]
    made = []
    for _ in range(RULES):
        protocol = draw.choice((None, "tcp", "tcp", "udp", "icmp"))
        body: dict[str, Any] = {
            "action": draw.choice(("allow", "deny")),
            "source": draw.choice(selectors),
            "destination": draw.choice(selectors),
            "priority": draw.choice((50, 100, 100, 200)),
            "both_ways": draw.random() < 0.3,
        }
        if protocol:
            body["protocol"] = protocol
        if protocol in ("tcp", "udp") and draw.random() < 0.7:
            body["ports"] = draw.sample([80, "400-500", 5432, "8000-8100"], 2)
        made.append(body)
    return made


def test_what_gets_through_is_what_explain_says(town: Rig) -> None:
    """Twenty endpoints, each tries all others by TCP and UDP on four ports, and by ping: what is allowed passes."""
    draw = random.Random(20)
    everybody = endpoints(town)
    networks = sorted({endpoint.plan.network for endpoint in everybody})
    for endpoint in everybody:
        town.post(endpoint, labels={"app": draw.choice("abc")})
    answer = town.controller.put("/groups/both", {"networks": networks[:2]})
    assert answer.status == 201, answer
    listeners: dict[Place, list[str]] = {endpoint: [endpoint.ip] for endpoint in everybody}
    with rules(town, *random_rules(draw, everybody, networks)), serving(listeners, PORTS):
        came = probe_all(everybody)
        said = {what for source in everybody for what in explained(town, source, everybody, PORTS)}
    town.controller.delete("/groups/both")
    assert len(said) > 100
    assert came - said == set()
    assert said - came == set()


def probe_all(everybody: list[Endpoint]) -> set[Came]:
    """Who reaches whom by what."""
    addresses = [endpoint.ip for endpoint in everybody]
    return {came for source in everybody for came in probe(source, source.ip, addresses, PORTS)}


# -- changes


def between(one: Endpoint, other: Endpoint, action: str, **fields: Any) -> dict[str, Any]:
    """A rule about what one endpoint opens with another."""
    return {"action": action, "source": {"endpoint": one.id}, "destination": {"endpoint": other.id}, **fields}


def test_a_rule_stops_what_it_forbids_and_nothing_else(rig: Rig) -> None:
    """A transfer that a new rule forbids is cut when the request is answered; who it does not name loses no packet."""
    one, other = rig.pair()
    friend = rig.add("h2")
    with TcpEcho(other), TcpTransfer(one, other.ip) as forbidden, Pinger(one, friend.ip) as untouched:
        forbidden.go_on()
        untouched.wait_for(5)
        with rules(rig, between(one, other, "deny", protocol="tcp", both_ways=True)) as [made]:
            assert {(route["source"], route["destination"]) for route in made["cut"]} == {(one.id, other.id)}
            assert made["unconfirmed"] == []
            assert not any(flows_between(rig[host], one.ip, other.ip) for host in ("h1", "h2"))
            untouched.wait_for(20)
            assert reaches(one, other.ip)
            packets = sum(int(number(flow, "n_packets")) for flow in live(rig["h2"], CONNECTION, stats=True))
            assert packets <= 4  # the ping's, and its answer's
        forbidden.go_on()  # what was only held up goes on when the rule has gone
        assert untouched.stop() == []


def test_only_one_side_may_open(rig: Rig) -> None:
    """Where one may open a port of the other, the flows of the answers want an ACK, and the other cannot open."""
    one, other = rig.pair()
    forbidden = between(one, other, "deny", both_ways=True)
    with rules(rig, forbidden, between(one, other, "allow", protocol="tcp", ports=[9001], priority=200)):
        assert not reaches(one, other.ip)
        with TcpEcho(other), TcpTransfer(one, other.ip) as transfer:
            transfer.go_on()
            found = [flow for host in ("h1", "h2") for flow in flows_between(rig[host], one.ip, other.ip, CONNECTION)]
            assert len(found) == 4
            assert sum("tcp_flags=+ack" in flow for flow in found) == 2
        with TcpEcho(one, 9002), pytest.raises(AssertionError, match=r"refused|unreachable|No route"):
            TcpTransfer(other, one.ip, 9002)


def test_a_restarted_controller_keeps_what_is_allowed(rig: Rig) -> None:
    """Connections that policy allows are adopted, answers and all, and what it forbids by now is removed."""
    one, other = rig.pair()
    forbidden = between(one, other, "deny", both_ways=True)
    allowed = between(one, other, "allow", protocol="tcp", ports=[9001], priority=200)
    with rules(rig, forbidden, allowed), TcpEcho(other), TcpTransfer(one, other.ip) as transfer:
        transfer.go_on()
        before = {number(flow, "cookie") for flow in flows_between(rig["h1"], one.ip, other.ip, CONNECTION)}
        rig.controller.kill()
        transfer.go_on()
        rig.controller.start()
        rig.wait_settled()
        transfer.go_on()
        assert {number(f, "cookie") for f in flows_between(rig["h1"], one.ip, other.ip, CONNECTION)} == before
        [route] = [route for route in rig.get("/routes")["routes"] if route["destination_port"] or 0]
        assert {route["source"], route["destination"]} == {one.id, other.id}
        assert route["rule"] is not None


def test_labels_and_groups(rig: Rig) -> None:
    """A change of a label or a group cuts what it forbids, and is answered with the list."""
    one, other = rig.pair()
    rig.post(other, labels={"app": "db"})
    assert reaches(one, other.ip)
    with rules(rig, {"action": "deny", "destination": {"label": "app=closed"}}) as [made]:
        assert made["destination_matches"] == 0
        assert {(r["source"], r["destination"]) for r in rig.post(other, labels={"app": "closed"})["cut"]} == {
            (one.id, other.id)
        }
        assert not reaches(one, other.ip)
        rig.post(other, labels={})
        assert reaches(one, other.ip)
    far = rig.add("h2", "dnet2")
    assert not reaches(one, far.ip)
    networks = [one.plan.network, far.plan.network]
    assert rig.controller.put("/groups/both", {"networks": networks}).status == 201
    assert reaches(one, far.ip)
    [route] = rig.controller.delete("/groups/both").body["cut"]
    assert {route["source"], route["destination"]} == {one.id, far.id}
    assert not reaches(one, far.ip)


def test_until(rig: Rig) -> None:
    """A rule ends when its time has come, with nobody asking, and what it allowed is cut."""
    one, other = rig.pair()
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
    with rules(rig, between(one, other, "deny")), rig.watching() as wait_for:
        answer = rig.controller.post("/rules", between(one, other, "allow", priority=200, until=end))
        assert answer.status == 201
        assert reaches(one, other.ip)
        wait_for("rule.removed", rule=answer.body["id"])
        assert not reaches(one, other.ip)


def test_dry_run(rig: Rig) -> None:
    """What a rule would cut is said, and nothing is cut or written."""
    one, other = rig.pair()
    with Pinger(one, other.ip) as pinger:
        pinger.wait_for(3)
        answer = rig.controller.post("/rules?dry_run=true", between(one, other, "deny"))
        assert (answer.status, len(answer.body["cut"])) == (200, 1)
        assert rig.get("/rules")["rules"] == []
        pinger.wait_for(5)
        assert pinger.stop() == []
