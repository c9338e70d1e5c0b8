"""``docs/daolictl.md``, written from the commands: ``python -m daoli.cli.reference > docs/daolictl.md``."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Iterator
from typing import Final

import click

from daoli.cli.__main__ import EXIT_CODES, daolictl
from daoli.cli.completion import PROGRAM
from daoli.cli.verbs import Explained, Noun

INTRODUCTION: Final = """\
# daolictl

What the controller knows, and what it is asked to do, from a command line: `daolictl` comes with daoli, and is also
`python -m daoli.cli`. It talks to the [REST API](api.md) and to nothing else. This page is written from the commands'
own help by `python -m daoli.cli.reference`.

**Where the controller is** says `--controller` or `DAOLI_CONTROLLER`: a URL, or `unix:PATH`. The API's token comes from
the file that `--token-file` or `DAOLI_TOKEN_FILE` names, or is in `DAOLI_TOKEN`.

**Output.** A table on a terminal, plain columns in a pipe. `-o json` and `-o yaml` give the API's own body (`container
ls`, `status` and `doctor` put several together), `-o wide` all columns, `-o name` names only. `--watch` goes on: on a
terminal the table follows, in a pipe the rows that change are written, with `-o json` an object a line.

**Names.** Hosts and networks are told by their names; endpoints, containers, published ports and moves also by their
ids or the beginning of them, as long as only one begins so.

**Completion.** `source <(daolictl completion bash)`, or for zsh and fish as [below](#daolictl-completion); names come
from the controller.
"""


def reference() -> str:
    """Write the page."""
    lines = [INTRODUCTION, "| exit code | when |", "|---|---|"]
    lines += [f"| {code} | {text} |" for code, text in EXIT_CODES.items()]
    lines += ["", "These flags may stand before or behind any command:", "", *_options([daolictl])]
    for path, command in _walk(daolictl, (PROGRAM,)):
        lines += ["", f"## {' '.join(path)}", "", *_described(path, command)]
    return "\n".join(lines) + "\n"


def _walk(group: click.Group, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from _walk(command, (*path, name))
        else:
            yield (*path, name), command


def _described(path: tuple[str, ...], command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=" ".join(path))
    yield from ("```", " ".join((" ".join(path), *command.collect_usage_pieces(context))), "```", "")
    yield inspect.cleandoc(command.help or "")
    options = _options([command])
    if options:
        yield from ("", *options)
    examples = command.examples if isinstance(command, Explained | Noun) else ()
    if examples:
        yield from ("", "```", *examples, "```")


def _options(commands: Iterable[click.Command]) -> list[str]:
    shown = [
        parameter
        for command in commands
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.hidden
    ]
    if not shown:
        return []
    return ["| flag | |", "|---|---|", *(f"| `{_flag(option)}` | {_cell(option.help or '')} |" for option in shown)]


def _flag(option: click.Option) -> str:
    value = "" if option.is_flag else f" {option.make_metavar(click.Context(click.Command('')))}"
    return (", ".join(option.opts) + value).replace("|", "\\|")


def _cell(text: str) -> str:
    return (
        " ".join(text.split())
        .replace("|", "\\|")
        .replace("[default:", "(default:")
        .replace("[env:", "(env:")
        .replace("]", ")")
    )


if __name__ == "__main__":
    sys.stdout.write(reference())
