"""`daoli COMMAND`: the right part gets the rest of the command line."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from daoli.__main__ import COMMANDS, main


@pytest.mark.parametrize("command", COMMANDS)
def test_handed_on(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command's part gets the words after it, and its exit code is ours."""
    got: list[tuple[str, list[str]]] = []

    def load(module: str) -> SimpleNamespace:
        def part(words: list[str]) -> int:
            got.append((module, words))
            return 7

        return SimpleNamespace(main=part)

    monkeypatch.setattr("daoli.__main__.import_module", load)
    assert main([command, "--flag", "word"]) == 7
    assert got == [(COMMANDS[command][0], ["--flag", "word"])]


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    """--help names every command."""
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(f"\n  {name} " in said for name in COMMANDS)


@pytest.mark.parametrize(("words", "complaint"), [([], "usage: daoli"), (["fly"], "daoli: no command 'fly'")])
def test_refused(words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """No command and an unknown one are answered with the usage, and exit code 2."""
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(complaint)
    assert "usage: daoli COMMAND" in said.err


def test_lazy() -> None:
    """What is not asked for is not imported."""
    code = "import daoli.__main__, sys; print([m for m in sys.modules if m.startswith('daoli.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['daoli.__main__']\n"
