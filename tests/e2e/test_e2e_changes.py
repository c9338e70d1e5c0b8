"""Endpoints and hosts that come, move and go: what a change cuts is gone when the request is answered."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.e2e.rig import (
    DENY,
    PATIENCE,
    STATIC,
    STATIC_FLOWS,
    Capture,
    Pinger,
    Rig,
    flows_between,
    live,
    ping,
    reaches,
    unanswered,
)
from tests.e2e.traffic import TcpEcho, TcpTransfer

from daoli.lab import Endpoint, Host, wait_until
from daoli.lab.processes import children

pytestmark = pytest.mark.e2e

PLACES = pytest.mark.parametrize("second", ["h1", "h2"], ids=["same-host", "two-hosts"])


def holds_none(rig: Rig, one: Endpoint, other: Endpoint) -> bool:
    """Whether no host has a flow of a route between these two."""
    return not any(flows_between(host, one.ip, other.ip) for host in rig.lab.hosts.values())


def cut(answer: dict[str, Any]) -> set[frozenset[str]]:
    """Which conversations an answer says were cut."""
    return {frozenset((route["source"], route["destination"])) for route in answer["cut"]}


@contextmanager
def stopped(host: Host) -> Iterator[None]:
    """Stop a host's ovs-vswitchd with SIGSTOP until the end of the block."""
    text = host.exec(["cat", "/run/openvswitch/ovs-vswitchd.pid"]).stdout
    inside = int(text)
    (pid,) = [pid for pid in descendants(host.pid_number) if inner_pid(pid) == inside]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def descendants(pid: int) -> list[int]:
    """All processes below one."""
    return [below for child in children(pid) for below in (child, *descendants(child))]


def inner_pid(pid: int) -> int:
    """The pid of a process as its own namespace knows it."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:  # noqa: PTH123  a line of it is enough
        return next(int(line.split()[-1]) for line in status if line.startswith("NSpid"))


# -- endpoints ---------------------------------------------------------------------------------------------------


@PLACES
def test_endpoint_removed(rig: Rig, second: str) -> None:
    """When the request is answered its routes are gone at both ends, and only its; the answer lists what was cut."""
    one, other = rig.pair("h1", second)
    friend = rig.add("h2")
    assert reaches(one, other.ip)
    assert reaches(one, friend.ip)
    assert reaches(friend, other.ip)
    with rig.watching() as wait_for:
        answer = rig.delete(f"/endpoints/{other.id}")
        assert holds_none(rig, one, other)
        assert holds_none(rig, friend, other)
        wait_for("route.closed", source=one.id, destination=other.id, why="inventory changed")
        wait_for("endpoint.removed", endpoint=other.id)
    assert cut(answer) == {frozenset((one.id, other.id)), frozenset((friend.id, other.id))}
    assert answer["unconfirmed"] == []
    assert rig.route(one, other) is None
    assert rig.route(one, friend) is not None
    assert len(flows_between(rig["h1"], one.ip, friend.ip)) == 2
    assert "Destination Host Unreachable" in ping(one, other.ip, timeout=5).stdout
    rig.post(other)
    assert reaches(one, other.ip), "the refusal is lifted"


def test_list_replaced(rig: Rig) -> None:
    """A host's list cuts what it leaves out, also a route between two that both go, and leaves the rest alone."""
    first, second, stays = rig.add("h2"), rig.add("h2"), rig.add("h2")
    far = rig.add("h1")
    for one, other in ((first, second), (far, stays), (far, first)):
        assert reaches(one, other.ip)
    keep = [e.plan.body() for e in rig["h2"].endpoints.values() if e.id not in {first.id, second.id}]
    known = {e["id"] for e in rig.get("/endpoints?host=h2")["endpoints"]}
    answer = rig.controller.put("/hosts/h2/endpoints", {"endpoints": [b for b in keep if b["id"] in known]})
    assert answer.status == 200, answer
    assert set(answer.body["removed"]) == {first.id, second.id}
    assert cut(answer.body) == {frozenset((first.id, second.id)), frozenset((far.id, first.id))}
    assert holds_none(rig, first, second)
    assert holds_none(rig, far, first)
    assert rig.route(far, stays) is not None
    assert rig.controller.get("/healthz").status == 200


def test_renamed_in_place(rig: Rig) -> None:
    """A new name or label cuts nothing."""
    one, other = rig.pair()
    assert reaches(one, other.ip)
    answer = rig.post(other, name="other-name", labels={"tier": "db"})
    assert answer["cut"] == []
    route = rig.route(one, other)
    assert route is not None
    assert len(flows_between(rig["h1"], one.ip, other.ip)) == 2


@PLACES
def test_moved_to_another_port(rig: Rig, second: str) -> None:
    """An endpoint whose port gets another number is reached at once, over new flows; the old ones are gone."""
    one, other = rig.pair("h1", second)
    assert reaches(one, other.ip)
    before = rig[second].ofport(other.port)
    with rig.watching() as wait_for:
        rig[second].detach(other.name)
        wait_for("route.closed", source=one.id, destination=other.id, why="port changed")
    wait_until(lambda: holds_none(rig, one, other), PATIENCE)
    assert "Destination Host Unreachable" in ping(one, other.ip, timeout=5).stdout
    rig[second].vsctl(
        "add-port", "daoli", other.port, "--", "set", "interface", other.port, f"ofport_request={before + 40}"
    )
    rig.wait_reachable(other)
    assert rig[second].ofport(other.port) == before + 40
    assert reaches(one, other.ip)
    assert reaches(other, one.ip)


def test_moved_to_another_host(rig: Rig) -> None:
    """A container that moves with its addresses is reached at its new place by the very next packet."""
    one, other = rig.pair("h1", "h1")
    assert reaches(one, other.ip)
    moved = rig["h2"].add_endpoint(f"m{other.name}", ipv4=other.ip, mac=other.mac)
    rig.added.append(moved)
    answer = rig.controller.post("/endpoints", {**moved.plan.body(), "id": other.id, "name": other.id})
    assert answer.status == 200, answer
    assert cut(answer.body) == {frozenset((one.id, other.id))}
    assert holds_none(rig, one, other)
    rig.wait_reachable(other)
    with Capture(moved, "icmp[icmptype] == icmp-echo") as seen:
        said = ping(one, other.ip).stdout
        assert "ttl=62" in said
        wait_until(lambda: seen.lines, PATIENCE)
    assert reaches(moved, one.ip)
    assert unanswered(other, one.ip), "its old place does not speak for it"
    back = rig.controller.post("/endpoints", other.plan.body())
    assert cut(back.body) == {frozenset((one.id, other.id))}
    assert reaches(one, other.ip)
    assert "ttl=63" in ping(other, one.ip).stdout


def test_moved_under_tcp(rig: Rig) -> None:
    """A TCP connection outlives that its route is cut, as long as both ends stay."""
    one, other = rig.pair()
    with TcpEcho(other), TcpTransfer(one, other.ip) as transfer:
        transfer.go_on()
        assert cut(rig.delete(f"/endpoints/{other.id}")) == {frozenset((one.id, other.id))}
        rig.post(other)
        transfer.go_on()


def test_changed_mac(rig: Rig) -> None:
    """An endpoint with another MAC loses its routes; what still comes with the old MAC is forged."""
    one, other = rig.pair("h1", "h1")
    assert reaches(one, other.ip)
    assert cut(rig.post(other, mac="02:42:0a:01:00:fe")) == {frozenset((one.id, other.id))}
    assert unanswered(other, one.ip)
    assert cut(rig.post(other)) == set()
    assert reaches(other, one.ip)


@pytest.mark.parametrize("first", ["port", "endpoint"])
def test_port_and_endpoint_in_any_order(rig: Rig, first: str) -> None:
    """Whether a container's port or its endpoint comes first, it talks as soon as both are there."""
    peer = rig.add("h2")
    new = rig.add("h1", attach=first == "port", post=first == "endpoint")
    if first == "port":
        assert unanswered(new, peer.ip)
        assert "Destination Host Unreachable" in ping(peer, new.ip, timeout=5).stdout
        rig.post(new)
    else:
        assert not rig.get(f"/endpoints/{new.id}")["reachable"]
        assert "Destination Host Unreachable" in ping(peer, new.ip, timeout=5).stdout
        rig["h1"].attach(new.name)
    rig.wait_reachable(new)
    assert reaches(peer, new.ip)
    assert reaches(new, peer.ip)


def test_port_back_under_traffic(rig: Rig) -> None:
    """Traffic goes on by itself when a container's port was gone and comes back."""
    one, other = rig.pair()
    with Pinger(one, other.ip) as pinger:
        pinger.wait_for(5)
        rig["h2"].detach(other.name)
        wait_until(lambda: not rig.get(f"/endpoints/{other.id}")["reachable"], PATIENCE)
        rig["h2"].attach(other.name)
        pinger.wait_for(5)
        pinger.stop()


# -- hosts -------------------------------------------------------------------------------------------------------


@pytest.fixture
def whole(rig: Rig) -> Iterator[Rig]:
    """Lend the rig to a test that removes h2, and post h2 again behind it."""
    known = rig.get("/endpoints?host=h2")["endpoints"]
    names = {e["id"] for e in known}
    try:
        yield rig
    finally:
        rig.clean()
        assert rig.controller.post("/hosts", rig["h2"].plan.body()).status in (200, 201)
        rig.wait_settled()
        for endpoint in rig["h2"].endpoints.values():
            if endpoint.id in names:
                rig.post(endpoint)


def test_host_removed(whole: Rig) -> None:
    """A host that leaves takes its endpoints and routes along, at both ends; its datapath is left without our flows."""
    rig = whole
    one, other = rig.pair()
    near = rig.add("h1")
    assert reaches(one, other.ip)
    assert reaches(one, near.ip)
    answer = rig.delete("/hosts/h2")
    assert other.id in answer["endpoints"]
    assert cut(answer) == {frozenset((one.id, other.id))}
    assert answer["unconfirmed"] == []
    assert holds_none(rig, one, other)
    assert rig["h2"].flows() == []
    assert rig.route(one, near) is not None
    assert rig.controller.get("/hosts/h2").status == 404
    assert [found["dpid"] for found in rig.get("/hosts")["unregistered"]] == [rig["h2"].plan.dpid]
    assert "Destination Host Unreachable" in ping(one, other.ip, timeout=5).stdout
    back = rig.controller.post("/hosts", rig["h2"].plan.body())
    assert back.status == 201
    rig.wait_settled("h2")
    rig.post(other)
    assert reaches(one, other.ip)


def test_quarantine(whole: Rig) -> None:
    """An unregistered datapath is kept connected, shown, and left alone; its packets go nowhere; posting it is all."""
    rig = whole
    one, other = rig.pair()
    rig.delete("/hosts/h2")
    (found,) = rig.get("/hosts")["unregistered"]
    assert found["dpid"] == rig["h2"].plan.dpid
    assert found["peer"].startswith("10.254.0.2:")
    assert unanswered(other, one.ip)
    assert rig["h2"].flows() == []
    (again,) = rig.get("/hosts")["unregistered"]
    assert again["peer"] == found["peer"], "the same connection"
    assert rig.controller.post("/hosts", rig["h2"].plan.body()).status == 201
    rig.post(other)
    rig.wait_settled("h2")
    assert rig.get("/hosts")["unregistered"] == []
    assert rig.status("h2")["peer"] == found["peer"], "still the same connection"
    assert len(live(rig["h2"], STATIC)) == STATIC_FLOWS  # others may be there: the ping waits for its ARP answer yet
    assert reaches(other, one.ip)


def test_other_peoples_flows_stay(whole: Rig) -> None:
    """Flows that are not daoli's are counted and never touched."""
    rig = whole
    host = rig["h2"]
    host.ofctl("add-flow", "daoli", "cookie=0x77,table=9,priority=5,in_port=1,actions=drop")
    try:
        rig.delete("/hosts/h2")
        assert len(host.flows()) == 1
        assert rig.controller.post("/hosts", host.plan.body()).status == 201
        rig.wait_settled("h2")
        assert any("1 flows on the bridge are not daoli's" in text for text in rig.status("h2")["problems"])
        assert len(live(host, STATIC)) == STATIC_FLOWS
        assert len(live(host, "cookie=0x77,")) == 1
    finally:
        host.ofctl("del-flows", "daoli", "cookie=0x77/-1")


def test_unconfirmed(rig: Rig) -> None:
    """A host that cannot confirm a cut is named in the answer, which does not wait longer than its bound."""
    one, other = rig.pair()
    assert reaches(one, other.ip)
    with stopped(rig["h2"]):
        answer = rig.delete(f"/endpoints/{one.id}")
        assert flows_between(rig["h1"], one.ip, other.ip) == []
    assert cut(answer) == {frozenset((one.id, other.id))}
    assert answer["unconfirmed"] == ["h2"]
    wait_until(lambda: holds_none(rig, one, other), PATIENCE, what="h2 to do what it was told")
    rig.wait_settled()


def test_wrong_uplink(whole: Rig) -> None:
    """A host whose uplink's name is wrong says so; traffic within it works, and across once the name is right."""
    rig = whole
    rig.delete("/hosts/h2")
    body = rig["h2"].plan.body()
    assert rig.controller.post("/hosts", {**body, "uplink": "eth9"}).status == 201
    one, near, far = rig.add("h2"), rig.add("h2"), rig.add("h1")
    rig.wait_settled("h2")
    assert "the bridge has no port eth9: cross-host traffic is impossible" in rig.status("h2")["problems"]
    assert reaches(one, near.ip)
    said = rig.explain(one, far)
    assert (said["allowed"], said["deliverable"]) == (True, False)
    assert said["problems"] == ["uplink eth9 is not on host h2"]
    assert "Destination Host Unreachable" in ping(one, far.ip, timeout=5).stdout
    assert rig.controller.post("/hosts", body).status == 200
    wait_until(
        lambda: rig.explain(one, far)["deliverable"] and len(live(rig["h2"], STATIC)) == STATIC_FLOWS,
        PATIENCE,
    )
    assert reaches(one, far.ip)
    assert live(rig["h2"], DENY) == []
