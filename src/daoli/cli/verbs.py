"""Commands and groups of commands as all of daolictl has them: examples in the help, and the same flags everywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import update_wrapper
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import click

from daoli.cli.output import Format
from daoli.cli.session import FLAGS, Session
from daoli.cli.settings import DEFAULT_TIMEOUT, DEFAULT_URL, TOKEN, TOKEN_FILE, URL

P = ParamSpec("P")
R = TypeVar("R")

HELP_NAMES: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
OUTPUT_HELP: Final = "table; wide: all columns; json, yaml: the API's body; name: names only  [default: table]"


def pass_session(function: Callable[Concatenate[Session, P], R]) -> Callable[P, R]:
    """Give a command its session, before its arguments."""

    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        return function(Session.of(click.get_current_context()), *args, **kwargs)

    return update_wrapper(inner, function)


def keep(context: click.Context, option: click.Parameter, value: Any) -> None:
    """Keep a flag for the session; the one nearest to the command's end wins."""
    if value is not None and value is not False:
        context.meta.setdefault(FLAGS, {})[option.name] = value


def connection_options(*, hidden: bool) -> list[click.Option]:
    """Make the flags that say how to reach the controller; they may stand before or behind the command."""
    texts: list[tuple[str, str, Any, str]] = [
        ("--controller", "URL", None, f"The controller: a URL or unix:PATH.  [env: {URL}; default: {DEFAULT_URL}]"),
        ("--token-file", "FILE", None, f"File with the API's token.  [env: {TOKEN_FILE}; the token itself: {TOKEN}]"),
        (
            "--timeout",
            "SECONDS",
            click.FloatRange(min=0, min_open=True, max=3600),
            f"How long to wait for an answer.  [default: {DEFAULT_TIMEOUT:g}]",
        ),
    ]
    return [
        click.Option([flag], metavar=metavar, type=kind, help=text, hidden=hidden, expose_value=False, callback=keep)
        for flag, metavar, kind, text in texts
    ]


def output_option() -> click.Option:
    """Make the flag that says how the result is wanted."""
    return click.Option(
        ["-o", "--output"],
        type=click.Choice([str(name) for name in Format]),
        metavar="FORMAT",
        help=OUTPUT_HELP,
        expose_value=False,
        callback=keep,
    )


def watch_option(*more: str) -> click.Option:
    """Make the flag that goes on looking, with more names for it."""
    flags = ["-w", "--watch", *more]
    return click.Option(flags, is_flag=True, help="Go on showing what changes.", expose_value=False, callback=keep)


class Explained(click.Command):
    """A command with examples in its help."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples
        self.context_settings = {**HELP_NAMES, **self.context_settings}

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        _write_examples(self.examples, formatter)


class Verb(Explained):
    """A command that asks the controller."""

    def __init__(self, *args: Any, watch: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += [*([watch_option()] if watch else []), output_option(), *connection_options(hidden=True)]


class Noun(click.Group):
    """A group of commands; short words for its commands are understood."""

    command_class = Verb
    flags_hidden = True
    """Whether its help is silent about the flags that say how to reach the controller."""
    synonyms: Final = {"list": "ls", "remove": "rm", "delete": "rm", "inspect": "show"}

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples
        self.context_settings = {**HELP_NAMES, **self.context_settings}
        self.params += connection_options(hidden=self.flags_hidden)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command by its name, or as docker and kubectl call it."""
        return super().get_command(ctx, cmd_name) or super().get_command(ctx, self.synonyms.get(cmd_name, cmd_name))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        _write_examples(self.examples, formatter)


def _write_examples(examples: Sequence[str], formatter: click.HelpFormatter) -> None:
    if examples:
        with formatter.section("Examples"):
            for line in examples:
                formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


def translated(parse: Callable[[str], R]) -> Callable[[click.Context, click.Parameter, str | None], R | None]:
    """Make a parser of ours an option's callback: its ValueError is a wrong use of the command."""

    def callback(_context: click.Context, _parameter: click.Parameter, text: str | None) -> R | None:
        if text is None:
            return None
        try:
            return parse(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return callback
