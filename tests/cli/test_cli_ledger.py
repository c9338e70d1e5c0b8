"""``daolictl ledger``."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.cli.conftest import Run
from tests.cli.fake import FakeApi

REFUSED: dict[str, Any] = {
    "kind": "packet.refused",
    "time": "2030-01-01T00:00:00.000Z",
    "verdict": "denied",
    "reason": "different networks",
    "source": "e1",
    "source_name": "web",
    "destination": None,
    "destination_address": "198.51.100.7",
    "protocol": "tcp",
    "destination_port": 80,
}


def test_ledger(api: FakeApi, run: Run) -> None:
    """Entries are listed as they were asked for; what the file lacks is noted."""
    api.says("GET", "/ledger", {"entries": [REFUSED], "begins": None, "dropped": 2})
    said = run("ledger", "--since", "10m", "--denied", "--source", "web", "--limit", "5")
    assert said.lines[1] == "2030-01-01T00:00:00.000Z refused web 198.51.100.7 tcp/80 denied - - - -".split()  # noqa: SIM905 - as it is read
    assert said.err == "the ledger's file lacks 2 entries, which could not be written\n"
    assert api.asked[0].path == "/ledger?since=10m&source=web&limit=5&denied=true"


@pytest.mark.parametrize(
    ("begins", "noted"),
    [
        (
            "2030-01-01T00:00:00.000Z",
            "nothing older than 2030-01-01T00:00:00.000Z is here; the controller's --ledger FILE",
        ),
        (None, "the controller keeps no ledger in memory: it was started with --ledger none"),
    ],
)
def test_not_whole(begins: str | None, noted: str, api: FakeApi, run: Run) -> None:
    """Where what was asked for goes back further than the controller's memory, that is noted."""
    api.says("GET", "/ledger", {"entries": [], "begins": begins, "whole": False, "dropped": 0})
    assert run("ledger", "--since", "1h").err.startswith(noted)


def test_wide(api: FakeApi, run: Run) -> None:
    """All columns have the reason."""
    api.says("GET", "/ledger", {"entries": [REFUSED], "begins": None, "dropped": 0})
    assert "different networks" in run("ledger", "-o", "wide").out


def at(moment: str, **more: Any) -> dict[str, Any]:
    """Make an entry of a time."""
    return {**REFUSED, "time": moment, **more}


@pytest.fixture
def following(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    """Let two entries of one moment be followed by another of it, then one of later, a restart, and the end."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    one = at("2030-01-01T00:00:00.001Z")
    for entries in ([one, one], [one, one, one], [one, one, one], [one, one, one, at("2030-01-01T00:00:00.002Z")]):
        api.says("GET", "/ledger", {"entries": entries, "begins": None, "dropped": 0})
    api.says("GET", "/ledger", "gone")
    api.says("GET", "/ledger", {"entries": [at("2030-01-01T00:00:09.000Z")], "begins": None, "dropped": 0})
    api.refuses("GET", "/ledger", 401, "the token is wrong")
    return api


def test_follow(following: FakeApi, run: Run) -> None:
    """Each entry is told once, also of several that are alike, under one header; a restart is waited for."""
    said = run("ledger", "--follow", "--denied", "--since", "10m")
    assert [line[0] for line in said.lines] == [
        "TIME",
        *["2030-01-01T00:00:00.001Z"] * 3,
        "2030-01-01T00:00:00.002Z",
        "2030-01-01T00:00:09.000Z",
    ]
    assert "the controller answers again" in said.err
    assert following.asked[0].path == "/ledger?since=10m&denied=true"
    assert following.asked[1].path == "/ledger?since=2030-01-01T00%3A00%3A00.001Z&limit=10000&denied=true"


@pytest.mark.usefixtures("following")
def test_follow_for_programs(run: Run) -> None:
    """With -o json an entry is a line."""
    entries = [json.loads(line) for line in run("ledger", "-w", "-o", "json").out.splitlines()]
    assert [entry["time"][-4:] for entry in entries] == ["001Z", "001Z", "001Z", "002Z", "000Z"]


@pytest.mark.usefixtures("following")
def test_follow_names(run: Run) -> None:
    """By name only, entries are their times."""
    assert len(run("ledger", "-f", "-o", "name").out.split()) == 5


def test_follow_lost(api: FakeApi, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than the controller tells at once is said to be incomplete."""
    monkeypatch.setattr("daoli.cli.ledger.MOST", 2)
    monkeypatch.setattr("time.sleep", lambda _: None)
    api.says("GET", "/ledger", {"entries": [REFUSED, REFUSED], "begins": None, "dropped": 0})
    api.refuses("GET", "/ledger", 401, "the token is wrong")
    assert "more than 2 entries came at once" in run("ledger", "-f").err
