"""Each example does its job on real Open vSwitch, with real packets."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from tests.e2e.rig import ping, reaches
from tests.e2e.traffic import TcpEcho, TcpTransfer

from daoli.lab import Lab

pytestmark = pytest.mark.e2e

EXAMPLES = Path(__file__).parents[2] / "examples"


@contextmanager
def running(lab: Lab, name: str, *arguments: str) -> Iterator[IO[str]]:
    """Run an example in the controller's place; give what it prints."""
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    with lab.controller.popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd="/") as process:
        assert process.stdout is not None
        try:
            yield process.stdout
        finally:
            if process.poll() is None:
                process.kill()


def wait_for(said: IO[str], *lines: str) -> None:
    """Read until all these lines have been printed."""
    missing = set(lines)
    for line in said:
        missing.discard(line.strip())
        if not missing:
            return
    raise AssertionError(f"never printed: {missing}")


def test_every_example_is_tested() -> None:
    """There is no example that no test runs."""
    text = Path(__file__).read_text()
    assert all(f'"{path.name}"' in text for path in EXAMPLES.glob("*.py"))


def test_learning_switch_is_short() -> None:
    """The learning switch fits on a screen."""
    assert len((EXAMPLES / "learning_switch.py").read_text().splitlines()) < 60


def test_learning_switch(examples_lab: Lab) -> None:
    """Containers of one host and of two reach each other; then flows carry the packets, and the program may end."""
    lab = examples_lab
    c1, c2, far = (lab.endpoint(place) for place in ("h1/c1", "h1/c2", "h2/c1"))
    with running(lab, "learning_switch.py", "0.0.0.0:6653") as said:
        wait_for(said, "0000000000000001 forwards", "0000000000000002 forwards")
        assert reaches(c1, c2.ip)
        assert reaches(c1, far.ip)
        assert ping(c1, far.ip, "-c5", "-i0.2").returncode == 0
        flows = lab.hosts["h1"].flows()
        assert any(f"dl_src={c1.mac},dl_dst={far.mac}" in flow for flow in flows), flows
    assert ping(c1, far.ip, "-c3", "-i0.2").returncode == 0


def test_learning_switch_follows_a_move(examples_lab: Lab) -> None:
    """An address that is heard elsewhere is reached there at once."""
    lab = examples_lab
    c1, c2 = lab.endpoint("h1/c1"), lab.endpoint("h1/c2")
    with running(lab, "learning_switch.py", "0.0.0.0:6653") as said:
        wait_for(said, "0000000000000001 forwards")
        assert reaches(c1, c2.ip)
        newcomer = lab.hosts["h1"].add_endpoint("moved")
        try:
            c2.exec(["ip", "link", "set", "eth0", "down"])
            for command in (f"link set eth0 address {c2.mac}", f"addr add {c2.ip}/24 dev eth0"):
                newcomer.exec(["ip", *command.split()])
            assert reaches(newcomer, c1.ip)
            assert reaches(c1, c2.ip)
        finally:
            lab.hosts["h1"].remove_endpoint("moved")
            c2.exec(["ip", "link", "set", "eth0", "up"])
            c2.exec(["ip", "route", "replace", "default", "via", "10.1.0.1"])


def test_dump_flows(examples_lab: Lab) -> None:
    """What is printed is what ovs-ofctl prints."""
    host = examples_lab.hosts["h1"]
    flows = ("priority=7,ip,nw_dst=10.9.0.0/16,actions=dec_ttl,output:1", "table=3,cookie=5,actions=drop")
    for flow in (*flows, "arp,arp_tpa=10.9.0.1,actions=NORMAL"):
        host.ofctl("add-flow", "daoli", flow)
    other = examples_lab.hosts["h2"]
    other.vsctl("del-controller", "daoli")
    try:
        with running(examples_lab, "dump_flows.py", "0.0.0.0:6653") as said:
            lines = said.read().splitlines()
        age = re.compile(r"duration=[0-9.]+s, ")
        assert sorted(age.sub("", line.strip()) for line in lines) == sorted(
            age.sub("", flow) for flow in host.flows(stats=True)
        )
    finally:
        other.vsctl("set-controller", "daoli", "tcp:10.254.0.250:6653")
        other.vsctl("set", "controller", "daoli", "max_backoff=1000")


def test_port_stats(examples_lab: Lab) -> None:
    """While a container pings, the packets of its port are seen in both directions."""
    lab = examples_lab
    c1, c2 = lab.endpoint("h1/c1"), lab.endpoint("h1/c2")
    lab.hosts["h1"].ofctl("add-flow", "daoli", "actions=NORMAL")
    with running(lab, "port_stats.py", "0.0.0.0:6653", "0.5") as said:
        pinging = c1.popen(["ping", "-n", "-i0.05", c2.ip], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        with pinging:
            pattern = re.compile(rf"0000000000000001 {c1.port} rx_packets/s=(\d+) rx_bytes/s=\d+ tx_packets/s=(\d+)")
            for line in said:
                if (found := pattern.match(line)) and int(found[1]) > 5 and int(found[2]) > 5:
                    break
            else:
                raise AssertionError("no packets seen")
            pinging.kill()


def test_meter_firewall(examples_lab: Lab) -> None:
    """Pings pass up to the rate, an open TCP port is reached, another one and UDP are not."""
    lab = examples_lab
    c1, c2 = lab.endpoint("h1/c1"), lab.endpoint("h1/c2")
    with running(lab, "meter_firewall.py", "0.0.0.0:6653", "5", "9001") as said:
        wait_for(said, "0000000000000001 guards")
    assert reaches(c1, c2.ip)
    flood = ping(c1, c2.ip, "-c100", "-i0.01", "-W1").stdout
    received = int(re.search(r"(\d+) received", flood)[1])  # type: ignore[index]  # ping always says so
    assert 1 <= received < 40, flood
    with TcpEcho(c2), TcpTransfer(c1, c2.ip) as transfer:
        transfer.go_on(5)
    closed = ["bash", "-c", f"exec 3<>/dev/tcp/{c2.ip}/9002"]
    with pytest.raises(subprocess.TimeoutExpired):
        c1.exec(closed, timeout=1.0)
    meters = lab.hosts["h1"].ofctl("meter-stats", "daoli")
    assert "meter:1" in meters
