"""Many conversations at once, and a container that floods the controller."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.e2e.rig import DENY, PAIR, PATIENCE, PYTHON, Pinger, Rig, live, number, ping, reaches, running
from tests.e2e.traffic import Program, UdpReceiver
from tests.labs import require_lab

from daoli.lab import Place, wait_until

pytestmark = pytest.mark.e2e

# Sends to a new address each time, as fast as it can, until its input ends: MAC OF THE SENDER, ITS ADDRESS.
FLOOD = """
import select, socket, struct, sys
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
link.bind(("eth0", 0))
source = bytes.fromhex(sys.argv[1])
own = socket.inet_aton(sys.argv[2])
head = bytes.fromhex("02da011e0001") + source + b"\\x08\\x00"
sent = 0
print("ready", flush=True)
while True:
    if sent % 100 == 0 and select.select([sys.stdin], [], [], 0.005)[0]:
        break
    sent += 1
    packet = struct.pack("!BBHHHBBH", 0x45, 0, 28, 0, 0, 64, 17, 0) + own + struct.pack("!I", 0xC6120000 + sent)
    total = sum(struct.unpack("!10H", packet))
    total = (total & 0xFFFF) + (total >> 16)
    packet = packet[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + packet[12:]
    link.send(head + packet + bytes(8))
print(sent, flush=True)
"""

# One datagram to each of the addresses.
SPRAY = """
import socket, sys
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for target in sys.argv[1:]:
    link.sendto(b"first", (target, 9000))
"""


class Flood(Program):
    """A container that sends to ever new addresses."""

    def __init__(self, place: Place, mac: str, ip: str) -> None:
        super().__init__(place, FLOOD, mac.replace(":", ""), ip)


def test_burst_of_conversations(tmp_path: Path) -> None:
    """225 conversations that open at once lose and double no packet, and each becomes exactly one route."""
    require_lab()
    each = 15
    with running("--idle-timeout", "20", endpoints=each, state_dir=tmp_path) as rig:
        senders = list(rig["h1"].endpoints.values())
        receivers = {endpoint.ip: endpoint for endpoint in rig["h2"].endpoints.values()}
        with ThreadPoolExecutor(each) as pool:
            heard = {ip: UdpReceiver(endpoint) for ip, endpoint in receivers.items()}
            try:
                command = [*PYTHON, SPRAY, *receivers]
                list(pool.map(lambda sender: sender.exec(command, timeout=PATIENCE), senders))
                wait_until(lambda: len(rig.get("/routes")["routes"]) == each * each, PATIENCE, what="all routes")
                seen = dict(zip(heard, pool.map(UdpReceiver.seen, heard.values()), strict=True))
            finally:
                for receiver in heard.values():
                    receiver.__exit__(None, None, None)
        expected = Counter(sender.ip for sender in senders)
        assert {ip: Counter(source for source, _ in got) for ip, got in seen.items()} == dict.fromkeys(seen, expected)
        for host in rig.lab.hosts.values():
            flows = live(host)
            assert len(flows) == 2 * each * each
            assert len({(number(f, "in_port"), number(f, "nw_src"), number(f, "nw_dst")) for f in flows}) == len(flows)
            assert len({number(f, "cookie") for f in flows}) == each * each
        assert rig.metric("daoli_routes") == each * each
        assert rig.metric("daoli_switch_errors_total") == 0
        cut = rig.delete("/hosts/h2")
        assert len(cut["cut"]) == each * each
        assert cut["unconfirmed"] == []
        assert live(rig["h1"]) == []


def test_flood(rig: Rig) -> None:
    """Whoever floods the controller is muted, and counted; its live routes and all other ports go on as ever."""
    flooder, friend = rig.pair()
    others = [rig.pair() for _ in range(5)]
    before = rig.metric("daoli_over_budget_total")
    with Pinger(flooder, friend.ip, 0.05) as pinger:
        pinger.wait_for(3)
        with Flood(flooder, flooder.mac, flooder.ip) as flood:
            wait_until(lambda: rig.metric("daoli_over_budget_total") > before + 10, PATIENCE)
            port = str(rig["h1"].ofport(flooder.port))
            muted = lambda: [f for f in live(rig["h1"], DENY) if "priority=30" in f and number(f, "in_port") == port]  # noqa: E731
            wait_until(muted, PATIENCE, what="the mute flow")
            for one, other in others:
                assert reaches(one, other.ip)
            assert reaches(friend, flooder.ip)
            pinger.wait_for(10)
            assert rig.route(flooder, friend), "while it is in use"
            assert live(rig["h1"], PAIR)
            assert rig.controller.get("/healthz").status == 200
            sent = int(flood.finish())
        assert pinger.stop() == []
    assert sent > 2000
    wait_until(lambda: reaches(flooder, "10.1.0.1"), PATIENCE, what="the flooder to be heard again")
    assert rig.status("h1")["connected"]


def test_flood_of_refusals_is_rate_limited(rig: Rig) -> None:
    """A scan of many addresses gets a bounded number of ICMP errors, not one for each packet."""
    scanner = rig.add()
    count = """
import socket, sys
link = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
link.settimeout(0.5)
heard = 0
talk = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number in range(600):
    try:
        talk.sendto(b"x", (f"198.18.{number // 200}.{number % 200 + 1}", 9))
    except OSError:
        pass
try:
    while True:
        link.recv(2048)
        heard += 1
except TimeoutError:
    pass
print(heard)
"""
    heard = int(scanner.exec([*PYTHON, count], timeout=PATIENCE, stderr=subprocess.STDOUT).stdout)
    assert 50 <= heard <= 250  # a burst of 100, and 50 a second
    assert json.dumps(rig.status("h1")["problems"]) == "[]"
    assert ping(scanner, "10.1.0.1").returncode in (0, 1)
