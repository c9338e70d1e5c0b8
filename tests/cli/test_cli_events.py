"""``daolictl events``."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.cli.conftest import Run
from tests.cli.fake import FakeApi

from daoli.cli.events import parsed

ONE = {"id": 1, "kind": "host.connected", "time": "2026-01-02T03:04:05.000+00:00", "host": "h1", "adopted": 3}
OTHER = {"id": None, "kind": "dropped", "time": "2026-01-02T03:04:06.000+00:00", "count": 5}
STREAM = (
    f": ping\r\n\r\nid: 1\r\nevent: host.connected\r\ndata: {json.dumps(ONE)}\r\n\r\ndata: {json.dumps(OTHER)}\r\n\r\n"
)


@pytest.fixture
def api(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    """Serve a stream that ends, and then no more."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    api.says("GET", "/events", STREAM)
    api.refuses("GET", "/events", 401, "the token is wrong")
    return api


def test_table(api: FakeApi, run: Run) -> None:
    """Each event is a line; whoever is refused the stream is told why."""
    said = run("events", "--kinds", "host.connected,dropped")
    assert said.code == 1
    assert "the token is wrong" in said.err
    assert said.out == (
        "2026-01-02T03:04:05.000+00:00  host.connected          host=h1 adopted=3\n"
        "2026-01-02T03:04:06.000+00:00  dropped                 count=5\n"
    )
    assert api.asked[0].path == "/events?kinds=host.connected,dropped"


@pytest.mark.usefixtures("api")
def test_as_json(run: Run) -> None:
    """For programs events are lines of JSON."""
    assert [json.loads(line) for line in run("events", "-o", "json").out.splitlines()] == [ONE, OTHER]


@pytest.mark.usefixtures("api")
def test_as_yaml(run: Run) -> None:
    """As YAML each event is a document."""
    assert list(yaml.safe_load_all(run("events", "-o", "yaml").out)) == [ONE, OTHER]


@pytest.mark.usefixtures("api")
def test_kinds_alone(run: Run) -> None:
    """By name only, events are their kinds."""
    assert run("events", "-o", "name").out == "host.connected\ndropped\n"


def test_comes_back(api: FakeApi, run: Run) -> None:
    """A controller that goes is asked again for what came after the last event that was seen, and stderr says so."""
    said = run("events")
    assert [asked.last_event_id for asked in api.asked] == [None, "1"]
    assert "it ended the connection; trying again" in said.err


def test_comes_back_before_any(run: Run, api: FakeApi) -> None:
    """Where no event has come yet, it goes on from where the stream began; half an event does not count."""
    api.answers.clear()
    api.says("GET", "/events", "id: 41\r\n\r\nid: 42\r\nevent: x\r\n")
    api.refuses("GET", "/events", 401, "the token is wrong")
    assert run("events").out == ""
    assert [asked.last_event_id for asked in api.asked] == [None, "41"]


def test_never_there(call: Run) -> None:
    """A controller that never answered is not waited for."""
    assert call("events", "--controller", "unix:/nowhere").code == 3


@given(st.lists(st.dictionaries(st.text(), st.text()), max_size=3))
def test_parsed(events: list[dict[str, str]]) -> None:
    """Events are read as they were sent, comments and unknown fields passed over, and data of several lines joined."""
    lines: list[str] = []
    for event in events:
        lines += [": ping", "", "retry: 5", *(f"data: {part}" for part in json.dumps(event, indent=1).splitlines()), ""]
    assert list(parsed(lines)) == events
