"""A move, followed to its end."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from tests.cli.fake import FakeApi, move

from daoli.cli.client import Client
from daoli.cli.following import OVER, STEPS, followed, step
from daoli.cli.settings import Settings
from daoli.hosts.move import WORKER, State


def test_knows_every_state() -> None:
    """Each state has its words, which name who works on it; those without work are the end."""
    assert set(STEPS) == set(get_args(State))
    assert set(get_args(State)) - set(WORKER) == OVER
    for state, worker in WORKER.items():
        assert STEPS[state].startswith("{source}" if worker == "source" else "{to}")


def test_step() -> None:
    """A step is told with its detail; a state of a later version by its name."""
    assert step(move("checking")) == "checking   h2 looks whether it can run it"
    assert step(move("failed", detail="no image")) == "failed     web stays on h1: no image"
    assert step(move("failed", detail="web stays on h1: volumes")) == "failed     web stays on h1: volumes"
    assert step(move("done", detail="web runs on h2")) == "done       web runs on h2"
    assert step(move() | {"state": "later"}) == "later"


def test_followed(api: FakeApi) -> None:
    """Every change is given once, up to the end."""
    pauses: list[float] = []
    states: list[dict[str, Any]] = [
        move("preparing"),
        move("checking"),
        move("checking", detail="pulls the image"),
        move("checking", detail="pulls the image"),
        move("failed"),
    ]
    for state in states:
        api.says("GET", "/moves/fade01", state)
    found = list(followed(Client(Settings(api.url)), move("preparing"), pytest.fail, pauses.append))
    assert [(now["state"], now["detail"]) for now in found] == [
        ("preparing", None),
        ("checking", None),
        ("checking", "pulls the image"),
        ("failed", None),
    ]
    assert len(pauses) == 5
