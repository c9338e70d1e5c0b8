"""How hosts join is shown as it is done."""

from __future__ import annotations

import sys

from tests.lab.demo.stages import Places, stage_of

from daoli.lab.demo.joining import as_typed, comes_to


def test_commands_are_shown_as_a_person_types_them() -> None:
    """The lab's own interpreter is not shown, since `daoli` is the same program."""
    command = [sys.executable, "-m", "daoli", "agent", "--controller", "http://10.254.0.250:8653"]
    assert as_typed(command) == "daoli agent --controller http://10.254.0.250:8653"


def test_network_that_is_there() -> None:
    """A network has come to a host when its engine can inspect it."""
    places = Places()
    stage, _ = stage_of(places)
    assert comes_to(stage, "h2", "dnet1")
    assert places.commands == ["docker network inspect dnet1"]
