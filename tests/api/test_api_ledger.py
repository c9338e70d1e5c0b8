"""The ledger over HTTP."""

from __future__ import annotations

import time

import pytest
from tests.api.client import Api
from tests.hosts.test_ledger import closed, refused

from daoli.api.ledger import seconds_of
from daoli.api.services import SERVICES
from daoli.hosts.ledger import Ledger


@pytest.fixture
def ledger(api: Api) -> Ledger:
    """The API's ledger, which keeps something."""
    app = api.client.app
    assert app is not None
    kept = app[SERVICES].ledger
    Ledger.__init__(kept)
    return kept


async def test_empty(api: Api) -> None:
    """Where nothing is kept there is nothing."""
    assert (await api.ask("GET", "/ledger")).body == {"entries": [], "begins": None, "whole": True, "dropped": 0}


async def test_entries(api: Api, ledger: Ledger) -> None:
    """Entries are told whole, the newest last, and chosen by time, verdict, ends and number."""
    now = time.time()
    for note in (refused(now - 3600), closed(now - 60), refused(now)):
        ledger.add(note)
    body = (await api.ask("GET", "/ledger")).body
    assert [entry["kind"] for entry in body["entries"]] == ["packet.refused", "route.closed", "packet.refused"]
    assert body["begins"] == body["entries"][0]["time"]
    assert body["entries"][1]["packets"] is None
    for query, count in (("since=10m", 2), ("denied=true", 2), ("denied=true&since=10m", 1), ("source=10.1.0.3", 1)):
        assert len((await api.ask("GET", f"/ledger?{query}")).body["entries"]) == count, query
    for query, count in (("source=web", 2), ("destination=web", 1), ("limit=1", 1), ("since=1970-01-01T00:00:00Z", 3)):
        assert len((await api.ask("GET", f"/ledger?{query}")).body["entries"]) == count, query


async def test_whole(api: Api, ledger: Ledger) -> None:
    """It is told whether memory reaches back to what was asked for."""
    ledger.add(refused(time.time() - 600))
    for query, whole in (("", True), ("?since=9m", True), ("?since=11m", False)):
        assert (await api.ask("GET", f"/ledger{query}")).body["whole"] is whole, query


@pytest.mark.parametrize(
    ("query", "field"),
    [("since=soon", "since"), ("since=2026-01-01T00:00:00", "since"), ("limit=0", "limit"), ("limit=10001", "limit")],
)
async def test_wrong(api: Api, query: str, field: str) -> None:
    """What makes no sense is refused by its name."""
    answer = await api.ask("GET", f"/ledger?{query}")
    assert (answer.status, answer.field) == (400, field)


@pytest.mark.parametrize(("text", "ago"), [("90s", 90), ("10m", 600), ("2h", 7200), ("1d", 86400)])
def test_ago(text: str, ago: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A time may be how long ago."""
    monkeypatch.setattr("daoli.api.ledger.time.time", lambda: 1e6)
    assert seconds_of(text) == 1e6 - ago
