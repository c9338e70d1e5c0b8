"""The arguments by which commands name a packet: its two ends, what it carries, and by which host it enters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from daoli.cli import complete
from daoli.cli.ports import parse_traffic
from daoli.cli.verbs import translated

F = TypeVar("F", bound=Callable[..., Any])


def between(source: str, destination: str) -> Callable[[F], F]:
    """Give a command two endpoints as arguments of these names, and `traffic`, which may be left out."""

    def decorate(command: F) -> F:
        for argument in (
            click.argument("traffic", required=False, metavar="[PORT/PROTOCOL]", callback=translated(parse_traffic)),
            click.argument(destination, shell_complete=complete.endpoints),
            click.argument(source, shell_complete=complete.endpoints),
        ):
            command = argument(command)
        return command

    return decorate


via: Final = click.option(
    "--via",
    metavar="HOST",
    shell_complete=complete.hosts,
    help="Where a source that is outside enters.  [default: the destination's host]",
)
