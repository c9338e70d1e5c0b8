"""``daolictl events``."""

from __future__ import annotations

import json

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


def test_table(api: FakeApi, run: Run) -> None:
    """Each event is a line; the end of the stream is the controller's absence."""
    api.says("GET", "/events", STREAM)
    said = run("events", "--kinds", "host.connected,dropped")
    assert said.code == 3
    assert said.out == (
        "2026-01-02T03:04:05.000+00:00  host.connected          host=h1 adopted=3\n"
        "2026-01-02T03:04:06.000+00:00  dropped                 count=5\n"
    )
    assert api.asked[0].path == "/events?kinds=host.connected,dropped"


def test_for_programs(api: FakeApi, run: Run) -> None:
    """Events are lines of JSON, documents of YAML, or their kinds."""
    api.says("GET", "/events", STREAM)
    assert [json.loads(line) for line in run("events", "-o", "json").out.splitlines()] == [ONE, OTHER]
    assert list(yaml.safe_load_all(run("events", "-o", "yaml").out)) == [ONE, OTHER]
    assert run("events", "-o", "name").out == "host.connected\ndropped\n"


@given(st.lists(st.dictionaries(st.text(), st.text()), max_size=3))
def test_parsed(events: list[dict[str, str]]) -> None:
    """Events are read as they were sent, comments and unknown fields passed over, and data of several lines joined."""
    lines: list[str] = []
    for event in events:
        lines += [": ping", "", "retry: 5", *(f"data: {part}" for part in json.dumps(event, indent=1).splitlines()), ""]
    assert list(parsed(lines)) == events
