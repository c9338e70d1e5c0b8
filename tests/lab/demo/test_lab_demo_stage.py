"""The stage shows what it does and remembers what did not hold."""

from __future__ import annotations

import pytest
from tests.lab.demo.stages import Places, Switch, stage_of

from daoli.lab.demo.stage import STATIC_FLOWS, Failed, ping_times


def test_a_fact_that_does_not_hold_is_a_failure() -> None:
    """What is checked and not so is shown as such, with the reason, and remembered."""
    stage, output = stage_of()
    assert stage.check("water is wet", holds=True)
    assert not stage.check("pigs fly", holds=False, otherwise="no wings")
    assert (stage.passed, stage.failures) == (1, ["pigs fly"])
    assert "✗ pigs fly" in output.getvalue()
    assert "no wings" in output.getvalue()


def test_the_command_shown_is_the_command_run() -> None:
    """A command is shown as a shell would take it, and run in just these words; ids are not shown."""
    places = Places({"": "ab" * 32 + "\nhello\n"})
    stage, output = stage_of(places)
    assert stage.run("h1", "docker exec one sh -c 'echo hello'").endswith("hello\n")
    assert places.commands == ["docker exec one sh -c 'echo hello'"]
    assert output.getvalue() == "h1$ docker exec one sh -c 'echo hello'\n  hello\n"


def test_a_command_that_fails_ends_the_chapter() -> None:
    """A command that must not fail and does so is shown with what it said, and ends the chapter."""
    stage, output = stage_of(Places({"": "no such network"}, 1))
    with pytest.raises(Failed, match="exit code 1"):
        stage.run("h1", "docker run")
    assert "no such network" in output.getvalue()
    assert stage.run("h1", "docker run", may_fail=True) == "no such network"


def test_flows_are_counted() -> None:
    """Live flows are shown and counted by host; a wrong number of static ones does not go unnoticed."""
    static = ["cookie=0xda01010000000000, table=0, priority=0 actions=drop"] * STATIC_FLOWS
    live = ["cookie=0xda01020000000001, table=0, n_packets=3, priority=100,ip actions=output:2"]
    right = Switch("h1", static + live)
    wrong = Switch("h2", static[1:])
    stage, output = stage_of(hosts={"h1": right, "h2": wrong})
    assert stage.flows() == {"h1": 1, "h2": 0}
    assert stage.any_live()
    assert "n_packets=3,ip actions=output:2" in output.getvalue()
    assert stage.failures == [f"h2 holds {STATIC_FLOWS} static flows"]


def test_ping_times_are_read() -> None:
    """Round-trip times come from ping's own lines."""
    text = "64 bytes from 10.1.0.12: icmp_seq=1 ttl=62 time=2.23 ms\n64 bytes from x: icmp_seq=2 ttl=62 time=12 ms"
    assert ping_times(text) == [2.23, 12.0]
