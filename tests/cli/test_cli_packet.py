"""The arguments that name a packet."""

from __future__ import annotations

from typing import Any

import click
import pytest
from click.testing import CliRunner

from daoli.cli.packet import between, via
from daoli.cli.ports import Traffic


@click.command()
@between("one", "other")
@via
def command(**given: Any) -> None:
    """Say what was given."""
    click.echo(repr(sorted(given.items())))


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (["web", "db"], {"one": "web", "other": "db", "traffic": None, "via": None}),
        (["web", "db", "53/udp"], {"one": "web", "other": "db", "traffic": Traffic("udp", 53), "via": None}),
        (["web", "db", "--via", "h1"], {"one": "web", "other": "db", "traffic": None, "via": "h1"}),
    ],
)
def test_in_their_order(words: list[str], given: dict[str, Any]) -> None:
    """Two ends in the order they are written, then what is carried."""
    result = CliRunner().invoke(command, words)
    assert (result.exit_code, result.output.strip()) == (0, repr(sorted(given.items())))


def test_wrong() -> None:
    """One end is too few, and a port must be one; it is said which argument is wrong."""
    for words, said in ((["web"], "OTHER"), (["web", "db", "70000/tcp"], "70000")):
        result = CliRunner().invoke(command, words)
        assert result.exit_code == 2
        assert said in result.output
