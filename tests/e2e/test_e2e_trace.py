"""Probes on real switches, with what goes wrong on the way: what is said is what a ping finds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.e2e.rig import PATIENCE, Capture, Rig, flows_between, ping, reaches
from tests.e2e.traffic import UdpReceiver

from daoli.lab import Endpoint, Host, wait_until

pytestmark = pytest.mark.e2e

PLACES = pytest.mark.parametrize("second", ["h1", "h2"], ids=["same-host", "two-hosts"])
LIVE = pytest.mark.parametrize("live", [False, True], ids=["no-route", "live-route"])
PLANTED = "cookie=0xbad"


def trace(rig: Rig, one: Endpoint, other: Endpoint, **fields: Any) -> dict[str, Any]:
    """What a probe finds."""
    answer = rig.controller.post("/trace", {"source": one.id, "destination": other.id, **fields})
    assert answer.status == 200, answer
    body: dict[str, Any] = answer.body
    return body


@contextmanager
def planted(host: Host, match: str) -> Iterator[None]:
    """Have a bridge drop what a match says, by a flow that is nobody's."""
    host.ofctl("add-flow", "daoli", f"{PLANTED},priority=60000,{match},actions=drop")
    try:
        yield
    finally:
        host.ofctl("del-flows", "daoli", f"{PLANTED}/-1")


@PLACES
@LIVE
@pytest.mark.parametrize("packet", [{}, {"protocol": "tcp", "port": 80}, {"protocol": "udp", "port": 5000}])
def test_arrives(rig: Rig, second: str, packet: dict[str, Any], live: bool) -> None:
    """A probe gets there, nothing answers it, and no route is left that was not there."""
    one, other = rig.pair("h1", second)
    if live:
        assert reaches(one, other.ip)
    before = rig.route(one, other)
    with Capture(other, "src", one.ip) as seen, Capture(other, "src", other.ip) as answers:
        found = trace(rig, one, other, **packet)
        wait_until(lambda: seen.lines, PATIENCE, what="the probe")
    assert (found["arrived"], found["stopped_at"]) == (True, None), found
    assert [step["host"] for step in found["steps"]][:1] == ["h1"]
    assert {step["host"] for step in found["steps"]} == {"h1", second}
    assert any(step["flow"] for step in found["steps"]) is live
    assert len(seen.lines) == 1
    assert not answers.lines
    route = rig.route(one, other)
    assert (route and route["id"]) == (before and before["id"])
    if not live:
        assert not flows_between(rig["h1"], one.ip, other.ip) + flows_between(rig[second], one.ip, other.ip)


def test_no_service_notices(rig: Rig) -> None:
    """Who listens on the port hears nothing of it."""
    one, other = rig.pair()
    with UdpReceiver(other) as receiver:
        assert trace(rig, one, other, protocol="udp", port=9000)["arrived"]
        assert not list(receiver.seen())


@PLACES
@LIVE
def test_port_down(rig: Rig, second: str, live: bool) -> None:
    """A container whose interface is down gets nothing, and its port is named; so is that of a sender."""
    one, other = rig.pair("h1", second)
    if live:
        assert reaches(one, other.ip)
    other.exec(["ip", "link", "set", "eth0", "down"])
    wait_until(lambda: not trace(rig, one, other)["arrived"], PATIENCE, what="the link's end")
    found = trace(rig, one, other)
    assert (found["arrived"], found["stopped_at"]) == (False, second)
    assert f"port {other.port} of {other.id} on host {second} is down" in found["reason"]
    back = trace(rig, other, one)
    assert (back["arrived"], back["stopped_at"]) == (False, second)
    assert "it could send nothing" in back["reason"]


@pytest.mark.parametrize("at", ["h1", "h2"])
def test_flow_missing(rig: Rig, at: str) -> None:
    """Where a flow of a live route is missing the probe comes to the controller, which would put it back."""
    one, other = rig.pair()
    assert reaches(one, other.ip)
    rig[at].ofctl("del-flows", "daoli", f"ip,nw_src={one.ip},nw_dst={other.ip}")
    found = trace(rig, one, other)
    assert found["arrived"], found
    assert [(step["host"]) for step in found["steps"] if "no flow takes it" in step["what"]] == [at]
    assert reaches(one, other.ip)


@LIVE
@pytest.mark.parametrize("cut", ["h1", "h2"])
def test_uplink_cut(rig: Rig, live: bool, cut: str) -> None:
    """What the wire loses left the first host and did not come to the second."""
    one, other = rig.pair()
    if live:
        assert reaches(one, other.ip)
    match = f"ip,nw_src={one.ip},nw_dst={other.ip}"
    with planted(rig["h2"], match) if cut == "h2" else _unplugged(rig):
        found = trace(rig, one, other)
        # A route that idled out meanwhile is opened anew, and its first packets may go by the controller.
        wait_until(lambda: not reaches(one, other.ip), PATIENCE, what="the loss")
    assert (found["arrived"], found["stopped_at"]) == (False, "h1"), found
    assert found["reason"].endswith("has not come to host h2")
    wait_until(lambda: trace(rig, one, other)["arrived"], PATIENCE, what="the wire")


@contextmanager
def _unplugged(rig: Rig) -> Iterator[None]:
    """Have the wire between hosts lose everything, while both ends are up."""
    wire = rig.lab.fabric
    wire.exec(["ip", "link", "set", "wire", "down"])
    try:
        yield
    finally:
        wire.exec(["ip", "link", "set", "wire", "up"])


@pytest.mark.parametrize("again", [False, True])
def test_denied(rig: Rig, again: bool) -> None:
    """What policy refuses stops at its own host with the reason, or by the flow of the last refusal."""
    one, foreign = rig.add("h1", "dnet1"), rig.add("h2", "dnet2")
    if again:
        ping(one, foreign.ip, "-W0.1")
    found = trace(rig, one, foreign)
    assert (found["arrived"], found["stopped_at"]) == (False, "h1")
    just_now = "such a packet was refused just now; daolictl explain says why"
    assert found["reason"] in ("denied: different networks", *([just_now] if again else []))


def test_planted_drop_at_the_source(rig: Rig) -> None:
    """A flow that is nobody's and drops the packet at the source's host is noticed by its silence."""
    one, other = rig.pair()
    with planted(rig["h1"], f"ip,nw_src={one.ip},nw_dst={other.ip}"):
        found = trace(rig, one, other)
        assert not reaches(one, other.ip)
    assert (found["arrived"], found["stopped_at"]) == (False, "h1")
    assert "has not come to the controller" in found["reason"]


def test_port_away(rig: Rig) -> None:
    """A port that is not on its bridge is said to be so."""
    one, other = rig.add("h1"), rig.add("h2", attach=False)
    found = trace(rig, one, other)
    assert (found["arrived"], found["reason"]) == (
        False,
        f"unreachable: port {other.port} of {other.id} is not on host h2",
    )
