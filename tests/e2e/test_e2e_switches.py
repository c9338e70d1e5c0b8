"""Switches that crash, lose power, join late, lie about who they are, or speak no OpenFlow at all."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from tests.e2e.rig import (
    PAIR,
    PATIENCE,
    PYTHON,
    RECONNECT,
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
    running,
    written,
)

from daoli.lab import Place, Process, wait_until
from daoli.routing.static import static_flows

pytestmark = pytest.mark.e2e

# A datapath without ports and flows: ADDRESS DPID. It says what becomes of it.
FAKE_SWITCH = """
import socket, sys
from daoli.ofproto import *
link = socket.create_connection((sys.argv[1], 6653), 30)
link.settimeout(30)
link.sendall(Hello().encode())
data, known = b"", False
while True:
    try:
        more = link.recv(65536)
    except ConnectionResetError:
        more = b""
    if not more:
        break
    data += more
    while len(data) >= 8 and len(data) >= (size := int.from_bytes(data[2:4], "big")):
        message, data = decode(data[:size]), data[size:]
        match message:
            case FeaturesRequest():
                link.sendall(FeaturesReply(datapath_id=int(sys.argv[2], 16), n_tables=254, xid=message.xid).encode())
            case EchoRequest():
                link.sendall(EchoReply(data=message.data, xid=message.xid).encode())
            case BarrierRequest():
                link.sendall(BarrierReply(xid=message.xid).encode())
                print("in order", flush=True)
            case PortDescRequest():
                link.sendall(PortDescReply(ports=(), xid=message.xid).encode())
            case FlowStatsRequest():
                link.sendall(FlowStatsReply(flows=(), xid=message.xid).encode())
        if not known and type(message) is FeaturesRequest:
            known = True
            print("known", flush=True)
print("closed", flush=True)
"""

# ADDRESS HEX: says what came back until the controller closed the connection.
RAW_PEER = """
import socket, sys
link = socket.create_connection((sys.argv[1], 6653), 5)
link.settimeout(8)
said = b""
try:
    link.sendall(bytes.fromhex(sys.argv[2]))
    while data := link.recv(65536):
        said += data
except ConnectionResetError:
    pass
print(said.hex())
"""

HELLO = "0400000800000001"
FEATURES = "0406002000000002" + "00000000000000ee" + bytes(16).hex()

GARBAGE = {
    "http": b"GET / HTTP/1.1\r\n".ljust(0x5420 + 1, b"x").hex(),
    "zeros": bytes(64).hex(),
    "ones": "ffff0040" + "ff" * 60,
    "version 1": "0100000800000001",
    "too short": "0400000400000001",
    "no hello": "0406002000000002" + bytes(24).hex(),
    "short features": HELLO + "0406000800000002",
    "long features": HELLO + "0406002100000002" + bytes(25).hex(),
    "features, then a bad packet_in": HELLO + FEATURES + "040a003000000005" + "ff" * 40,
    "features, then a bad version": HELLO + FEATURES + "0100000800000005",
    "features, then a short header": HELLO + FEATURES + "0402000700000005",
    "packet_in at once": HELLO + "040a003000000005" + "ff" * 40,
    "hello twice, then junk": HELLO + HELLO + "deadbeef" * 20,
}


@pytest.fixture
def sound(rig: Rig) -> Iterator[Rig]:
    """Lend the rig to a test that breaks switches, and wait until they are back."""
    try:
        yield rig
    finally:
        rig.clean()
        for host in rig.lab.hosts.values():
            if not host.is_on:
                host.boot()
        rig.wait_settled()


def start_fake(place: Place, dpid: str) -> Process:
    command = [sys.executable, "-c", FAKE_SWITCH, "10.254.0.250", dpid]
    process = place.popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert said(process) == "known"
    return process


def raw_talk(rig: Rig, data: str) -> str:
    """Send bytes to the controller; what it says until it closes the connection, as hex."""
    done = rig.lab.controller.exec([*PYTHON, RAW_PEER, "10.254.0.250", data], timeout=20)
    return done.stdout.strip()


def static(uplink_mac: str) -> set[tuple[frozenset[str], str]]:
    """The static flows of a host whose uplink has this MAC."""
    return normal(map(written, static_flows(1, mac(uplink_mac))))


def said(process: Process) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_switch_killed(sound: Rig) -> None:
    """A switch that crashed gets its flows back when it returns, and the conversations over it resume by themselves."""
    rig = sound
    one, other = rig.pair()
    with Pinger(one, other.ip) as pinger:
        pinger.wait_for(5)
        with rig.watching() as wait_for:
            rig["h2"].ovs_stop()
            wait_for("host.disconnected", host="h2")
            status = rig.status("h2")
            assert not status["connected"]
            assert status["problems"] == ["no datapath 0000000000000002 is connected: check ovs-vsctl show on h2"]
            assert rig.explain(one, other)["problems"] == ["host h2 is not connected"]
            rig["h2"].ovs_start()
            wait_for("host.connected", host="h2")
        assert len(live(rig["h2"], STATIC)) == STATIC_FLOWS
        pinger.wait_for(20)
        pinger.stop()
    assert len(flows_between(rig["h2"], one.ip, other.ip)) == 2
    assert rig.status("h2")["problems"] == []


def test_peer_of_dead_switch_is_told(sound: Rig) -> None:
    """Who wants to open a conversation with a container whose host is away hears host unreachable."""
    rig = sound
    one, other = rig.pair()
    rig["h2"].ovs_stop()
    wait_until(lambda: not rig.status("h2")["connected"], PATIENCE)
    assert "Destination Host Unreachable" in ping(one, other.ip, timeout=5).stdout
    rig["h2"].ovs_start()
    rig.wait_settled("h2")
    assert reaches(one, other.ip)


def test_power_off(sound: Rig) -> None:
    """After a power failure a host comes back with its endpoints, and they are reached as before."""
    rig = sound
    one, other = rig["h1"].endpoint("c1"), rig["h2"].endpoint("c1")
    one = one if one.network == other.network else rig["h1"].endpoint("c2")
    assert reaches(one, other.ip)
    rig["h2"].power_off()
    rig["h2"].boot()
    rig.wait_settled("h2")
    rig.wait_reachable(other)
    assert len(live(rig["h2"], STATIC)) == STATIC_FLOWS
    assert reaches(rig["h2"].endpoint("c1"), one.ip)
    assert reaches(one, other.ip)


def test_cut_while_powered_off(sound: Rig) -> None:
    """A cut that a switched-off host cannot confirm names it, at once or within the bound; nothing stays behind."""
    rig = sound
    one, other = rig.pair()
    assert reaches(one, other.ip)
    rig["h2"].power_off()
    answer = rig.delete(f"/endpoints/{one.id}")
    assert answer["unconfirmed"] == ["h2"]
    assert flows_between(rig["h1"], one.ip, other.ip) == []
    rig["h2"].boot()
    rig.wait_settled("h2")
    assert flows_between(rig["h2"], one.ip, other.ip) == []


def test_uplink_gets_another_mac(sound: Rig) -> None:
    """When a host's uplink changes its MAC, routes to it are cut and made anew; the guard knows the new one."""
    rig = sound
    one, other = rig.pair()
    near = rig.add("h2")
    new, old = "02:dd:00:01:00:42", rig["h2"].plan.uplink_mac
    try:
        with Pinger(one, other.ip) as far, Pinger(other, near.ip) as beside:
            far.wait_for(5)
            beside.wait_for(5)
            rig["h2"].exec(["ip", "link", "set", "eth1", "address", new])
            wait_until(lambda: normal(live(rig["h2"], STATIC)) == static(new), RECONNECT, what="the guard's new MAC")
            far.wait_for(20)
            leaving = [flow for flow in flows_between(rig["h1"], one.ip, other.ip) if flow.endswith("output:1")]
            assert [new in flow for flow in leaving] == [True]
            far.stop()
            assert beside.stop() == []
        assert len(flows_between(rig["h2"], one.ip, other.ip)) == 2
    finally:
        rig["h2"].exec(["ip", "link", "set", "eth1", "address", old])
        wait_until(lambda: normal(live(rig["h2"], STATIC)) == static(old), RECONNECT, what="the guard's old MAC")
    assert reaches(one, other.ip)


def test_uplink_changed_while_controller_was_away(sound: Rig) -> None:
    """A controller that returns believes no flow that leads to an uplink MAC which is not there any more."""
    rig = sound
    one, other = rig.pair()
    new, old = "02:dd:00:01:00:43", rig["h2"].plan.uplink_mac
    try:
        with Pinger(one, other.ip) as pinger:
            pinger.wait_for(5)
            rig.controller.kill()
            rig["h2"].exec(["ip", "link", "set", "eth1", "address", new])
            rig.controller.start()
            rig.wait_settled()
            pinger.wait_for(20)
            pinger.stop()
        assert normal(live(rig["h2"], STATIC)) == static(new)
        assert any(new in flow.partition("actions=")[2] for flow in live(rig["h1"]))
    finally:
        rig["h2"].exec(["ip", "link", "set", "eth1", "address", old])
        wait_until(lambda: normal(live(rig["h2"], STATIC)) == static(old), RECONNECT, what="the guard's old MAC")


def test_uplink_away_and_back(sound: Rig) -> None:
    """While a bridge has no uplink the host says so, and what is within it goes on; with its return all works again."""
    rig = sound
    one, other = rig.pair()
    near = rig.add("h2")
    assert reaches(one, other.ip)
    with Pinger(other, near.ip) as pinger:
        pinger.wait_for(5)
        rig["h2"].vsctl("del-port", "daoli", "eth1")
        try:
            wait_until(lambda: rig.status("h2")["problems"], PATIENCE)
            assert rig.explain(one, other)["problems"] == ["uplink eth1 is not on host h2"]
            wait_until(lambda: not flows_between(rig["h1"], one.ip, other.ip), PATIENCE, what="the cut")
            assert "Destination Host Unreachable" in ping(one, other.ip, timeout=5).stdout
        finally:
            rig["h2"].vsctl("add-port", "daoli", "eth1", "--", "set", "interface", "eth1", "ofport_request=77")
        wait_until(lambda: rig.explain(one, other)["deliverable"], PATIENCE)
        wanted = normal(map(written, static_flows(77, mac(rig["h2"].plan.uplink_mac))))
        wait_until(lambda: normal(live(rig["h2"], STATIC)) == wanted, PATIENCE, what="static flows of port 77")
        assert reaches(one, other.ip)
        assert pinger.stop() == []
    rig["h2"].vsctl("set", "interface", "eth1", "ofport_request=1")
    wait_until(lambda: normal(live(rig["h2"], STATIC)) == static(rig["h2"].plan.uplink_mac), PATIENCE)
    assert reaches(one, other.ip)


def test_host_joins_under_traffic(tmp_path_factory: pytest.TempPathFactory) -> None:
    """While two hosts talk a third one joins: nobody loses a packet, no route is touched, and it is reached."""
    with running("--idle-timeout", "5", hosts=3, post=False, state_dir=tmp_path_factory.mktemp("labs")) as rig:
        body = rig.lab.describe()
        rig.controller.post("/networks", body["networks"][0])
        for number in (0, 1):
            assert rig.controller.post("/hosts", body["hosts"][number]).status == 201
            assert rig.controller.post("/endpoints", body["endpoints"][number]).status == 201
        rig.wait_settled("h1", "h2")
        one, other, third = (rig[name].endpoint("c1") for name in ("h1", "h2", "h3"))
        wait_until(lambda: [u["dpid"] for u in rig.get("/hosts")["unregistered"]] == [rig["h3"].plan.dpid], RECONNECT)
        with Pinger(one, other.ip, 0.01) as pinger:
            pinger.wait_for(20)
            flows = flows_between(rig["h1"], one.ip, other.ip)
            assert rig.controller.post("/hosts", body["hosts"][2]).status == 201
            assert rig.controller.post("/endpoints", body["endpoints"][2]).status == 201
            rig.wait_settled("h3")
            assert reaches(third, one.ip)
            assert reaches(other, third.ip)
            rig["h3"].power_off()
            wait_until(lambda: not rig.status("h3")["connected"], RECONNECT)
            rig.delete("/hosts/h3")
            pinger.wait_for(20)
            lost = pinger.stop()
        assert lost == []
        again = flows_between(rig["h1"], one.ip, other.ip)
        assert [flow.split(",")[0] for flow in again] == [flow.split(",")[0] for flow in flows], "the same cookies"


def test_same_dpid_twice(sound: Rig) -> None:
    """Of two datapaths with one id the newer wins and the older is closed; the true one wins when it comes again."""
    rig = sound
    one, other = rig.pair()
    with Pinger(one, other.ip) as pinger:
        pinger.wait_for(5)
        true_peer = rig.status("h1")["peer"]
        with start_fake(rig.lab.controller, rig["h1"].plan.dpid) as fake:
            wait_until(lambda: said(fake) == "closed", RECONNECT, what="the true one to come again")
        rig.wait_settled("h1")
        assert rig.status("h1")["peer"] != true_peer
        rig.wait_reachable(one)
        pinger.wait_for(10)
        pinger.stop()
    # Whoever has the id has the host: one that claims to have no uplink cuts what leads by it, until the true one wins.
    assert reaches(rig.add("h1"), other.ip)
    log = rig.controller.log.read_text()
    assert "datapath_replaced" in log
    assert "Traceback" not in log


def test_unknown_switches_come_and_go(rig: Rig) -> None:
    """Datapaths that nobody posted are listed while they are there."""
    dpids = [f"00000000000000{number:02x}" for number in range(0xA0, 0xA5)]
    fakes = [start_fake(rig.lab.controller, dpid) for dpid in dpids]
    try:
        wait_until(lambda: [u["dpid"] for u in rig.get("/hosts")["unregistered"]] == dpids, PATIENCE)
    finally:
        for fake in fakes:
            fake.kill()
            fake.communicate()
    wait_until(lambda: rig.get("/hosts")["unregistered"] == [], PATIENCE)


def test_garbage(rig: Rig) -> None:
    """Whoever speaks no OpenFlow 1.3 is closed, each by itself; the switches' connections and traffic go on."""
    one, other = rig.pair()
    peers = {name: rig.status(name)["peer"] for name in rig.lab.hosts}
    with Pinger(one, other.ip) as pinger:
        pinger.wait_for(5)
        with ThreadPoolExecutor(4) as talkers:
            answers = dict(zip(GARBAGE, talkers.map(partial(raw_talk, rig), GARBAGE.values()), strict=True))
        assert {name: answer[:8] for name, answer in answers.items()} == dict.fromkeys(GARBAGE, HELLO[:4] + "0010")
        assert reaches(rig.add("h1"), other.ip)
        lost = pinger.stop()
    assert lost == []
    assert {name: rig.status(name)["peer"] for name in rig.lab.hosts} == peers
    assert "Traceback" not in rig.controller.log.read_text()


def test_silent_connections(rig: Rig) -> None:
    """Many connections that say nothing, or half of something, keep nobody from anything."""
    silent = """
import socket, sys
links = [socket.create_connection(("10.254.0.250", 6653), 5) for _ in range(50)]
for number, link in enumerate(links):
    link.sendall(bytes.fromhex("0400000800000001")[: number % 9])
print("open", flush=True)
sys.stdin.read()
"""
    pipe = subprocess.PIPE
    with rig.lab.controller.popen([*PYTHON, silent], stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT) as process:
        assert said(process) == "open"
        one, other = rig.pair()
        assert reaches(one, other.ip)
        assert live(rig["h1"], PAIR)
        process.communicate("", timeout=PATIENCE)
    assert rig.status("h1")["connected"]
