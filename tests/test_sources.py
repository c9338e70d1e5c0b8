"""Settings of any program: which source wins, and the flags that are no settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from daoli.sources import Program, SettingError, setting


@dataclass(frozen=True, slots=True)
class Tea:
    """Something to set."""

    leaf: str = setting("green", "LEAF", "what is brewed")
    minutes: int = setting(3, "MINUTES", "how long")


PROGRAM = Program(Tea, "tea", "TEA_", "Makes tea.", "Exit code 2: no tea.", {"pour_away": "pour it away"})


def test_sources_in_their_order(tmp_path: Path) -> None:
    """A flag wins over the environment, that over the file, that over the default."""
    file = tmp_path / "tea.toml"
    file.write_text('leaf = "black"\nminutes = 4\n')
    assert PROGRAM.read([], {})[0] == Tea("green", 3)
    assert PROGRAM.read([], {"TEA_CONFIG": str(file)})[0] == Tea("black", 4)
    environment = {"TEA_CONFIG": str(file), "TEA_LEAF": "white"}
    assert PROGRAM.read([], environment)[0] == Tea("white", 4)
    assert PROGRAM.read(["--leaf", "mint"], environment)[0] == Tea("mint", 4)


def test_actions() -> None:
    """What is to be done this time is told beside the settings."""
    assert PROGRAM.read([], {})[1] == frozenset()
    assert PROGRAM.read(["--pour-away"], {})[1] == {"pour_away"}


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (["--minutes", "long"], {}, "minutes: 'long' in --minutes is not a whole number"),
        ([], {"TEA_MINUTES": "long"}, "minutes: 'long' in TEA_MINUTES is not a whole number"),
        (["--sugar"], {}, "unrecognized arguments: --sugar; see --help"),
    ],
)
def test_refusals_name_setting_and_source(arguments: list[str], environment: dict[str, str], words: str) -> None:
    """What cannot be used is refused with its name and where it came from."""
    with pytest.raises(SettingError, match=words):
        PROGRAM.read(arguments, environment)
