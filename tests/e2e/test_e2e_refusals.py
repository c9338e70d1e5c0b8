"""What is not allowed or not possible fails at once, is told, and costs the controller little."""

from __future__ import annotations

import pytest
from tests.e2e.rig import (
    DENY,
    PATIENCE,
    Capture,
    Rig,
    address,
    flows_between,
    live,
    mac,
    number,
    ping,
    reaches,
    send_raw,
)
from tests.routing.frames import echo, ipv4

from daoli.lab import Endpoint, wait_until
from daoli.routing.model import ROUTER_MAC

pytestmark = pytest.mark.e2e

PLACES = pytest.mark.parametrize("second", ["h1", "h2"], ids=["same-host", "two-hosts"])


def asking(source: Endpoint, target: str, *, eth_src: str = "", ipv4_src: str = "") -> bytes:
    """An echo request, as the source sends it or with other addresses."""
    return ipv4(
        mac(eth_src or source.mac),
        ROUTER_MAC,
        address(ipv4_src or source.ip),
        address(target),
        proto=1,
        payload=echo(8),
    )


def in_vain(source: Endpoint, target: str) -> str:
    """What a ping says that is refused, before it would have given up."""
    done = ping(source, target, "-W9", timeout=5)
    assert done.returncode == 1
    return done.stdout


@PLACES
@pytest.mark.parametrize("forged", ["ipv4_src", "eth_src", "both"])
def test_spoofed(rig: Rig, second: str, forged: str) -> None:
    """A packet with another's address or MAC does not arrive, is counted and told; routes of the victim go on."""
    liar, target = rig.pair("h1", second)
    victim = rig.add("h1")
    assert reaches(victim, target.ip)
    lie = {"ipv4_src": victim.ip, "eth_src": victim.mac}
    if forged != "both":
        lie = {forged: lie[forged]}
    before = rig.outcome("spoofed")
    with Capture(target, "icmp", inbound=True) as seen, rig.watching() as wait_for:
        send_raw(liar, asking(liar, target.ip, **lie))
        told = wait_for("packet.refused", verdict="spoofed", host="h1", source=liar.id)
        assert told["source_address"] == lie.get("ipv4_src", liar.ip)
        assert told["destination_address"] == target.ip
        assert list(seen.lines) == []
        assert reaches(victim, target.ip)
        assert reaches(liar, target.ip), "its own address still works"
        wait_until(lambda: len(seen.lines) >= 2, PATIENCE)
    assert len(seen.lines) == 2
    assert rig.outcome("spoofed") == before + 1


def test_spoofed_reply_direction(rig: Rig) -> None:
    """Over a live route nobody can speak for one of its ends: not from another port, not with another MAC."""
    one, other = rig.pair("h1", "h1")
    liar = rig.add("h1")
    assert reaches(one, other.ip)
    with Capture(one, "icmp", inbound=True) as seen:
        send_raw(liar, asking(liar, one.ip, eth_src=other.mac, ipv4_src=other.ip))
        send_raw(liar, asking(liar, one.ip, ipv4_src=other.ip))
        assert reaches(other, one.ip)
        wait_until(lambda: seen.lines, PATIENCE)
    assert len(seen.lines) == 1


@PLACES
def test_other_network(rig: Rig, second: str) -> None:
    """An endpoint of another network is refused with 'packet filtered' from the gateway, and the event names both."""
    one, foreign = rig.add("h1", "dnet1"), rig.add(second, "dnet2")
    with rig.watching() as wait_for, Capture(foreign, "icmp", inbound=True) as seen:
        assert "From 10.1.0.1 icmp_seq=1 Packet filtered" in in_vain(one, foreign.ip)
        told = wait_for("packet.refused", verdict="denied", source=one.id, destination=foreign.id)
    assert told["reason"] == "different networks"
    assert list(seen.lines) == []
    said = rig.explain(one, foreign)
    assert (said["allowed"], said["deliverable"], said["reason"], said["flows"]) == (
        False,
        False,
        "different networks",
        [],
    )
    assert rig.route(one, foreign) is None


def test_tcp_refused(rig: Rig) -> None:
    """A denied TCP connection fails at once."""
    one, foreign = rig.add("h1", "dnet1"), rig.add("h2", "dnet2")
    done = one.exec(["curl", "-sS", "-m9", f"http://{foreign.ip}/"], check=False, timeout=5)
    assert done.returncode == 7, done.stderr  # could not connect; 28 is a time-out


def test_unknown_host(rig: Rig) -> None:
    """An address of a known network that nobody has is answered with host unreachable."""
    assert "From 10.1.0.1 icmp_seq=1 Destination Host Unreachable" in in_vain(rig.add(), "10.1.0.240")


def test_unknown_network(rig: Rig) -> None:
    """An address of no network is answered with network unreachable."""
    assert "From 10.1.0.1 icmp_seq=1 Destination Net Unreachable" in in_vain(rig.add(), "192.0.2.1")


def test_own_network_broadcast(rig: Rig) -> None:
    """Broadcasts and multicasts are not answered by anybody, and reach nobody."""
    own, other = rig.pair("h1", "h1")
    with Capture(other, inbound=True) as seen, Capture(own, inbound=True) as answers:
        for target in ("10.1.0.255", "255.255.255.255", "224.0.0.1"):
            frame = ipv4(mac(own.mac), b"\xff" * 6, address(own.ip), address(target), proto=1, payload=echo(8))
            send_raw(own, frame)
        assert ping(own, "10.1.0.1").returncode == 0
        wait_until(lambda: answers.lines, PATIENCE)
    assert list(seen.lines) == []
    assert [line for line in answers.lines if "echo reply" not in line and "ARP" not in line] == []


def test_drop_flow_comes_and_goes(rig: Rig) -> None:
    """A refusal is a drop flow of a second: many packets cost one punt, and then the sender is heard again."""
    one, foreign = rig.add("h1", "dnet1"), rig.add("h2", "dnet2")
    before = rig.outcome("denied")
    send_raw(one, *[asking(one, foreign.ip)] * 30)
    wait_until(lambda: flows_between(rig["h1"], one.ip, foreign.ip, DENY), PATIENCE)
    (flow,) = flows_between(rig["h1"], one.ip, foreign.ip, DENY)
    assert "hard_timeout=1," in flow
    assert "actions=drop" in flow
    wait_until(lambda: rig.outcome("denied") > before, PATIENCE)
    assert rig.outcome("denied") - before <= 30
    wait_until(lambda: not flows_between(rig["h1"], one.ip, foreign.ip, DENY), PATIENCE)
    in_vain(one, foreign.ip)
    after = rig.outcome("denied")
    send_raw(one, *[asking(one, foreign.ip)] * 50)
    assert ping(one, "10.1.0.1").returncode == 0
    assert rig.outcome("denied") == after, "they met the drop flow"


def test_drop_flow_is_lifted(rig: Rig) -> None:
    """What was refused a moment ago works as soon as the change that allows it is answered."""
    one, other = rig.add("h1"), rig.add("h2", post=False)
    assert "Host Unreachable" in in_vain(one, other.ip)
    assert len(flows_between(rig["h1"], one.ip, other.ip, DENY)) == 1
    rig.post(other)
    assert reaches(one, other.ip)


@pytest.mark.parametrize("tag", ["8100 0005", "8100 0000", "88a8 0005 8100 0006"])
@PLACES
def test_tagged(rig: Rig, second: str, tag: str) -> None:
    """A frame with a VLAN tag goes nowhere, not even over a live route, and never to the controller."""
    one, other = rig.pair("h1", second)
    assert reaches(one, other.ip)
    good = asking(one, other.ip)
    tagged = good[:12] + bytes.fromhex(tag) + good[12:]
    before = rig.punts()
    with Capture(rig.lab.fabric, "vlan", nic="wire") as wire, Capture(other, inbound=True) as seen:
        send_raw(one, *[tagged] * 5)
        assert reaches(one, other.ip)
        wait_until(lambda: seen.lines, PATIENCE)
    assert len(seen.lines) == 1
    assert list(wire.lines) == []
    assert rig.punts() == before


@pytest.mark.parametrize(("eth_type", "mac_to"), [(0x86DD, "33:33:00:00:00:16"), (0x88CC, "01:80:c2:00:00:0e")])
def test_noise(rig: Rig, eth_type: int, mac_to: str) -> None:
    """Frames of a kind that is never routed cost the controller one visit a minute per port, and reach nobody."""
    own, other = rig.pair("h1", "h1")
    frame = mac(mac_to) + mac(own.mac) + eth_type.to_bytes(2, "big") + b"\x60" + bytes(60)
    before = rig.outcome("not IPv4")
    with Capture(other, inbound=True) as seen:
        send_raw(own, frame)
        port = rig["h1"].ofport(own.port)
        wait_until(lambda: [f for f in live(rig["h1"], DENY) if number(f, "in_port") == str(port)], PATIENCE)
        send_raw(own, *[frame] * 50)
        assert ping(own, "10.1.0.1").returncode == 0
        wait_until(lambda: rig.outcome("not IPv4") > before, PATIENCE)
    assert rig.outcome("not IPv4") == before + 1
    assert list(seen.lines) == []
    (flow,) = [f for f in live(rig["h1"], DENY, stats=True) if number(f, "in_port") == str(port)]
    assert "hard_timeout=60," in flow
    assert reaches(own, other.ip), "and the port's packets go on"


def test_malformed(rig: Rig) -> None:
    """Broken frames reach nobody and disturb nobody."""
    own, other = rig.pair("h1", "h1")
    good = asking(own, other.ip)
    broken = [
        good[:20],  # a header that ends in the middle
        good[:14] + b"\x41" + good[15:],  # a header of 4 bytes
        good[:14] + b"\x4f" + good[15:34],  # a header that is longer than the frame
        good[:14] + b"\x65" + good[15:],  # version 6
        good[:16] + b"\xff\xff" + good[18:],  # longer than the frame
        good[:16] + b"\x00\x01" + good[18:],  # shorter than its header
        bytes(14),
        good[:12] + b"\x08\x06" + b"\xff" * 46,  # ARP of nothing
        good[:12] + b"\x00\x04" + b"\xaa" * 60,  # IEEE 802.3
    ]
    with Capture(other, "icmp", inbound=True) as seen:
        send_raw(own, *broken)
        assert reaches(own, other.ip)
        wait_until(lambda: seen.lines, PATIENCE)
    assert len([line for line in seen.lines if "echo request, id 4660" not in line]) >= 1
    assert rig.status("h1")["connected"]
    assert rig.metric("daoli_switch_errors_total") == 0


def test_port_without_endpoint(rig: Rig) -> None:
    """A port that no endpoint is posted for is not heard, whatever it sends, and told to the operator."""
    unknown, other = rig.add("h1", post=False), rig.add("h1")
    with rig.watching() as wait_for, Capture(other, "icmp", inbound=True) as seen:
        send_raw(unknown, *[asking(unknown, other.ip)] * 20)
        wait_for("packet.refused", verdict="unknown port", host="h1", in_port=rig["h1"].ofport(unknown.port))
        assert reaches(other, "10.1.0.1")
    assert [line for line in seen.lines if unknown.ip in line] == []


@pytest.mark.parametrize("what", ["port", "unknown"])
def test_explain_obstacles(rig: Rig, what: str) -> None:
    """Explain says what is missing where an allowed packet would not arrive, and a ping says host unreachable."""
    one, other = rig.pair()
    if what == "unknown":
        answer = rig.controller.get(f"/explain?source={one.id}&destination=10.1.0.241")
        assert answer.status in (404, 422)
        assert answer.body["field"] == "destination"
        return
    rig["h2"].detach(other.name)
    wait_until(lambda: not rig.get(f"/endpoints/{other.id}")["reachable"], PATIENCE)
    said = rig.explain(one, other)
    assert (said["allowed"], said["deliverable"], said["flows"]) == (True, False, [])
    assert said["problems"] == [f"port {other.port} of {other.id} is not on host h2"]
    assert any(other.port in problem for problem in rig.status("h2")["problems"])
    assert "Destination Host Unreachable" in in_vain(one, other.ip)
    rig["h2"].attach(other.name)
    rig.wait_reachable(other)
    assert rig.explain(one, other)["deliverable"]
    assert reaches(one, other.ip)
