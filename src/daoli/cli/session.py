"""One call of daolictl: how to reach the controller, and how to show what it says."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

import click

from daoli.cli.again import Patience, patiently
from daoli.cli.client import Client
from daoli.cli.output import Column, Format, as_json, as_yaml, cells, drawn, measure, plain, printable, timeless
from daoli.cli.settings import Settings, resolve

FLAGS: Final = "daoli.cli.flags"
"""Where a call's flags are in click's context, which all levels of the command line share."""
INTERVAL: Final = 1.0
"""Seconds between two looks of ``--watch``."""


class Failure(Exception):
    """A command did not reach its end for a reason of its own; the text is a sentence with what to do."""


class Done(Exception):
    """Something ended badly, and all has been said about it."""


class Listing(NamedTuple):
    """A list of the API: where it stands in the body, and the columns of its table; the first is the item's name."""

    rows: Callable[[Any], Iterable[Any]]
    columns: Sequence[Column]
    empty: str
    """What to say, to people only, if there is nothing."""


class Session:
    """What a command needs: the client, and the ways to say something."""

    def __init__(self, flags: dict[str, Any]) -> None:
        self._flags = flags

    @classmethod
    def of(cls, context: click.Context) -> Session:
        """Give the session of a call."""
        return cls(context.meta.setdefault(FLAGS, {}))

    @cached_property
    def settings(self) -> Settings:
        """How the controller is reached."""
        return resolve(self._flags, os.environ)

    @cached_property
    def client(self) -> Client:
        """The controller."""
        return Client(self.settings)

    @property
    def format(self) -> Format:
        """How the result is wanted."""
        return Format(self._flags.get("output") or Format.TABLE)

    @property
    def for_people(self) -> bool:
        """Whether sentences are wanted, not a body."""
        return self.format in (Format.TABLE, Format.WIDE)

    @property
    def watching(self) -> bool:
        """Whether it is to go on."""
        return bool(self._flags.get("watch"))

    def say(self, text: str) -> None:
        """Write a line of the result."""
        click.echo(text)

    def note(self, text: str) -> None:
        """Write a line about the result, which is no part of it."""
        click.echo(printable(text), err=True)

    def body(self, body: Any, *, one_line: bool = False) -> None:
        """Write a body as JSON or YAML."""
        if self.format is Format.YAML:
            self.say(("---\n" if one_line else "") + as_yaml(body))
        else:
            self.say(as_json(body, one_line=one_line))

    def result(self, body: Any, name: str, *sentences: str) -> None:
        """Say what was done: sentences for people, the name for scripts, the API's body for programs."""
        if self.format is Format.NAME:
            self.say(printable(name))
        elif not self.for_people:
            self.body(body)
        else:
            for sentence in sentences:
                self.say(printable(sentence))

    def details(self, body: Any, columns: Sequence[Column]) -> None:
        """Show one thing, a field a line."""
        if self.format is Format.NAME:
            self.say(cells(columns[:1], [body], wide=True)[1][0])
        elif not self.for_people:
            self.body(body)
        else:
            titles, values = cells(columns, [body], wide=True)
            for line in plain([[f"{title.capitalize()}:", value] for title, value in zip(titles, values, strict=True)]):
                self.say(line)

    def show(self, listing: Listing, fetch: Callable[[], Any]) -> None:
        """Show a list: once, or with ``--watch`` again and again."""
        if self.watching:
            self._watch(listing, fetch)
        body = fetch()
        if self.format in (Format.JSON, Format.YAML):
            self.body(body)
            return
        table = self._table(listing, body)
        if self.format is Format.NAME:
            for row in table[1:]:
                self.say(row[0])
        elif sys.stdout.isatty():
            _console().print(drawn(table) if table[1:] else listing.empty)
        else:
            for line in plain(table):
                self.say(line)

    def _table(self, listing: Listing, body: Any) -> list[list[str]]:
        wide = self.format is Format.WIDE
        columns = listing.columns[:1] if self.format is Format.NAME else listing.columns
        return cells(columns, listing.rows(body), wide=wide)

    def _watch(self, listing: Listing, fetch: Callable[[], Any]) -> None:
        """Never returns: the user ends it. A controller that goes is waited for."""
        if sys.stdout.isatty() and self.for_people:
            self._watch_screen(listing, fetch)
        patience = Patience(self.note)
        seen: dict[str, list[str]] | None = None
        previous: Any = None
        while True:
            body = patiently(fetch, patience)
            if self.format in (Format.JSON, Format.YAML):
                if timeless(body) != previous:
                    self.body(body, one_line=True)
                previous = timeless(body)
            else:
                seen = self._changes(self._table(listing, body), seen, self._ticking(listing))
            sys.stdout.flush()
            time.sleep(INTERVAL)

    def _ticking(self, listing: Listing) -> set[int]:
        shown = [column for column in listing.columns if self.format is Format.WIDE or not column.wide]
        return {number for number, column in enumerate(shown) if column.ticks}

    def _changes(
        self, table: list[list[str]], before: dict[str, list[str]] | None, ticking: Collection[int]
    ) -> dict[str, list[str]]:
        """Say the rows that are new or otherwise, and what is gone; the header if it is the first time."""
        seen = before or {}
        now = {row[0]: [text for number, text in enumerate(row) if number not in ticking] for row in table[1:]}
        changed = [row for row in table[1:] if seen.get(row[0]) != now[row[0]]]
        header = table[:1] if before is None else []
        for line in plain([*header, *changed], measure(table)) if header or changed else ():
            self.say(line)
        for name in seen.keys() - now.keys():
            self.say(f"{name}   (gone)")
        return now

    def _watch_screen(self, listing: Listing, fetch: Callable[[], Any]) -> None:
        from rich.live import Live  # noqa: PLC0415 - only a terminal needs it

        with Live(console=_console(), auto_refresh=False) as live:
            patience = Patience(lambda text: live.console.print(printable(text)))
            while True:
                table = self._table(listing, patiently(fetch, patience))
                live.update(drawn(table) if table[1:] else listing.empty, refresh=True)
                time.sleep(INTERVAL)


def _console() -> Any:
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it

    return Console(highlight=False, markup=False)
