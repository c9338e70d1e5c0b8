"""What a host holds whatever it does: table miss, ARP responder, uplink guard."""

from __future__ import annotations

import pytest
from tests.e2e.rig import (
    PATIENCE,
    STATIC,
    STATIC_FLOWS,
    Capture,
    Rig,
    address,
    live,
    mac,
    normal,
    ping,
    send_raw,
    written,
)
from tests.routing.frames import arp, echo, ipv4

from daoli.lab import Place, wait_until
from daoli.routing.model import ROUTER_MAC, mac_text
from daoli.routing.static import static_flows

pytestmark = pytest.mark.e2e

ROUTER = mac_text(ROUTER_MAC)
STRANGER = bytes.fromhex("02deadbeef01")
BROADCAST = b"\xff" * 6


def arping(place: Place, *options: str) -> str:
    """What iputils' arping says after one packet."""
    return place.exec(["arping", "-c1", "-w1", "-I", "eth0", *options], check=False, timeout=10).stdout


def test_static_flows(rig: Rig) -> None:
    """A host holds exactly the static flows that the pipeline declares, as Open vSwitch writes them."""
    for host in rig.lab.hosts.values():
        found = live(host, STATIC)
        assert len(found) == STATIC_FLOWS
        assert normal(found) == normal(map(written, static_flows(1, mac(host.plan.uplink_mac))))
        assert rig.status(host.name)["static_flows"] == STATIC_FLOWS
        assert rig.status(host.name)["problems"] == []


def test_static_flows_do_not_grow(rig: Rig) -> None:
    """Containers that nobody talks to cost no flow."""
    rig.pair()
    for host in rig.lab.hosts.values():
        assert len(live(host, STATIC)) == STATIC_FLOWS


@pytest.mark.parametrize("peer", ["h1", "h2"])
def test_arp_of_peer(rig: Rig, peer: str) -> None:
    """An ARP request for a peer, here or on another host, is answered by the switch with the router's MAC."""
    asker, other = rig.pair("h1", peer)
    before = rig.punts()
    with Capture(other, "arp") as seen:
        said = arping(asker, other.ip)
        said += arping(asker, "10.1.0.1")
        said += arping(asker, "10.1.0.99")  # nobody has it: the router still takes the packets, and tells
    assert said.upper().count(f"[{ROUTER.upper()}]") == 3
    assert "Received 1 response(s)" in said
    assert list(seen.lines) == []
    assert rig.punts() == before


def test_arp_duplicate_probe(rig: Rig) -> None:
    """A probe for a duplicate address is not answered: the address is free for its owner (RFC 5227)."""
    own = rig.add()
    assert "Received 0 response(s)" in arping(own, "-D", own.ip)
    assert "Received 0 response(s)" in arping(own, "-D", "10.1.0.99")


@pytest.mark.parametrize("kind", ["-U", "-A"])
def test_arp_gratuitous(rig: Rig, kind: str) -> None:
    """A gratuitous request or reply for the own address is not answered, so that nobody sees a conflict."""
    own, other = rig.pair("h1", "h1")
    before = rig.punts()
    with Capture(own, "arp", inbound=True) as answers, Capture(other, "arp", inbound=True) as spread:
        assert "Received 0 response(s)" in arping(own, kind, own.ip)
        arping(own, other.ip)
        wait_until(lambda: answers.lines, PATIENCE)
    assert len(answers.lines) == 1
    assert f"Reply {other.ip} is-at {ROUTER}" in answers.lines[0]
    assert list(spread.lines) == []
    assert rig.punts() == before


def test_lan_chatter(rig: Rig) -> None:
    """What others say on the shared Ethernet reaches neither containers nor the controller."""
    here, there = rig.pair()
    assert ping(here, there.ip).returncode == 0  # so that flows are there that could take it
    target, uplink = address(here.ip), mac(rig["h1"].plan.uplink_mac)
    chatter = [
        arp(1, STRANGER, address("10.1.0.200"), bytes(6), target),
        arp(2, STRANGER, address(there.ip), BROADCAST, address(there.ip)),
        arp(1, STRANGER, address("10.1.0.200"), bytes(6), target, eth_dst=uplink),
        ipv4(STRANGER, BROADCAST, address(there.ip), target),
        ipv4(STRANGER, mac(here.mac), address(there.ip), target),
        ipv4(STRANGER, ROUTER_MAC, address(there.ip), target),
        ipv4(STRANGER, mac("02:dd:00:01:00:77"), address(there.ip), target),
        ipv4(STRANGER, mac("01:00:5e:00:00:01"), address("10.1.0.200"), address("224.0.0.1")),
        BROADCAST + STRANGER + b"\x86\xdd" + bytes(60),
        uplink + STRANGER + b"\x88\xcc" + bytes(60),
    ]
    before = rig.punts()
    with Capture(here, inbound=True) as seen:
        send_raw(rig.lab.fabric, *chatter, nic="wire")
        assert ping(here, there.ip).returncode == 0
        wait_until(lambda: seen.lines, PATIENCE)
    assert [line for line in seen.lines if there.ip not in line or "ICMP echo reply" not in line] == []
    assert rig.punts() == before


def test_forged_on_the_wire(rig: Rig) -> None:
    """A routed packet for a container whose sender is not the uplink of the source's host is dropped and counted."""
    here, there = rig.pair()
    frame = ipv4(
        STRANGER, mac(rig["h1"].plan.uplink_mac), address(there.ip), address(here.ip), proto=1, payload=echo(8)
    )
    spoofed = rig.outcome("spoofed")
    with Capture(here, "icmp") as seen, rig.watching() as wait_for:
        send_raw(rig.lab.fabric, frame, nic="wire")
        wait_for("packet.refused", verdict="spoofed", host="h1", source_address=there.ip, destination_address=here.ip)
    assert list(seen.lines) == []
    assert rig.outcome("spoofed") == spoofed + 1


def test_host_stack_is_kept_out(rig: Rig) -> None:
    """What the host itself says on the bridge's own port reaches neither containers nor the controller."""
    host, own = rig["h1"], rig.add()
    before = rig.punts()
    with Capture(own, inbound=True) as seen:
        host.exec(["ip", "link", "set", "daoli", "up"])
        send_raw(host, arp(1, STRANGER, address("10.1.0.200"), bytes(6), address(own.ip)), nic="daoli")
        send_raw(host, ipv4(STRANGER, ROUTER_MAC, address("10.1.0.200"), address(own.ip)), nic="daoli")
        assert ping(own, "10.1.0.1").returncode == 0
        wait_until(lambda: seen.lines, PATIENCE)
        host.exec(["ip", "link", "set", "daoli", "down"])
    assert [line for line in seen.lines if "10.1.0.1 >" not in line and ROUTER not in line] == []
    assert rig.punts() == before + 1  # the ping of the gateway
