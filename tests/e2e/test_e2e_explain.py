"""Explanations on real switches: what is said to be live, or in the way, is so; and what is suggested works."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.docker_rig import DockerRig
from tests.e2e.gateways import OUTSIDE, gateways, outside_routes, published
from tests.e2e.probing import rules
from tests.e2e.rig import PAIR, PATIENCE, Pinger, Rig, flows_between, live, normal, number, ping, reaches
from tests.e2e.sandbox import Sandbox, ask, make_network
from tests.e2e.traffic import TcpEcho, TcpTransfer
from tests.labs import require_lab

from daoli.lab import Endpoint, Host, wait_until
from daoli.lab.plan import OUTSIDE_ADDRESS

pytestmark = pytest.mark.e2e

CONNECTION = "cookie=0xda0104"
PORT = 9001


@pytest.fixture(scope="module")
def open_rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Two hosts that are gateways, with a network."""
    require_lab()
    with gateways("--idle-timeout", "3", state_dir=tmp_path_factory.mktemp("labs")) as rig:
        yield rig
        rig.clean()


def explain(rig: Rig, source: str, destination: str, **fields: Any) -> dict[str, Any]:
    """What the controller says of a packet."""
    query = "".join(f"&{name}={value}" for name, value in fields.items())
    said: dict[str, Any] = rig.get(f"/explain?source={source}&destination={destination}{query}")
    return said


def daolictl(rig: Rig, *words: str) -> str:
    """What the command line says, where the controller is."""
    command = [sys.executable, "-m", "daoli.cli", *words, "--controller", f"unix:{rig.controller.socket}"]
    return rig.lab.controller.exec(command, timeout=20, cwd="/").stdout


def suggested(rig: Rig, *words: str) -> list[str]:
    """The commands of the first change that would allow something."""
    lines = daolictl(rig, "explain", *words, "--why-not").splitlines()
    first = next(index for index, line in enumerate(lines) if line.startswith("change:"))
    found = []
    for line in lines[first + 1 :]:
        if not line.startswith("    "):
            break
        found.append(line.strip())
    return found


def follow(rig: Rig, commands: list[str]) -> None:
    """Type what was suggested."""
    for command in commands:
        daolictl(rig, *shlex.split(command)[1:])


def dumped(host: Host, one: str, other: str, kind: str) -> dict[str, int]:
    """What a host's flows of two addresses count, as `ovs-ofctl dump-flows` says, in the API's words."""
    counts: dict[str, int] = {}
    for flow in flows_between(host, one, other, kind):
        back = "_back" if number(flow, "nw_src") == other else ""
        counts |= {f"packets{back}": int(number(flow, "n_packets")), f"bytes{back}": int(number(flow, "n_bytes"))}
    return counts


def agrees(rig: Rig, one: Endpoint, other: Endpoint, kind: str, said: dict[str, Any], least: int) -> bool:
    """Whether both hosts count of the only live route what was said, and have seen so many packets."""
    (route,) = said["routes"]
    counted = {counts.pop("host"): counts for counts in route["counters"]}
    assert all(counts.pop("problem") is None for counts in counted.values()), counted
    assert set(counted) == {"h1", "h2"}
    found = {name: dumped(rig[name], one.ip, other.ip, kind) for name in counted}
    return counted == found and all(size >= least for counts in found.values() for size in counts.values())


def test_counters_of_a_pair(rig: Rig) -> None:
    """What both hosts are said to count of a live route is what their dumps show, in both directions."""
    one, other = rig.pair()
    assert "12 received" in ping(one, other.ip, "-c12", "-i0.01").stdout

    def same() -> bool:
        assert reaches(one, other.ip)  # or the route would idle out
        said = explain(rig, one.id, other.id)
        return said["live_route"] == said["routes"][0]["route"]["id"] and agrees(rig, one, other, PAIR, said, 12)

    wait_until(same, PATIENCE, what="equal counters")


def test_counters_of_a_connection(rig: Rig) -> None:
    """Of connections those are told that were asked about, by whichever end is asked first."""
    one, other = rig.pair()
    ssh = {"action": "deny", "protocol": "tcp", "ports": [22], "destination": {"endpoint": other.id}}
    with rules(rig, ssh), TcpEcho(other), TcpTransfer(one, other.ip) as transfer:
        transfer.go_on()
        assert reaches(one, other.ip)

        def same() -> bool:
            transfer.go_on(1)
            said = explain(rig, one.id, other.id, protocol="tcp", port=PORT)
            (route,) = (each["route"] for each in said["routes"])
            assert (route["protocol"], route["destination_port"], said["routes_total"]) == ("tcp", PORT, 1)
            flows = {name: len(flows_between(rig[name], one.ip, other.ip, CONNECTION)) for name in ("h1", "h2")}
            return all(flows.values()) and route["packets"] is not None and route["bytes"] > 10_000

        wait_until(same, PATIENCE, what="the connection's counters")
        assert explain(rig, one.id, other.id, protocol="tcp", port=80)["routes"] == []
        assert {each["route"]["protocol"] for each in explain(rig, other.id, one.id)["routes"]} >= {"tcp"}


def test_port_down(rig: Rig) -> None:
    """A container's interface that is down is told as its datapath reports it, until it is up again."""
    one, other = rig.pair()
    assert explain(rig, one.id, other.id)["destination_end"]["link"] == "up"
    other.exec(["ip", "link", "set", "eth0", "down"])
    wait_until(lambda: explain(rig, one.id, other.id)["problems"], PATIENCE, what="the link's end")
    said = explain(rig, one.id, other.id, why_not="true")
    assert (said["allowed"], said["deliverable"], said["flows"]) == (True, False, [])
    assert said["problems"] == [f"port {other.port} of {other.id} on host h2 is down"]
    assert said["destination_end"]["link"] == "down"
    assert said["why_not"]["remedies"] == []
    assert f"ip link set {other.port} up" in said["why_not"]["besides"][0]
    other.exec(["ip", "link", "set", "eth0", "up"])
    wait_until(lambda: explain(rig, one.id, other.id)["deliverable"], PATIENCE, what="the link")
    assert reaches(one, other.ip)


def test_port_deleted(rig: Rig) -> None:
    """A port that is gone from its bridge is told, with what to do about it."""
    one, other = rig.pair()
    rig["h2"].vsctl("del-port", "daoli", other.port)
    wait_until(lambda: explain(rig, one.id, other.id)["problems"], PATIENCE, what="the port's end")
    said = daolictl(rig, "explain", one.id, other.id, "--why-not")
    assert f"problem:   port {other.port} of {other.id} is not on host h2\n" in said
    assert f"ovs-vsctl add-port daoli {other.port}" in said
    rig["h2"].vsctl("add-port", "daoli", other.port)
    wait_until(lambda: explain(rig, one.id, other.id)["deliverable"], PATIENCE, what="the port")
    assert reaches(one, other.ip)


def test_host_disconnected(rig: Rig) -> None:
    """Of a host that is away nothing is counted, and it is said; the other one's counters are told all the same."""
    one, other = rig.pair()
    with Pinger(one, other.ip) as pinger:
        pinger.wait_for(5)
        controller = rig["h2"].vsctl("get-controller", "daoli").strip()
        rig["h2"].vsctl("del-controller", "daoli")
        wait_until(lambda: explain(rig, one.id, other.id)["problems"], PATIENCE, what="the host's leave")
        said = explain(rig, one.id, other.id)
        assert said["problems"] == ["host h2 is not connected"]
        assert (said["destination_end"]["connected"], said["destination_end"]["port_no"]) == (False, None)
        here, there = said["routes"][0]["counters"]
        assert (here["host"], here["problem"], here["packets"] > 0) == ("h1", None, True)
        assert (there["host"], there["problem"], there["packets"]) == ("h2", "host h2 is not connected", None)
        rig["h2"].vsctl("set-controller", "daoli", controller)
        rig.wait_settled("h2")
    wait_until(lambda: explain(rig, one.id, other.id)["deliverable"], PATIENCE, what="the host")


def test_suggestion_opens_just_that(rig: Rig) -> None:
    """The suggested command, typed, lets the connection through, and nothing else between the two."""
    one, foreign = rig.add("h1", "dnet1"), rig.add("h2", "dnet2")
    commands = suggested(rig, one.id, foreign.id, f"{PORT}/tcp")
    (command,) = commands
    assert command.endswith(f"--proto tcp --port {PORT} --priority 0")
    with TcpEcho(foreign):
        follow(rig, commands)
        try:
            with TcpTransfer(one, foreign.ip) as transfer:
                transfer.go_on(3)
            assert not reaches(one, foreign.ip)
            assert not explain(rig, one.id, foreign.id, protocol="tcp", port=PORT + 1)["allowed"]
        finally:
            for rule in rig.get("/rules")["rules"]:
                rig.delete(f"/rules/{rule['id']}")


@pytest.mark.parametrize("priority", [300, 65535])
def test_suggestion_against_a_denial(rig: Rig, priority: int) -> None:
    """Above a denial a rule is suggested; at the highest priority that it goes; either way the ping then comes back."""
    one, other = rig.pair()
    denial = {"id": "no", "action": "deny", "destination": {"endpoint": other.id}, "priority": priority}
    with rules(rig, denial):
        assert not reaches(one, other.ip)
        commands = suggested(rig, one.id, other.id, "icmp")
        if priority == 300:
            assert commands[0].endswith("--proto icmp --priority 301")
        else:
            assert commands == ["daolictl rule rm no"]
        follow(rig, commands)
        try:
            assert reaches(one, other.ip)
        finally:
            for rule in rig.get("/rules")["rules"]:
                rig.delete(f"/rules/{rule['id']}")


def test_suggested_group(rig: Rig) -> None:
    """Two networks in the suggested group talk."""
    one, foreign = rig.add("h1", "dnet1"), rig.add("h2", "dnet2")
    remedies = explain(rig, one.id, foreign.id, why_not="true")["why_not"]["remedies"]
    (step,) = remedies[1]["steps"]
    answer = rig.controller.put(step["path"], step["body"])
    assert answer.status == 201, answer
    try:
        assert reaches(one, foreign.ip)
    finally:
        rig.delete(step["path"])


def test_leaving(open_rig: Rig) -> None:
    """What leaves by the gateway is explained as it happens, by rules about addresses and what is suggested against."""
    rig, one = open_rig, open_rig.add("h1")
    said = explain(rig, one.id, OUTSIDE)
    assert (said["allowed"], said["problems"], said["path"]) == (True, [], ["h1"])
    assert (said["reason"], said["destination"]) == ("outside, by a host", None)
    assert reaches(one, OUTSIDE)
    (route,) = outside_routes(rig, one, "pair")
    assert explain(rig, one.id, OUTSIDE)["live_route"] == route["id"]
    with rules(rig, {"id": "no", "action": "deny", "destination": {"cidr": "10.254.0.0/24"}}):
        denied = explain(rig, one.id, OUTSIDE, protocol="icmp")
        assert (denied["allowed"], denied["rule"]) == (False, "no")
        assert not reaches(one, OUTSIDE)
        commands = suggested(rig, one.id, OUTSIDE, "icmp")
        assert f"--to cidr:{OUTSIDE}/32 --proto icmp" in commands[0]
        follow(rig, commands)
        try:
            assert reaches(one, OUTSIDE)
            assert not reaches(one, rig["h2"].address), "another address there"
        finally:
            for rule in rig.get("/rules")["rules"]:
                rig.delete(f"/rules/{rule['id']}")


def test_leaving_installs_what_is_planned(open_rig: Rig) -> None:
    """The flows that an explanation of what leaves plans are those that the first packet brings."""
    rig, one = open_rig, open_rig.add("h1")
    said = explain(rig, one.id, OUTSIDE)
    assert reaches(one, OUTSIDE)
    found = [flow for flow in live(rig["h1"]) if {number(flow, "nw_src"), number(flow, "nw_dst")} == {one.ip, OUTSIDE}]
    assert len(found) == 2
    assert normal(found) == normal(flow["flow"] for flow in said["flows"])


def test_entering(open_rig: Rig) -> None:
    """What enters by a host for a container of another is explained, live and denied, as it happens."""
    rig, other = open_rig, open_rig.add("h2")
    asked: dict[str, Any] = {"protocol": "tcp", "port": PORT, "via": "h1"}
    said = explain(rig, OUTSIDE, other.id, **asked)
    assert (said["allowed"], said["problems"], said["path"]) == (True, [], ["h1", "h2"])
    assert (said["source"], said["source_address"], said["granularity"]) == (None, OUTSIDE, "connection")
    entry = rig["h1"].address
    with published(rig["h1"], 8080, other, PORT), TcpEcho(other):
        with TcpTransfer(rig.lab.controller, entry, 8080) as transfer:
            transfer.go_on()
            (route,) = explain(rig, OUTSIDE, other.id, **asked)["routes"]
            assert [counts["host"] for counts in route["counters"]] == ["h1", "h2"]
            assert all(counts["packets"] is not None for counts in route["counters"])
        with rules(rig, {"id": "no", "action": "deny", "source": {"cidr": f"{OUTSIDE}/32"}}):
            assert explain(rig, OUTSIDE, other.id, **asked)["rule"] == "no"
            in_vain = rig.lab.controller.exec(["curl", "-sS", "-m2", f"http://{entry}:8080/"], check=False)
            assert in_vain.returncode in (7, 28), in_vain
    assert explain(rig, OUTSIDE, other.id)["path"] == ["h2"]


def test_entering_installs_what_is_planned(open_rig: Rig) -> None:
    """The flows that are planned for what a host itself sends to a container elsewhere are those that come."""
    rig, other = open_rig, open_rig.add("h2")
    said = explain(rig, rig["h1"].address, other.id, protocol="icmp")
    assert said["path"] == ["h1", "h2"]
    assert reaches(rig["h1"], other.ip)
    for name in said["path"]:
        found = [flow for flow in live(rig[name], CONNECTION) if other.ip in flow]
        assert normal(found) == normal(flow["flow"] for flow in said["flows"] if flow["host"] == name)


def test_names_of_nobody(open_rig: Rig) -> None:
    """An address inside a network that nobody has is told so, as are the gateway and two that are outside."""
    one = open_rig.add("h1")
    for destination, status in (("10.1.0.250", 404), ("10.1.0.1", 404), ("239.0.0.1", 422)):
        answer = open_rig.controller.get(f"/explain?source={one.id}&destination={destination}")
        assert (answer.status, answer.body["field"]) == (status, "destination")
    answer = open_rig.controller.get(f"/explain?source=192.0.2.1&destination={OUTSIDE}")
    assert (answer.status, answer.body["field"]) == (422, "destination")


# -- Docker hosts


@pytest.mark.timeout(180)
def test_names_resolve_as_said(docker_rig: DockerRig) -> None:
    """A name is said to resolve where a container finds it, with its namesakes; and else why it does not."""
    make_network(docker_rig, "blue", "--subnet", "10.1.0.0/24")
    make_network(docker_rig, "green", "--subnet", "10.2.0.0/24")
    web = docker_rig.run("h1", "web", "--network", "blue")
    db = docker_rig.run("h2", "db", "--network", "blue", "--network-alias", "shared")
    twin = docker_rig.run("h3", "twin", "--network", "blue", "--network-alias", "shared")
    far = docker_rig.run("h3", "far", "--network", "green")
    sandbox = Sandbox(web)

    def known(name: str) -> set[str]:
        return set(ask(sandbox, "127.0.0.11", name, "--timeout", "0.5").get("answers") or ())

    def names(destination: str) -> dict[str, Any]:
        found: dict[str, Any] = docker_rig.get(f"/explain?source=web&destination={destination}")["names"]
        return found

    def resolved() -> bool:
        try:
            return bool(names("db")["also"])
        except AssertionError:
            return False  # its agent has not told of it yet

    wait_until(resolved, PATIENCE, what="both in the inventory")
    said = names("db")
    assert {"db", "shared", "db.blue", "shared.blue"} <= set(said["names"])
    own, other = db.address("blue"), twin.address("blue")
    assert said["also"] == [other]
    for name in said["names"]:
        assert known(name) == ({own, other} if name.startswith("shared") else {own}), name
    refused = names("far")
    assert (refused["resolves"], refused["reason"]) == (
        False,
        "web is not on network green, and sees names of its own only",
    )
    assert not known("far")
    docker_rig["h1"].docker("network", "connect", "green", "web")
    wait_until(lambda: docker_rig.lab.api.get("/explain?source=web&destination=far").status == 422, PATIENCE)
    endpoints = docker_rig.get("/endpoints?network=blue")["endpoints"]
    (blue,) = (endpoint["id"] for endpoint in endpoints if endpoint["name"] == "web")
    both = docker_rig.get(f"/explain?source={blue}&destination=far")["names"]
    assert both["resolves"], both
    assert known("far") == {far.address("green")}
    docker_rig["h2"].docker("stop", "-t0", "db")
    wait_until(lambda: docker_rig.lab.api.get(f"/explain?source={blue}&destination=db").status == 404, PATIENCE)


@pytest.mark.timeout(180)
def test_internal_network_needs_more_than_policy(docker_rig: DockerRig) -> None:
    """From an internal network nothing leaves, whatever the rules are; so no rule is suggested."""
    make_network(docker_rig, "inner", "--subnet", "10.7.0.0/24", "--internal")
    box = docker_rig.run("h1", "box", "--network", "inner")
    path = f"/explain?source=box&destination={OUTSIDE_ADDRESS}&protocol=icmp&why_not=true"
    wait_until(lambda: docker_rig.lab.api.get(path).status == 200, PATIENCE, what="the endpoint")
    said = docker_rig.get(path)
    drops = "network inner is internal: an agent on host h1 drops what leaves it, whatever the rules are"
    assert (said["reason"], said["problems"]) == ("internal network", [drops])
    assert said["why_not"]["remedies"] == []
    assert said["why_not"]["besides"][0].startswith(drops)
    rule = {"action": "allow", "source": {"endpoint": "box"}, "destination": {"cidr": f"{OUTSIDE_ADDRESS}/32"}}
    made = docker_rig.lab.api.post("/rules", rule)
    assert made.status == 201, made
    try:
        said = docker_rig.get(path)
        assert (said["allowed"], said["deliverable"], said["problems"]) == (True, False, [drops])
        assert said["why_not"]["said"] == "policy allows it, but something is in the way"
        assert not box.reaches(OUTSIDE_ADDRESS)
    finally:
        docker_rig.lab.api.delete(f"/rules/{made.body['id']}")


@pytest.mark.timeout(180)
def test_a_host_with_an_agent_lets_in_what_is_published(docker_rig: DockerRig) -> None:
    """What comes from outside is said to arrive where a published port leads, and else not for certain: it does not."""
    make_network(docker_rig, "blue", "--subnet", "10.1.0.0/24")
    docker_rig.run("h1", "web", "--network", "blue")
    path = f"/explain?source={OUTSIDE_ADDRESS}&destination=web&protocol=tcp&port=80&why_not=true"
    wait_until(lambda: docker_rig.lab.api.get(path).status == 200, PATIENCE, what="the endpoint")
    said = docker_rig.get(path)
    assert (said["allowed"], said["deliverable"]) == (True, None)
    assert said["problems"][0].startswith("no published port that the controller knows leads there by host h1")
    assert said["why_not"]["said"] == "policy allows it, but something may be in the way"
    made = docker_rig.lab.api.post("/publish", {"port": 8099, "target": "web", "target_port": 80})
    assert made.status == 201, made
    try:
        said = docker_rig.get(path)
        assert (said["deliverable"], said["problems"]) == (True, [])
        assert [port["port"] for port in said["published"]] == [8099]
    finally:
        docker_rig.lab.api.delete(f"/publish/{made.body['id']}")


@pytest.mark.timeout(180)
def test_a_disconnect_by_id_outlives_a_restart(docker_rig: DockerRig) -> None:
    """Whoever is disconnected by an endpoint's id stays so when Docker gives it another; connect ends it."""
    make_network(docker_rig, "blue", "--subnet", "10.1.0.0/24")
    one, other = (docker_rig.run(host, name, "--network", "blue") for host, name in (("h1", "one"), ("h2", "other")))

    def ids() -> dict[str, str]:
        return {each["name"]: each["id"] for each in docker_rig.get("/endpoints?network=blue")["endpoints"]}

    def ctl(*words: str) -> str:
        return str(docker_rig.lab.controller.exec([sys.executable, "-m", "daoli.cli", *words]).stdout)

    wait_until(lambda: {"one", "other"} <= ids().keys(), PATIENCE, what="both endpoints")
    before = ids()
    rule_id = ctl("disconnect", before["one"][:12], before["other"], "-o", "name").strip()
    try:
        assert not one.reaches(other.address("blue"))
        docker_rig["h1"].docker("restart", "-t0", "one")
        wait_until(lambda: ids().get("one", before["one"]) != before["one"], PATIENCE, what="another id")
        assert not one.reaches(other.address("blue"))
        assert " yes" in next(line for line in ctl("rule", "ls").splitlines() if rule_id in line)
        assert " replaced: allow " in ctl("connect", "other", "one")
        wait_until(lambda: one.reaches(other.address("blue")), PATIENCE, what="the connection")
    finally:
        ctl("rule", "rm", rule_id)
