"""What a command found, as its user wants it: a table, all columns of it, JSON, YAML, or names only.

JSON and YAML are the API's own bodies. A table on a terminal is drawn by rich; in a pipe it is plain columns, nothing
cut off, as `awk` and `grep` need it. What the controller tells may have any character: what would steer the terminal is
shown by its escape.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from rich.table import Table

NOTHING: Final = "-"
_GAP: Final = "   "
_STYLES: Final = MappingProxyType(
    {
        "yes": "green",
        "no": "red",
        "connected": "green",
        "away": "red",
        "done": "green",
        "failed": "red",
        "ok": "green",
        "problem": "red",
    }
)
"""Words that have a colour on a terminal."""


class Format(StrEnum):
    """What ``--output`` takes."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


class Column(NamedTuple):
    """A column: its header, and how a row's cell is found in an item of the API's."""

    title: str
    value: Callable[[Any], Any]
    wide: bool = False
    """Whether it is shown only if all is wanted."""
    ticks: bool = False
    """Whether it goes on by itself, as an age does, so that another value is no news."""


def column(title: str, *keys: str, wide: bool = False) -> Column:
    """Declare a column that is a field of the item, or a field of a field."""

    def value(item: Any) -> Any:
        for key in keys:
            item = item.get(key) if isinstance(item, dict) else None
        return item

    return Column(title, value, wide)


def cell(value: Any) -> str:
    """Say a value in one line."""
    if value is None or value in ("", [], {}):
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ",".join(f"{key}={inner}" if inner != "" else str(key) for key, inner in value.items()) or NOTHING
    if isinstance(value, list | tuple):
        return ",".join(map(cell, value))
    return printable(str(value))


def printable(text: str) -> str:
    """Show control characters by their escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def duration(seconds: float | None) -> str:
    """Say how long something lasts, as docker and kubectl do: in its largest unit."""
    if seconds is None:
        return NOTHING
    whole = max(0, int(seconds))
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if whole >= 2 * length:
            return f"{whole // length}{unit}"
    return f"{whole}s"


def count(number: int, noun: str) -> str:
    """Say how many there are: ``1 route``, ``2 routes``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def timeless(body: Any) -> Any:
    """Give a body of the API's without what goes on by itself: fields such as ``age_seconds``."""
    if isinstance(body, dict):
        return {key: timeless(value) for key, value in body.items() if not key.endswith("_seconds")}
    return [timeless(value) for value in body] if isinstance(body, list) else body


def cells(columns: Sequence[Column], items: Iterable[Any], *, wide: bool) -> list[list[str]]:
    """Give a table's text, the headers first."""
    shown = [column for column in columns if wide or not column.wide]
    rows = [[printable(cell(column.value(item))) for column in shown] for item in items]
    return [[column.title for column in shown], *rows]


def plain(rows: Sequence[Sequence[str]], widths: Sequence[int] | None = None) -> list[str]:
    """Write rows in columns that are as wide as they must be."""
    wanted = widths or measure(rows)
    lines = (_GAP.join(text.ljust(width) for text, width in zip(row, wanted, strict=True)) for row in rows)
    return [line.rstrip() for line in lines]


def measure(rows: Sequence[Sequence[str]]) -> list[int]:
    """Give each column's width."""
    return [max(map(len, texts)) for texts in zip(*rows, strict=True)]


def drawn(rows: Sequence[Sequence[str]]) -> Table:
    """Draw rows for a terminal: long cells are folded, none is cut off."""
    from rich.table import Table  # noqa: PLC0415 - a twentieth of a second that pipes need not pay
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, len(_GAP), 0, 0))
    for title in rows[0]:
        table.add_column(title, overflow="fold")
    for row in rows[1:]:
        table.add_row(*(Text(text, style=_STYLES.get(text, "")) for text in row))
    return table


def as_json(body: Any, *, one_line: bool = False) -> str:
    """Write a body for programs; in ASCII, so that nothing in it steers a terminal."""
    return json.dumps(body, indent=None if one_line else 2)


def as_yaml(body: Any) -> str:
    """Write a body for people who keep it in files."""
    import yaml  # noqa: PLC0415 - most commands do not need it

    text: str = yaml.safe_dump(body, sort_keys=False)
    return text.rstrip("\n")
