"""The last chapters wait for what takes a moment, and not for ever."""

from __future__ import annotations

import pytest
from tests.lab.demo.stages import Switch, api_of, stage_of

from daoli.lab.demo.moving import tell_idling
from daoli.lab.demo.stage import STATIC_FLOWS, Stage

STATIC = ["cookie=0xda01010000000000, priority=0 actions=drop"] * STATIC_FLOWS


def test_hosts_that_are_idle() -> None:
    """Once only static flows are left and the controller has no routes, both facts hold."""
    hosts = {"h1": Switch("h1", STATIC)}
    stage, _ = stage_of(hosts=hosts, api=api_of())
    tell_idling(stage, 5)
    assert (stage.passed, stage.failures) == (2, [])


def test_a_flow_that_stays_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flow that does not idle out is shown, and so is the route that the controller still has."""
    monkeypatch.setattr(Stage, "wait", lambda *_: False)
    live = ["cookie=0xda01020000000001, priority=100,ip actions=output:2"]
    hosts = {"h1": Switch("h1", STATIC + live)}
    stage, _ = stage_of(hosts=hosts, api=api_of(routes=[{"id": 7}]))
    tell_idling(stage, 5)
    assert stage.failures == ["only the static flows remain", "and the controller has no routes"]
