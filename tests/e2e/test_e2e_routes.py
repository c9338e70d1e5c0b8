"""Allowed conversations: opened by the first packet, carried by the switches, gone when unused."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from tests.e2e.rig import DENY, PAIR, PATIENCE, Capture, Rig, flows_between, live, normal, number, ping, reaches
from tests.e2e.traffic import TcpEcho, TcpTransfer, UdpReceiver, UdpSender

from daoli.lab import Endpoint, Host, wait_until

pytestmark = pytest.mark.e2e

PLACES = pytest.mark.parametrize("second", ["h1", "h2"], ids=["same-host", "two-hosts"])


def packets(rig: Rig, one: Endpoint, other: Endpoint) -> dict[tuple[str, str, str], int]:
    """Packets counted by the pair's flows, by host, by where they match, and by their source address."""
    return {
        (host.name, "arrive" if "dl_dst" in flow else "forward", number(flow, "nw_src")): int(number(flow, "n_packets"))
        for host in rig.lab.hosts.values()
        for flow in flows_between(host, one.ip, other.ip)
    }


def gone(host: Host, one: Endpoint, other: Endpoint) -> bool:
    """Whether the host has no flows of these two."""
    return not flows_between(host, one.ip, other.ip)


@PLACES
def test_ping(rig: Rig, second: str) -> None:
    """Every packet arrives, the first one too, its TTL lowered by each router on the way; two flows at each host."""
    one, other = rig.pair("h1", second)
    hops = 1 if second == "h1" else 2
    with Capture(
        other, f"icmp[icmptype] == icmp-echo and ip[8] == {64 - hops} and ether src 02:da:01:1e:00:01"
    ) as seen:
        said = ping(one, other.ip).stdout + ping(one, other.ip, "-c4", "-i0.02").stdout
        wait_until(lambda: len(seen.lines) >= 5, PATIENCE)
    assert said.count(f"ttl={64 - hops} ") == 5
    assert "4 received, 0% packet loss" in said
    counted = packets(rig, one, other)
    assert len(counted) == (2 if second == "h1" else 4)
    route = rig.route(one, other)
    assert route is not None
    assert (route["source"], route["destination"], route["granularity"]) == (one.id, other.id, "pair")
    names = ("packets", "packets_back", "bytes", "bytes_back")
    # Open vSwitch gathers what its fast path forwarded twice a second. The first packet took no flow.
    wanted = (4, 5, 4 * 98, 5 * 98)
    wait_until(lambda: tuple((rig.route(one, other) or {}).get(n) for n in names) == wanted, PATIENCE, what="counters")


def test_first_packet_leaves_at_destination(rig: Rig) -> None:
    """The first packet crosses by the controller's channels, not by the wire: no flow counts it; its answer does."""
    one, other = rig.pair()
    with Capture(rig.lab.fabric, "icmp", nic="wire") as wire:
        assert reaches(one, other.ip)
        wait_until(lambda: wire.lines, PATIENCE)
    assert ["echo reply" in line for line in wire.lines] == [True]
    wait_until(lambda: packets(rig, one, other).get(("h2", "forward", other.ip)) == 1, PATIENCE, what="the answer")
    counted = packets(rig, one, other)
    assert (counted["h1", "forward", one.ip], counted["h2", "arrive", one.ip]) == (0, 0)


def test_first_packet_of_each_way_at_once(rig: Rig) -> None:
    """Two endpoints that ping each other at the same moment open one route, and neither loses a packet."""
    one, other = rig.pair()
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(reaches, (one, other), (other.ip, one.ip))) == [True, True]
    assert rig.route(one, other)


@PLACES
def test_mtu(rig: Rig, second: str) -> None:
    """A packet of the full 1500 bytes arrives unfragmented, also as the first one; a bigger one is refused here."""
    one, other = rig.pair("h1", second)
    assert ping(one, other.ip, "-M", "do", "-s", "1472").returncode == 0
    assert ping(one, other.ip, "-M", "do", "-s", "1472").returncode == 0
    assert "message too long" in ping(one, other.ip, "-M", "do", "-s", "1473").stderr
    assert ping(one, other.ip, "-s", "6000").returncode == 0, "fragments"


@PLACES
def test_tcp(rig: Rig, second: str) -> None:
    """A TCP conversation works from its first segment on, and bytes come back as they went."""
    one, other = rig.pair("h1", second)
    with TcpEcho(other), TcpTransfer(one, other.ip) as transfer:
        transfer.go_on(50)


@PLACES
def test_udp_one_way(rig: Rig, second: str) -> None:
    """Of one-way traffic the unused direction idles out, the used one stays; nothing is lost meanwhile or after."""
    one, other = rig.pair("h1", second)
    with UdpReceiver(other) as receiver, UdpSender(one, other.ip) as sender:
        wait_until(lambda: flows_between(rig["h1"], one.ip, other.ip), PATIENCE)
        back = rig[second]
        wait_until(
            lambda: {number(f, "nw_src") for f in flows_between(back, one.ip, other.ip)} <= {one.ip},
            PATIENCE,
            what="the unused direction to idle out",
        )
        route = rig.route(one, other)
        assert route is not None
        assert reaches(other, one.ip), "the other direction comes back when it is needed"
        again = rig.route(one, other)
        assert again is not None
        assert again["id"] == route["id"]
        assert {number(f, "nw_src") for f in flows_between(back, one.ip, other.ip)} == {one.ip, other.ip}
        sent = sender.sent()
        seen = [int(text) for _, text in receiver.seen()]
    assert sent > 50
    assert seen == list(range(1, sent + 1))


@PLACES
def test_idle(rig: Rig, second: str) -> None:
    """A route that nobody uses goes after the idle time, from the switches and from the controller, and it is told."""
    one, other = rig.pair("h1", second)
    with rig.watching() as wait_for:
        assert reaches(one, other.ip)
        opened = wait_for("route.opened", source=one.id, destination=other.id)
        closed = wait_for("route.closed", route=opened["route"])
    assert (closed["why"], closed["source"], closed["destination"]) == ("idle", one.id, other.id)
    assert 1.5 <= closed["seconds"] <= 6
    assert rig.route(one, other) is None
    for host in rig.lab.hosts.values():
        wait_until(partial(gone, host, one, other), PATIENCE)
    assert reaches(one, other.ip), "a new conversation opens a new route"


def test_punts_once(rig: Rig) -> None:
    """A conversation costs the controller its first packet, whatever follows it in either direction."""
    one, other = rig.pair()
    forwarded, restored, punts = rig.outcome("forward"), rig.outcome("restore"), rig.punts()
    assert reaches(one, other.ip)
    assert rig.outcome("forward") == forwarded + 1
    # The first answer may overtake the flows on their way to the first host. It is passed on, and they stay.
    assert rig.punts() - punts == 1 + rig.outcome("restore") - restored <= 2
    punts = rig.punts()
    assert "20 received" in ping(one, other.ip, "-c20", "-i0.01").stdout
    assert "20 received" in ping(other, one.ip, "-c20", "-i0.01").stdout
    assert rig.punts() == punts


@PLACES
@pytest.mark.parametrize("method", ["-U", "-I", "-T"], ids=["udp", "icmp", "tcp"])
def test_traceroute(rig: Rig, second: str, method: str) -> None:
    """Traceroute shows the gateway, then the other host's underlay address if there is another, then the target."""
    one, other = rig.pair("h1", second)
    said = one.exec(["traceroute", method, "-n", "-q1", "-w2", "-m6", other.ip], timeout=20).stdout
    hops = re.findall(r"^\s*\d+\s+(\S+)", said, re.MULTILINE)
    assert hops == ["10.1.0.1", *(["10.254.0.2"] if second == "h2" else []), other.ip]
    again = one.exec(["traceroute", method, "-n", "-q1", "-w2", "-m6", other.ip], timeout=20).stdout
    assert re.findall(r"^\s*\d+\s+(\S+)", again, re.MULTILINE) == hops, "also over flows that are there"


@PLACES
def test_time_exceeded_quotes(rig: Rig, second: str) -> None:
    """A ping whose TTL ends at a router is answered by that router, once, and does not arrive."""
    one, other = rig.pair("h1", second)
    assert reaches(one, other.ip)
    routers = ["10.1.0.1", "10.254.0.2"][: 1 if second == "h1" else 2]
    with Capture(other, "icmp") as seen:
        for ttl, router in enumerate(routers, 1):
            said = ping(one, other.ip, f"-t{ttl}").stdout
            assert f"From {router} icmp_seq=1 Time to live exceeded" in said
    assert list(seen.lines) == []
    assert ping(one, other.ip, f"-t{len(routers) + 1}").returncode == 0


@PLACES
def test_explained_flows_are_those_installed(rig: Rig, second: str) -> None:
    """Explain foretells exactly the flows that the first packet then installs."""
    one, other = rig.pair("h1", second)
    said = rig.explain(one, other)
    assert (said["allowed"], said["deliverable"], said["reason"]) == (True, True, "same network")
    assert said["path"] == (["h1"] if second == "h1" else ["h1", "h2"])
    assert said["live_route"] is None
    assert reaches(one, other.ip)
    for host in rig.lab.hosts.values():
        dumped = [f for f in live(host) if {number(f, "nw_src"), number(f, "nw_dst")} == {one.ip, other.ip}]
        planned = [flow["flow"] for flow in said["flows"] if flow["host"] == host.name]
        assert normal(dumped) == normal(planned)
        assert len(dumped) == len(planned)
    route = rig.route(one, other)
    assert route is not None
    assert rig.explain(one, other)["live_route"] == route["id"]


def test_gateway_answers(rig: Rig) -> None:
    """The gateway address answers pings on every host, and refuses other things like a router without services."""
    for host in ("h1", "h2"):
        own = rig.add(host)
        assert "2 received" in ping(own, "10.1.0.1", "-c2", "-i0.02").stdout
        assert ping(own, "10.1.0.1", "-s", "1472", "-M", "do").returncode == 0
        done = own.exec(["curl", "-sS", "-m5", "http://10.1.0.1/"], check=False)
        assert "Connection refused" in done.stderr or "No route" in done.stderr or done.returncode == 7


def test_no_drop_flows_from_good_traffic(rig: Rig) -> None:
    """What is allowed leaves no refusal behind."""
    one, other = rig.pair()
    assert reaches(one, other.ip)
    for host in rig.lab.hosts.values():
        assert flows_between(host, one.ip, other.ip, DENY) == []
        assert len(flows_between(host, one.ip, other.ip, PAIR)) == 2
