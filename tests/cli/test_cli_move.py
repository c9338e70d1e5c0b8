"""``daolictl move``."""

from __future__ import annotations

import json

import pytest
from tests.cli.conftest import Run
from tests.cli.fake import FakeApi, move


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daoli.cli.following.INTERVAL", 0.0)


def test_ls(api: FakeApi, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Moves are listed with their states."""
    monkeypatch.setattr("time.time", lambda: 1180.0)
    api.says("GET", "/moves", {"moves": [move("stopping")]})
    assert run("move", "ls").lines[1] == ["fade01", "web", "h1", "h2", "stopping", "-", "3m"]


def test_show_by_beginning(api: FakeApi, run: Run) -> None:
    """A move is found by its id, the beginning of it, or its container's name."""
    api.says("GET", "/moves/fade01", move())
    for text in ("fade", "web"):
        api.refuses("GET", f"/moves/{text}", 404, "there is no move")
    api.says("GET", "/moves", {"moves": [move()]})
    for text in ("fade01", "fade", "web"):
        assert ["Id:", "fade01"] in run("move", "show", text).lines


def test_show_refused(api: FakeApi, run: Run) -> None:
    """Another refusal is told as it is."""
    api.refuses("GET", "/moves/x", 401, "the token is wrong")
    assert "the token is wrong" in run("move", "show", "x").err


def test_follow(api: FakeApi, run: Run) -> None:
    """A move is followed to its end, a step a line."""
    api.says("GET", "/moves/fade01", move("starting"))
    api.says("GET", "/moves/fade01", move("done"))
    said = run("move", "follow", "fade01")
    assert said.code == 0
    assert said.out == "starting   h2 makes and starts it, with the same addresses\ndone       web runs on h2\n"


def test_follow_failed(api: FakeApi, run: Run) -> None:
    """A move that fails makes the exit code 1; programs get the last body only."""
    api.says("GET", "/moves/fade01", move("checking"))
    api.says("GET", "/moves/fade01", move("failed", detail="the image is not there"))
    said = run("move", "follow", "fade01", "-o", "json")
    assert said.code == 1
    assert json.loads(said.out)["detail"] == "the image is not there"


def test_follow_interrupted(api: FakeApi, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who interrupts is told that the move goes on, and how to look."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    api.says("GET", "/moves/fade01", move("starting"))
    monkeypatch.setattr("daoli.cli.move.followed", interrupt)
    said = run("move", "follow", "fade01")
    assert said.code == 130
    assert "the move goes on without daolictl; to look: daolictl move follow fade01" in said.err


def test_follow_without_controller(api: FakeApi, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A controller that goes away ends neither the move nor who follows it, and that is said."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    api.says("GET", "/moves/fade01", move("starting"))
    api.says("GET", "/moves/fade01", "gone")
    api.says("GET", "/moves/fade01", move("done"))
    said = run("move", "follow", "fade01")
    assert said.code == 0
    assert said.err.splitlines()[-1] == "daolictl: the controller answers again"
