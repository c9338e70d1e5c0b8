"""One call of daolictl: how its result is shown."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from tests.cli.conftest import Run
from tests.cli.fake import FakeApi, host, network


def ends_after(looks: int) -> Callable[[float], None]:
    """Make a sleep that is interrupted in the end."""
    left = [looks]

    def sleep(_seconds: float) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    return sleep


def test_formats(api: FakeApi, run: Run) -> None:
    """A list is shown as a table, with all columns, as names, and as the API's body."""
    body = {
        "networks": [network("blue"), network("red", subnet="10.2.0.0/24", gateway="10.2.0.1", labels={"tier": "db"})]
    }
    api.says("GET", "/networks", body)
    assert run("network", "ls").out == (
        "NAME   SUBNET        GATEWAY    INTERNAL   ENDPOINTS\n"
        "blue   10.1.0.0/24   10.1.0.1   no         1\n"
        "red    10.2.0.0/24   10.2.0.1   no         1\n"
    )
    assert run("network", "ls", "-o", "wide").lines[2][-1] == "tier=db"
    assert run("network", "ls", "-o", "name").out == "blue\nred\n"
    assert json.loads(run("network", "ls", "-o", "json").out) == body
    assert yaml.safe_load(run("network", "ls", "-o", "yaml").out) == body


def test_empty_list(api: FakeApi, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty list is a header in a pipe, and on a terminal a hint."""
    api.says("GET", "/networks", {"networks": []})
    assert run("network", "ls").lines == [["NAME", "SUBNET", "GATEWAY", "INTERNAL", "ENDPOINTS"]]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert run("network", "ls").out == "There is no network; daolictl network create NAME makes one.\n"


def test_terminal(api: FakeApi, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the table is drawn."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    api.says("GET", "/networks", {"networks": [network("blue")]})
    assert "blue" in run("network", "ls").out


def test_details(api: FakeApi, run: Run) -> None:
    """One thing is shown a field a line, by its name, or as the API's body."""
    api.says("GET", "/networks/blue", network("blue", reserved=("10.1.0.9",)))
    assert ["Reserved:", "10.1.0.9"] in run("network", "show", "blue").lines
    assert run("network", "show", "blue", "-o", "name").out == "blue\n"
    assert json.loads(run("network", "show", "blue", "-o", "json").out)["reserved"] == ["10.1.0.9"]


def test_watch_in_a_pipe(api: FakeApi, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --watch the rows that are new or otherwise are written, and what is gone; ^C ends it with its own code."""
    monkeypatch.setattr("time.sleep", ends_after(6))
    api.says("GET", "/networks", {"networks": []})
    api.says("GET", "/networks", {"networks": []})
    api.says("GET", "/networks", {"networks": [network("blue")]})
    api.says("GET", "/networks", {"networks": [network("blue"), network("red")]})
    api.says("GET", "/networks", {"networks": [network("red", endpoints=2)]})
    said = run("network", "ls", "--watch")
    assert said.code == 130
    assert [(line[0], line[-1]) for line in said.lines] == [
        ("NAME", "ENDPOINTS"),
        ("blue", "1"),
        ("red", "1"),
        ("red", "2"),
        ("blue", "(gone)"),
    ]


def test_watch_as_json(api: FakeApi, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --watch and -o json each body that differs from the last is a line."""
    monkeypatch.setattr("time.sleep", ends_after(3))
    for name in ("blue", "blue", "red"):
        api.says("GET", "/networks", {"networks": [network(name)]})
    lines = run("network", "ls", "-w", "-o", "json").out.splitlines()
    assert [json.loads(line)["networks"][0]["name"] for line in lines] == ["blue", "red"]


def test_watch_passes_over_ages(api: FakeApi, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """That time goes by is no news."""
    for seconds in (1.0, 2.0):
        api.says("GET", "/hosts", {"hosts": [connected_for(seconds)], "unregistered": []})
    for style in ("table", "json"):
        monkeypatch.setattr("time.sleep", ends_after(3))
        said = run("host", "ls", "--watch", "-o", style)
        assert len(said.lines) == (2 if style == "table" else 1)


def connected_for(seconds: float) -> dict[str, Any]:
    """Describe a host that is connected for so long."""
    found = host()
    found["status"]["connected_seconds"] = seconds
    return found


def test_watch_on_a_terminal(api: FakeApi, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the table itself follows."""
    monkeypatch.setattr("time.sleep", ends_after(4))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    api.says("GET", "/networks", {"networks": []})
    api.says("GET", "/networks", {"networks": [network("blue")]})
    api.says("GET", "/networks", "gone")
    api.says("GET", "/networks", {"networks": [network("red")]})
    said = run("network", "ls", "--watch")
    assert said.code == 130
    assert "blue" in said.out
    assert "answers again" in said.out
    assert "red" in said.out


def test_watch_without_controller(api: FakeApi, run: Run) -> None:
    """A controller that never answered is not watched: the exit code says so."""
    api.says("GET", "/hosts", "gone")
    assert run("host", "ls", "--watch").code == 3


def test_watch_outlives_the_controller(api: FakeApi, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A controller that goes is waited for, which stderr says, and the watch goes on from what it had shown."""
    monkeypatch.setattr("time.sleep", ends_after(4))
    api.says("GET", "/networks", {"networks": [network("blue")]})
    api.says("GET", "/networks", "gone")
    api.refuses("GET", "/networks", 503, "the store is away")
    api.says("GET", "/networks", {"networks": [network("blue"), network("red")]})
    said = run("network", "ls", "--watch")
    assert said.code == 130
    assert [line[0] for line in said.lines] == ["NAME", "blue", "red"]
    away, back, *_ = said.err.splitlines()
    assert "cannot be reached" in away
    assert "trying again" in away
    assert back == "daolictl: the controller answers again"


def test_result_formats(api: FakeApi, run: Run) -> None:
    """What was done is a sentence for people, a name for scripts, the API's body for programs."""
    body = network("blue") | {"revision": 3}
    api.says("POST", "/networks", body, 201)
    assert run("network", "create", "blue").out == "network blue created: 10.1.0.0/24, gateway 10.1.0.1\n"
    assert run("network", "create", "blue", "-o", "name").out == "blue\n"
    assert json.loads(run("network", "create", "blue", "-o", "json").out) == body


def test_steering_characters_are_shown(api: FakeApi, run: Run) -> None:
    """A label that would clear the screen does not."""
    api.says("GET", "/hosts/h1", host(labels={"x": "\x1b[2J"}))
    for style in ("table", "json", "yaml"):
        assert "\x1b" not in run("host", "show", "h1", "-o", style).out
