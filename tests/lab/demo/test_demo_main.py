"""The demo is honest: it ends well only if every fact that it shows holds."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import partial
from types import SimpleNamespace

import pytest
from tests.lab.demo.stages import stage_of
from tests.labs import require_lab

from daoli.lab import LabError
from daoli.lab.demo import __main__ as demo
from daoli.lab.demo.stage import Stage


def test_all_facts_held() -> None:
    """When all facts held the demo says how many, and how long it took."""
    stage, output = stage_of()
    stage.check("water is wet", holds=True)
    assert demo.conclude(stage, 12.3) == 0
    assert "All 1 facts held, in 12 s" in output.getvalue()


def test_facts_that_did_not_hold_are_listed() -> None:
    """A fact that did not hold is named again at the end, and the exit code is 1."""
    stage, output = stage_of()
    stage.check("water is wet", holds=True)
    stage.check("pigs fly", holds=False)
    assert demo.conclude(stage, 12.3) == 1
    assert re.search(r"1 of 2 facts did not hold:\s+pigs fly\n$", output.getvalue())


def test_a_chapter_that_breaks_off_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong in a chapter is a fact that does not hold, and the chapters behind it are left out."""
    stage, output = stage_of()

    def break_off(_: Stage) -> None:
        raise LabError("the machine is off")

    monkeypatch.setattr(demo, "CHAPTERS", (break_off, partial(Stage.title, text="never told")))
    demo.tell(stage)
    assert stage.failures == ["LabError: the machine is off"]
    assert "never told" not in output.getvalue()


def test_a_lab_that_cannot_be_built(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where no lab can be built the demo says why, and ends with 2."""

    def refuse(**_: object) -> None:
        raise LabError("no Open vSwitch here")

    monkeypatch.setattr(demo, "DockerLab", SimpleNamespace(up=refuse))
    assert demo.main([]) == 2
    assert "no Open vSwitch here" in capsys.readouterr().out


@pytest.mark.e2e
@pytest.mark.timeout(240)
def test_demo_holds() -> None:
    """`python -m daoli.lab.demo` runs through, says that all facts held, and leaves no lab."""
    require_lab()
    done = subprocess.run(
        [sys.executable, "-m", "daoli.lab.demo"], capture_output=True, text=True, timeout=220, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert re.search(r"All 3\d facts held", done.stdout)
    for command in ("daoli agent --controller", "docker network create", "daolictl container move web --to h3"):
        assert command in done.stdout
