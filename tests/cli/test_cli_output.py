"""What a command found, as its user wants it."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from daoli.cli.output import (
    Column,
    as_json,
    as_yaml,
    cell,
    cells,
    column,
    count,
    drawn,
    duration,
    measure,
    plain,
    printable,
    timeless,
)

COLUMNS = (column("NAME", "name"), column("PEER", "status", "peer"), column("MTU", "mtu", wide=True))
ITEM = {"name": "h1", "status": {"peer": "p"}, "mtu": 1500}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        ("", "-"),
        ([], "-"),
        ({}, "-"),
        (0, "0"),
        (True, "yes"),
        (False, "no"),
        (["a", 1], "a,1"),
        ({"a": "b", "flag": ""}, "a=b,flag"),
        ("a\nb", "a\\nb"),
    ],
)
def test_cell(value: Any, text: str) -> None:
    """Every value is one line of text."""
    assert cell(value) == text


@given(st.text())
def test_printable(text: str) -> None:
    """No text that the controller tells can steer a terminal."""
    assert printable(text).isprintable()


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-"), (-3, "0s"), (119, "119s"), (120, "2m"), (7200, "2h"), (172800, "2d")]
)
def test_duration(seconds: float | None, text: str) -> None:
    """A time is told in the largest unit that there are two of."""
    assert duration(seconds) == text


def test_count() -> None:
    """One is one, others are several."""
    assert [count(n, "route") for n in (0, 1, 2)] == ["0 routes", "1 route", "2 routes"]


def test_cells() -> None:
    """A table has its wide columns only if they are wanted; a field that is not there is a dash."""
    assert cells(COLUMNS, [ITEM], wide=False) == [["NAME", "PEER"], ["h1", "p"]]
    assert cells(COLUMNS, [{"name": "h2"}], wide=True) == [["NAME", "PEER", "MTU"], ["h2", "-", "-"]]


@given(st.lists(st.dictionaries(st.sampled_from(("name", "mtu")), st.text() | st.integers()), max_size=4))
def test_plain_columns_stand_below_each_other(items: list[dict[str, Any]]) -> None:
    """In a pipe every cell of a column begins at the same place, and no line ends with spaces."""
    rows = cells((*COLUMNS, Column("END", lambda _: "x")), items, wide=True)
    lines = plain(rows)
    assert len(lines) == 1 + len(items)
    assert len({line.rindex("END" if i == 0 else "x") for i, line in enumerate(lines)}) == 1
    assert all(line == line.rstrip() for line in lines)
    assert plain(rows[1:], measure(rows)) == lines[1:]


def test_drawn_folds_long_cells() -> None:
    """On a terminal nothing is cut off, and markup in a name is text."""
    screen = io.StringIO()
    Console(file=screen, width=20).print(drawn([["NAME", "STATE"], ["[red]" + "x" * 40, "yes"]]))
    text = screen.getvalue()
    assert text.count("x") == 40
    assert "[red]" in text


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none() | st.booleans()))
def test_bodies_are_whole(body: dict[str, Any]) -> None:
    """JSON and YAML give the body as it was."""
    assert json.loads(as_json(body)) == json.loads(as_json(body, one_line=True)) == body
    assert yaml.safe_load(as_yaml(body)) == body
    assert as_json(body, one_line=True).isprintable()


def test_timeless() -> None:
    """What goes on by itself is left out, however deep it stands."""
    body = {"hosts": [{"name": "h1", "status": {"connected_seconds": 5.0, "ports": {}}}], "age_seconds": 1}
    assert timeless(body) == {"hosts": [{"name": "h1", "status": {"ports": {}}}]}
