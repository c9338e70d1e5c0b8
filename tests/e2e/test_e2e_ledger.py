"""The ledger of a controller with real switches: what it says went by is what went by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.rig import PATIENCE, Rig, ping, reaches, running

from daoli.lab import Endpoint, wait_until
from daoli.lab.session import Controller

pytestmark = pytest.mark.e2e


def entries(rig: Rig, one: Endpoint, other: Endpoint, kind: str) -> list[dict[str, Any]]:
    """What the ledger has of one endpoint and another."""
    found: list[dict[str, Any]] = rig.get(f"/ledger?source={one.id}&destination={other.ip}")["entries"]
    return [entry for entry in found if entry["kind"] == kind]


def _counters(rig: Rig, one: Endpoint, other: Endpoint) -> tuple[int, int] | None:
    route = rig.route(one, other)
    return (route["packets"], route["packets_back"]) if route else None


def test_idle(rig: Rig) -> None:
    """A conversation is told when it begins, and when it idled out, with all that the flows of both hosts carried."""
    one, other = rig.pair()
    ping(one, other.ip, "-c4", "-i0.02")
    (opened,) = entries(rig, one, other, "route.opened")
    assert (opened["protocol"], opened["verdict"], opened["reason"]) == ("icmp", "allowed", "same network")
    assert (opened["source_host"], opened["destination_host"]) == ("h1", "h2")
    wait_until(lambda: entries(rig, one, other, "route.closed"), PATIENCE, what="the end")
    (closed,) = entries(rig, one, other, "route.closed")
    # The first packet went by the controller.
    assert (closed["packets"], closed["packets_back"]) == (3, 4)
    assert (closed["bytes"], closed["bytes_back"]) == (3 * 98, 4 * 98)
    assert (closed["why"], closed["route"]) == ("idle", opened["route"])


@pytest.mark.parametrize("second", ["h1", "h2"], ids=["same-host", "two-hosts"])
def test_cut(rig: Rig, second: str) -> None:
    """A conversation that a change cuts is told with what had gone by."""
    one, other = rig.pair("h1", second)
    with rig.watching() as wait_for:
        ping(one, other.ip, "-c4", "-i0.02")
        counted = (3, 4)
        wait_until(lambda: _counters(rig, one, other) == counted, PATIENCE, what="counters")
        rig.delete(f"/endpoints/{other.id}")
        closed = wait_for("route.closed", source=one.id)
    assert (closed["packets"], closed["packets_back"]) == counted
    assert closed["why"] == "inventory changed"


def test_refused(rig: Rig) -> None:
    """What was refused is told with its reason and its port."""
    one, foreign = rig.add("h1", "dnet1"), rig.add("h2", "dnet2")
    assert not reaches(one, foreign.ip)
    (refused,) = rig.get(f"/ledger?denied=true&source={one.id}&since=10m")["entries"]
    assert (refused["verdict"], refused["reason"]) == ("denied", "different networks")
    assert (refused["destination"], refused["protocol"], refused["host"]) == (foreign.id, "icmp", "h1")


def test_file(labs: Path) -> None:
    """The file has all of it, also what was noted last; the next controller has it in memory from its start."""
    file = labs / "ledger.jsonl"
    with running("--ledger", str(file), state_dir=labs) as rig:
        one, other = rig.lab.endpoint("h1/c1"), rig.lab.endpoint("h2/c1")
        assert reaches(one, other.ip)
        rig.delete(f"/endpoints/{other.id}")
        noted = rig.get("/ledger")["entries"]
        rig.controller.stop()
        with Controller(rig.lab, "--ledger", str(file)) as again:
            recalled = again.get("/ledger?since=1d").body
    lines = [json.loads(text) for text in file.read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["route.opened", "route.closed"]
    assert lines[: len(noted)] == [{name: v for name, v in entry.items() if v is not None} for entry in noted]
    assert [{name: v for name, v in entry.items() if v is not None} for entry in recalled["entries"]] == lines
    assert (recalled["begins"], recalled["whole"]) == (lines[0]["time"], False)
