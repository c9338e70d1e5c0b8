"""Containers and the outside: by LOCAL of their own host, by another host's, and past the agent that answers names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from tests.e2e.gateways import OUTSIDE, gateways, outside_routes, published
from tests.e2e.probing import rules
from tests.e2e.rig import (
    PAIR,
    PATIENCE,
    PYTHON,
    STATIC,
    STATIC_FLOWS,
    Pinger,
    Rig,
    flows_between,
    live,
    mac,
    normal,
    ping,
    reaches,
    written,
)
from tests.e2e.traffic import Program, TcpEcho, TcpTransfer

from daoli.lab import Endpoint, Place, wait_until
from daoli.routing.pipeline import NAMES_PORT
from daoli.routing.static import static_flows

pytestmark = pytest.mark.e2e

CONNECTION = "cookie=0xda0104"

_NAMES = f"""
ovs-vsctl add-port daoli {NAMES_PORT} -- set interface {NAMES_PORT} type=internal
sysctl -qw net.ipv6.conf.{NAMES_PORT}.disable_ipv6=1 2>/dev/null || true
ip link set {NAMES_PORT} up
"""

# Answers what begins with "mine", and passes everything else on.
_AGENT = """
import socket, sys
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(0x0800))
link.bind((sys.argv[1], 0x0800))
print("ready", flush=True)
while True:
    frame = link.recv(2048)
    if frame[:4] != bytes.fromhex("02da011e"):
        continue
    port, ip, udp, data = frame[4:6], frame[14:34], frame[34:42], frame[42:]
    if data.startswith(b"mine"):
        frame = frame[6:12] + bytes.fromhex("02da011d") + port + frame[12:14]
        frame += ip[:12] + ip[16:20] + ip[12:16] + udp[2:4] + udp[:2] + udp[4:6] + bytes(2) + data.upper()
    else:
        frame = bytes.fromhex("02da011c") + port + frame[6:]
    link.send(frame)
"""

_SERVER = """
import socket
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.bind(("", 53))
print("ready", flush=True)
while True:
    data, peer = link.recvfrom(2048)
    link.sendto(b"from the server: " + data, peer)
"""

_ASK = """
import socket, sys
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.settimeout(5)
link.connect((sys.argv[1], 53))
link.send(sys.argv[2].encode())
print("ready", flush=True)
print(link.recv(2048).decode(), flush=True)
"""


# The kernel limits how many errors it sends about one destination.
_KNOCK = """
import socket, sys
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.settimeout(0.5)
link.connect((sys.argv[1], int(sys.argv[2])))
for _ in range(15):
    try:
        link.send(b"anybody there?")
        link.recv(1)
    except TimeoutError:
        continue
    except ConnectionRefusedError:
        print("refused")
        break
"""


@pytest.fixture(scope="module")
def module_rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Two hosts that are gateways, with a network; routes idle out after three seconds."""
    with gateways("--idle-timeout", "3", state_dir=tmp_path_factory.mktemp("labs")) as rig:
        yield rig


def test_static_flows_of_a_gateway(rig: Rig) -> None:
    """A gateway has two static flows more than another host, and Open vSwitch holds them as they were sent."""
    for host in rig.lab.hosts.values():
        found = live(host, STATIC)
        wanted = static_flows(1, mac(host.plan.uplink_mac), gateway=True)
        assert normal(found) == normal(map(written, wanted))
        assert len(found) == STATIC_FLOWS + 2 == rig.status(host.name)["static_flows"]


def test_out_and_back(rig: Rig) -> None:
    """A container reaches the outside by its own host: one pair route, the gateway first on the way."""
    one = rig.add("h1")
    with Pinger(one, OUTSIDE) as pinger:
        pinger.wait_for(10)
        (route,) = outside_routes(rig, one, "pair")
        assert (route["source"], route["destination"], route["destination_address"]) == (one.id, None, OUTSIDE)
        assert (route["source_host"], route["destination_host"]) == ("h1", "h1")
        assert len(flows_between(rig["h1"], one.ip, OUTSIDE)) == 2
        assert flows_between(rig["h2"], one.ip, OUTSIDE) == []
        assert pinger.stop() == []
    said = one.exec(["traceroute", "-I", "-n", "-q1", "-w2", "-m6", OUTSIDE], timeout=20).stdout
    assert re.findall(r"^\s*\d+\s+(\S+)", said, re.MULTILINE) == ["10.1.0.1", "10.254.0.1", OUTSIDE]


def test_host_and_its_container(rig: Rig) -> None:
    """A host reaches the containers on it, and they it; and it is told at once what does not exist."""
    one = rig.add("h1")
    assert reaches(rig["h1"], one.ip)
    assert reaches(one, rig["h1"].address)
    assert "Destination Host Unreachable" in ping(rig["h1"], "10.1.0.250").stdout
    assert reaches(rig["h1"], "10.1.0.1"), "the gateway"


def test_host_and_another_hosts_container(rig: Rig) -> None:
    """A host reaches containers elsewhere by a route of one protocol, and so its UDP and TCP do by theirs."""
    other = rig.add("h2")
    assert "3 received" in ping(rig["h1"], other.ip, "-c3", "-i0.1").stdout
    (route,) = outside_routes(rig, other, "connection")
    assert (route["source_address"], route["protocol"], route["source_port"]) == (rig["h1"].address, "icmp", None)
    assert (route["source_host"], route["destination_host"]) == ("h1", "h2")
    with TcpEcho(other), TcpTransfer(rig["h1"], other.ip) as transfer:
        transfer.go_on()
        ports = [r["destination_port"] for r in outside_routes(rig, other, "connection") if r["protocol"] == "tcp"]
        assert ports == [9001]


def test_unreachable_port_is_told(rig: Rig) -> None:
    """An ICMP error that a host's own stack sends about a container's packets reaches the container."""
    one = rig.add("h1")
    assert one.exec([*PYTHON, _KNOCK, rig["h1"].address, "9"], timeout=PATIENCE).stdout == "refused\n"


def entering(action: str, endpoint: Endpoint, **fields: Any) -> dict[str, Any]:
    """Make a rule about what comes in to an endpoint, and goes out of it."""
    return {"action": action, "destination": {"endpoint": endpoint.id}, "both_ways": True, **fields}


@pytest.mark.parametrize("where", ["h1", "h2"])
@pytest.mark.parametrize("ruled", [False, True])
def test_unreachable_port_is_told_outside(rig: Rig, where: str, *, ruled: bool) -> None:
    """A client of a published port hears that nobody listens in the container, wherever that is."""
    target, client = rig.add(where), rig.lab.controller
    allowed = entering("allow", target, source={"cidr": f"{OUTSIDE}/32"}, protocol="udp", ports=[9], priority=200)
    some = [entering("deny", target), {**allowed, "both_ways": False}] if ruled else []
    with rules(rig, *some), published(rig["h1"], 9009, target, 9, "udp"):
        told = client.exec([*PYTHON, _KNOCK, rig["h1"].address, "9009"], timeout=PATIENCE).stdout
        assert told == "refused\n"


@pytest.mark.parametrize("where", ["h1", "h2"])
@pytest.mark.parametrize("ruled", [False, True])
def test_fragmentation_needed_is_told(rig: Rig, where: str, *, ruled: bool) -> None:
    """A container hears from the host that let a client in how much fits on the way there, and nothing gets stuck."""
    target, client = rig.add(where), rig.lab.controller
    allowed = entering("allow", target, source={"cidr": f"{OUTSIDE}/32"}, protocol="tcp", ports=[9001], priority=200)
    some = [entering("deny", target), {**allowed, "both_ways": False}] if ruled else []
    rig["h1"].script(f"ip route add {OUTSIDE}/32 dev eth0 mtu lock 1200", what="a narrow way")
    try:
        with rules(rig, *some), published(rig["h1"], 8080, target, 9001), TcpEcho(target):
            with TcpTransfer(client, rig["h1"].address, 8080) as transfer:
                transfer.go_on()
            assert "mtu 1200" in target.exec(["ip", "route", "get", OUTSIDE]).stdout
    finally:
        rig["h1"].script(f"ip route del {OUTSIDE}/32 dev eth0", what="widening the way")


def test_entered_elsewhere(rig: Rig) -> None:
    """What one host lets in for another's container is answered by it; what the container itself opens is not."""
    other = rig.add("h2")
    outside = rig.lab.controller
    with published(rig["h1"], 8080, other, 9001), Pinger(other, OUTSIDE) as pinger, TcpEcho(other):
        pinger.wait_for(5)
        with TcpTransfer(outside, rig["h1"].address, 8080) as transfer:
            transfer.go_on(50)
            pinger.wait_for(5)
            assert not outside_routes(rig, other, "pair")
            own, connection = sorted(outside_routes(rig, other, "connection"), key=lambda each: each["protocol"])
            assert (own["source_host"], own["destination_host"], own["protocol"]) == ("h2", "h2", "icmp")
            assert (connection["source_host"], connection["destination_host"]) == ("h1", "h2")
            assert (connection["protocol"], connection["destination_port"]) == ("tcp", 9001)
            assert (connection["source"], connection["source_address"]) == (None, OUTSIDE)
            assert connection["packets"] is not None
            assert [len(live(rig[host], CONNECTION)) for host in ("h1", "h2")] == [2, 4]
            transfer.go_on(50)
        assert pinger.stop() == []
    with rig.watching() as wait_for:
        wait_for("route.closed", route=connection["id"], why="idle")
    wait_until(lambda: not live(rig["h1"], CONNECTION) and not live(rig["h2"], CONNECTION), PATIENCE)


def test_flows_lost_in_between(rig: Rig) -> None:
    """A connection from the outside survives the loss of its flows at either host."""
    other = rig.add("h2")
    with ExitStack() as stack:
        stack.enter_context(published(rig["h1"], 8080, other, 9001))
        stack.enter_context(TcpEcho(other))
        transfer = stack.enter_context(TcpTransfer(rig.lab.controller, rig["h1"].address, 8080))
        for host in ("h1", "h2"):
            transfer.go_on()
            rig[host].ofctl("del-flows", "daoli", f"{CONNECTION}0000000000/0xffffff0000000000")
            transfer.go_on()


def test_adopted(rig: Rig) -> None:
    """A restarted controller takes up routes to and from the outside, and nobody notices."""
    one, other = rig.pair()
    with published(rig["h1"], 8080, other, 9001), ExitStack() as stack:
        pinger = stack.enter_context(Pinger(one, OUTSIDE))
        stack.enter_context(TcpEcho(other))
        transfer = stack.enter_context(TcpTransfer(rig.lab.controller, rig["h1"].address, 8080))
        transfer.go_on()
        pinger.wait_for(5)
        (pair,), (connection,) = outside_routes(rig, one, "pair"), outside_routes(rig, other, "connection")
        before = {
            name: {f.partition(",")[0] for f in [*live(h, PAIR), *live(h, CONNECTION)]}
            for name, h in rig.lab.hosts.items()
        }
        rig.controller.kill()
        transfer.go_on()
        rig.controller.start()
        rig.wait_settled()
        transfer.go_on()
        after = {
            name: {f.partition(",")[0] for f in [*live(h, PAIR), *live(h, CONNECTION)]}
            for name, h in rig.lab.hosts.items()
        }
        assert after == before, "none was installed anew"
        wait_until(lambda: outside_routes(rig, other, "connection"), PATIENCE)
        assert [r["id"] for r in outside_routes(rig, one, "pair")] == [pair["id"]]
        (again,) = outside_routes(rig, other, "connection")
        same = (
            "id",
            "source_host",
            "destination_host",
            "protocol",
            "source_port",
            "destination_port",
            "source_address",
        )
        assert {name: again[name] for name in same} == {name: connection[name] for name in same}
        for host in rig.lab.hosts.values():
            assert len(live(host, STATIC)) == rig.status(host.name)["static_flows"]
        assert pinger.stop() == []
        answer = rig.delete(f"/endpoints/{other.id}")
        assert {route["id"] for route in answer["cut"]} >= {connection["id"]}
    wait_until(lambda: not live(rig["h1"], CONNECTION) and not live(rig["h2"], CONNECTION), PATIENCE)


def ask(asker: Place, server: str, what: str) -> str:
    """Ask a name server something; what it says."""
    with Program(asker, _ASK, server, what) as program:
        return program.line()


def test_names(rig: Rig) -> None:
    """The agent sees each question, whatever server is asked; it answers, or the question goes on unchanged."""
    one, other = rig.pair()
    rig["h1"].script(_NAMES, what="making the names' port")
    number = rig["h1"].ofport(NAMES_PORT)
    try:
        wanted = static_flows(1, mac(rig["h1"].plan.uplink_mac), gateway=True, names=number)
        wait_until(
            lambda: normal(live(rig["h1"], STATIC)) == normal(map(written, wanted)), PATIENCE, what="static flows"
        )
        with Program(rig["h1"], _AGENT, NAMES_PORT), Program(other, _SERVER), Program(rig.lab.controller, _SERVER):
            for server in (other.ip, OUTSIDE):
                assert ask(one, server, "mine, please") == "MINE, PLEASE"
                for _ in range(2):
                    assert ask(one, server, "yours, please") == "from the server: yours, please"
            assert ask(one, "10.1.0.1", "mine too") == "MINE TOO", "also of the gateway"
            assert ask(rig["h1"], other.ip, "mine or yours") == "from the server: mine or yours"
        rig.controller.kill()
        rig.controller.start()
        rig.wait_settled()
        assert normal(live(rig["h1"], STATIC)) == normal(map(written, wanted))
    finally:
        rig["h1"].vsctl("del-port", "daoli", NAMES_PORT)
    wait_until(lambda: len(live(rig["h1"], STATIC)) == STATIC_FLOWS + 2, PATIENCE)
    assert reaches(one, other.ip)
