"""Probes to the outside, through the firewalls of real hosts: what is said is what a ping finds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from tests.e2e.docker_rig import PATIENCE, Container, DockerRig
from tests.e2e.rig import Capture
from tests.e2e.sandbox import Sandbox, make_network
from tests.e2e.test_e2e_trace import planted

from daoli.lab import DockerHost, wait_until
from daoli.lab.plan import OUTSIDE_ADDRESS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

BOUND = 4.0
"""Seconds in which a trace is over if no agent answers; two of them are for the agent."""
PROBE = "ip[8] = 1"
"""By its TTL one tells it on the wire: a container's other packets have more."""
OUR_JUMP = ("iptables", "-D", "FORWARD", "-j", "DAOLI-FORWARD")
FORWARD_MINE = (
    "add table inet mine; add chain inet mine f { type filter hook forward priority 10; }; "
    f"add rule inet mine f ip daddr {OUTSIDE_ADDRESS} drop"
)


Commands = tuple[tuple[str, ...], tuple[str, ...]]
"""One that makes something, and one that undoes it."""


class Obstacle(NamedTuple):
    """What keeps packets from leaving, how it is made and undone, and what is to be said of it."""

    make: tuple[str, ...]
    undo: tuple[str, ...]
    table: str | None
    chain: str | None
    reason: str


def rule(chain: str, target: str, *, table: str = "filter", program: str = "iptables") -> Commands:
    """Insert a rule against the machine outside, and delete it again."""
    words = (chain, "-d", OUTSIDE_ADDRESS, "-j", target)
    return (program, "-w", "-t", table, "-I", *words), (program, "-w", "-t", table, "-D", *words)


OBSTACLES = {
    "DOCKER-USER": Obstacle(*rule("DOCKER-USER", "DROP"), "ip filter", "DOCKER-USER", f"{OUTSIDE_ADDRESS} drop"),
    "reject": Obstacle(*rule("FORWARD", "REJECT"), "ip filter", "FORWARD", f"{OUTSIDE_ADDRESS} reject"),
    "raw": Obstacle(*rule("PREROUTING", "DROP", table="raw"), "ip raw", "PREROUTING", f"{OUTSIDE_ADDRESS} drop"),
    "late": Obstacle(*rule("POSTROUTING", "DROP", table="mangle"), "ip mangle", "POSTROUTING", "drop"),
    "nft": Obstacle(
        ("nft", FORWARD_MINE), ("nft", "delete", "table", "inet", "mine"), "inet mine", "f", f"{OUTSIDE_ADDRESS} drop"
    ),
    "legacy": Obstacle(
        *rule("FORWARD", "DROP", program="iptables-legacy"), None, None, "cannot see legacy iptables rules"
    ),
    "no-route": Obstacle(
        ("ip", "route", "add", "unreachable", OUTSIDE_ADDRESS),
        ("ip", "route", "del", "unreachable", OUTSIDE_ADDRESS),
        None,
        None,
        "the kernel does not route it (RTNETLINK answers: No route to host)",
    ),
}


@pytest.fixture
def rig(docker_rig: DockerRig) -> Iterator[DockerRig]:
    """Lend the Docker hosts with a network `blue`; in the end no host has a table of a trace."""
    make_network(docker_rig, "blue", "--subnet", "10.1.0.0/24")
    yield docker_rig
    for host in docker_rig.lab.hosts.values():
        wait_until(lambda host=host: not traced(host), PATIENCE, what="the end of the trace")  # type: ignore[misc]


def traced(host: DockerHost) -> bool:
    """Whether a table of a trace is there."""
    return "daoli_trace" in host.exec(["nft", "list", "tables"]).stdout


def run(rig: DockerRig, host: str, name: str, *options: str) -> Container:
    """Run a container, and wait until the controller knows it."""
    container = rig.run(host, name, "--network", "blue", *options)
    wait_until(lambda: name in {each["name"] for each in rig.get("/endpoints")["endpoints"]}, PATIENCE)
    return container


def trace(rig: DockerRig, source: str, destination: str, **fields: Any) -> dict[str, Any]:
    """What a probe finds."""
    answer = rig.lab.api.post("/trace", {"source": source, "destination": destination, **fields})
    assert answer.status == 200, answer
    body: dict[str, Any] = answer.body
    return body


@contextmanager
def in_the_way(host: DockerHost, obstacle: Obstacle) -> Iterator[None]:
    """Put an obstacle in the way."""
    host.exec(obstacle.make)
    try:
        yield
    finally:
        host.exec(obstacle.undo)


@pytest.mark.parametrize("packet", [{}, {"protocol": "tcp", "port": 443}, {"protocol": "udp", "port": 53}])
@pytest.mark.parametrize("live", [False, True], ids=["no-route", "live-route"])
def test_leaves(rig: DockerRig, packet: dict[str, Any], live: bool) -> None:
    """A packet that gets out is said to, with the interface and what NAT makes of it; nobody outside hears of it."""
    web = run(rig, "h1", "web")
    h1 = rig["h1"]

    def tried() -> dict[str, Any] | None:
        """A trace by a route that has not idled out meanwhile, or by none."""
        if live:
            assert web.reaches(OUTSIDE_ADDRESS)
        found = trace(rig, "web", OUTSIDE_ADDRESS, **packet)
        return found if any(step["flow"] for step in found["steps"]) is live else None

    with Capture(rig.lab.outside, PROBE, "and", "src", h1.address) as outside:
        found = wait_until(tried, PATIENCE, what="the trace")
        assert outside.stop() == []
    assert found is not None
    assert (found["arrived"], found["stopped_at"]) == (True, None), found
    assert f"to leave by eth0 as {h1.address} > {OUTSIDE_ADDRESS};" in found["reason"]
    assert ("ip filter", "DOCKER-USER") in {(step["table"], step["chain"]) for step in found["steps"]}
    assert not traced(h1)
    noted = h1.exec(["conntrack", "-L", "--src", web.address("blue"), "--orig-port-src", "49152"], check=False).stdout
    assert noted == ""


@pytest.mark.parametrize("obstacle", OBSTACLES.values(), ids=OBSTACLES)
def test_obstacle(rig: DockerRig, obstacle: Obstacle) -> None:
    """What keeps a ping from leaving keeps the probe too, and is named; once it is gone both leave."""
    web = run(rig, "h1", "web")
    with in_the_way(rig["h1"], obstacle):
        found = trace(rig, "web", OUTSIDE_ADDRESS)
        assert not web.reaches(OUTSIDE_ADDRESS)
        again = trace(rig, "web", OUTSIDE_ADDRESS)
    for one in (found, again):
        assert (one["arrived"], one["stopped_at"]) == (False, "h1"), one
        assert obstacle.reason in one["reason"]
        if obstacle.table:
            last = one["steps"][-1]
            assert (last["table"], last["chain"]) == (obstacle.table, obstacle.chain)
            assert last["rule"] in one["reason"]
    wait_until(lambda: web.reaches(OUTSIDE_ADDRESS), PATIENCE, what="the way out")
    assert trace(rig, "web", OUTSIDE_ADDRESS)["arrived"]


def test_docker_drops_the_rest(rig: DockerRig) -> None:
    """Where our rule is not there Docker's policy of FORWARD drops the packet, until the agent has put it back."""
    web, h1 = run(rig, "h1", "web"), rig["h1"]

    def dropped() -> str:
        h1.exec(OUR_JUMP, check=False)
        found = trace(rig, "web", OUTSIDE_ADDRESS)
        return "" if found["arrived"] else str(found["reason"])

    reason = wait_until(dropped, PATIENCE, what="a trace before the rule is back")
    assert reason == "dropped on host h1 by the policy of chain FORWARD of table ip filter"
    wait_until(lambda: trace(rig, "web", OUTSIDE_ADDRESS)["arrived"], 2 * PATIENCE, what="our rule")
    assert web.reaches(OUTSIDE_ADDRESS)


def test_command_line(rig: DockerRig) -> None:
    """`daolictl trace` shows the rule, and its exit code says that the packet is lost."""
    run(rig, "h1", "web")
    with in_the_way(rig["h1"], OBSTACLES["DOCKER-USER"]):
        done = rig.lab.controller.exec(["daolictl", "trace", "web", OUTSIDE_ADDRESS, "443/tcp"], check=False)
    assert done.returncode == 1
    *_, step, shown, end = done.stdout.splitlines()
    assert step.endswith(". h1: ip filter DOCKER-USER: by rule: drop")
    assert shown == f"     ip daddr {OUTSIDE_ADDRESS} drop"
    assert end.startswith(f"web > {OUTSIDE_ADDRESS} 443/tcp: lost at h1: dropped on host h1 by chain DOCKER-USER")


def test_the_host_itself(rig: DockerRig) -> None:
    """An address of the host is the host's own, unless a port there leads to a container; its INPUT has a say."""
    web, h1 = run(rig, "h1", "web", "-p", "8080:80"), rig["h1"]
    run(rig, "h1", "box")
    assert f"takes it for itself, as {h1.address}" in trace(rig, "box", h1.address)["reason"]
    led = trace(rig, "box", h1.address, protocol="tcp", port=8080)
    assert f"to leave by daoli as {h1.address} > {web.address('blue')};" in led["reason"]
    h1.exec(["iptables", "-I", "INPUT", "-i", "daoli", "-p", "icmp", "-j", "DROP"])
    try:
        assert trace(rig, "box", h1.address)["steps"][-1]["chain"] == "INPUT"
        assert not Container(h1, "box").reaches(h1.address)
    finally:
        h1.exec(["iptables", "-D", "INPUT", "-i", "daoli", "-p", "icmp", "-j", "DROP"])


def test_no_host_stands_between_containers(rig: DockerRig) -> None:
    """What iptables drops on a host does not concern its containers' packets to another's, and trace says so."""
    web, db = run(rig, "h1", "web"), run(rig, "h2", "db")
    rules = [(each, "FORWARD", "-j", "DROP") for each in ("h1", "h2")]
    for name, *words in rules:
        rig[name].exec(["iptables", "-I", *words])
    try:
        assert web.reaches(db.address("blue"))
        found = trace(rig, "web", "db")
        assert found["arrived"], found
        assert not any(step["table"] for step in found["steps"])
    finally:
        for name, *words in rules:
            rig[name].exec(["iptables", "-D", *words])


@pytest.mark.parametrize(("host", "hosts"), [("h1", {"h1"}), ("h2", {"h1", "h2"})])
def test_from_outside(rig: DockerRig, host: str, hosts: set[str]) -> None:
    """What comes from outside by a host goes into a container's port, wherever that is, and nobody answers it."""
    db = run(rig, host, "db")
    with Capture(Sandbox(db), "ip", "and", "host", OUTSIDE_ADDRESS) as seen:
        found = trace(rig, OUTSIDE_ADDRESS, "db", protocol="tcp", port=80, via="h1")
        wait_until(lambda: seen.lines, PATIENCE, what="the probe")
        assert len(seen.stop()) == 1
    assert (found["arrived"], found["stopped_at"]) == (None, None), found
    assert found["reason"].endswith("what the firewall of host h1 lets in was not tried")
    assert {step["host"] for step in found["steps"]} == hosts
    assert rig.get("/routes")["routes"] == []


def test_agent_away(rig: DockerRig) -> None:
    """Without the host's agent it is not known what the host did, soon; what leaves ends at the first router."""
    run(rig, "h1", "web")
    h1 = rig["h1"]
    h1.agent_kill()
    try:
        with Capture(rig.lab.outside, PROBE, "and", "src", h1.address) as outside:
            begun = time.monotonic()
            found = trace(rig, "web", OUTSIDE_ADDRESS)
            assert time.monotonic() - begun < BOUND
            wait_until(lambda: outside.lines, PATIENCE, what="the probe")
    finally:
        h1.agent_start()
    assert (found["arrived"], found["stopped_at"]) == (None, "h1")
    assert found["reason"] == "host h1's agent does not answer: what its firewall did is not known"
    wait_until(lambda: trace(rig, "web", OUTSIDE_ADDRESS)["arrived"], 2 * PATIENCE, what="the agent")


def test_agent_killed_while_it_looks(rig: DockerRig) -> None:
    """What an agent that is killed leaves behind, the next one takes away; its monitor dies with it."""
    web, h1 = run(rig, "h1", "web"), rig["h1"]
    with (
        ThreadPoolExecutor(1) as other,
        planted(h1, f"ip,nw_src={web.address('blue')}"),  # so that the probe does not come, and is waited for
    ):
        tracing = other.submit(trace, rig, "web", OUTSIDE_ADDRESS)
        wait_until(lambda: traced(h1), PATIENCE, what="the agent's table")
        h1.agent_kill()
        assert traced(h1)
        assert tracing.result()["arrived"] is False
    wait_until(lambda: h1.exec(["pgrep", "-x", "nft"], check=False).stdout == "", PATIENCE, what="the monitor's end")
    h1.agent_start()
    wait_until(lambda: not traced(h1), PATIENCE, what="the table's end")
    wait_until(lambda: trace(rig, "web", OUTSIDE_ADDRESS)["arrived"], 2 * PATIENCE, what="the agent")


def test_refused_by_policy(rig: DockerRig) -> None:
    """What policy does not let out does not come to the host's firewall."""
    make_network(rig, "inner", "--subnet", "10.7.0.0/24", "--internal")
    rig.run("h1", "box", "--network", "inner")
    wait_until(lambda: "box" in {each["name"] for each in rig.get("/endpoints")["endpoints"]}, PATIENCE)
    found = trace(rig, "box", OUTSIDE_ADDRESS)
    assert (found["arrived"], found["stopped_at"]) == (False, "h1")
    assert found["reason"].startswith("denied")
    wait_until(lambda: not traced(rig["h1"]), PATIENCE, what="the table's end")
