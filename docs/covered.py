"""The page that says what is covered of OpenFlow 1.3.5, made from the codec's registries when the site is built."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

import daoli.ofproto
from daoli.ofproto import FIELDS
from daoli.ofproto.coverage import Row, extensions, missing, specification

INTRODUCTION = """\
# What is covered of OpenFlow 1.3.5

Made when this site was built, from the specification's enumerations and the codec's registries: {covered} of the
{all} things that 1.3.5 defines have a class or a field here. What has none is read as *unknown*, and encodes back to
the bytes that it came from. `python -m daoli.ofproto.coverage` prints the same."""

IN_DETAIL = "other match fields"
"""The group of rows that the table of every field says better."""


def coverage() -> str:
    """Write the page."""
    defined = list(specification())
    rows = [row for row in (*defined, *extensions()) if row.group != IN_DETAIL]
    lines = [INTRODUCTION.format(covered=len(defined) - len(missing(defined)), all=len(defined))]
    for group, members in groupby(rows, lambda row: row.group):
        cells = [(f"`{row.name}`", named(row), row.clause) for row in members]
        lines += table(group.capitalize(), ("name", "read by", "clause"), cells)
    return "\n".join([*lines, *fields(), ""])


def named(row: Row) -> str:
    """Write what reads a thing; a class leads to its reference."""
    cls = getattr(daoli.ofproto, row.cls, None) if row.cls else None
    if isinstance(cls, type):
        return f"[{cls.__name__}][{cls.__module__}.{cls.__qualname__}]"
    return f"`{row.cls}`" if row.cls else "*unknown*"


def fields() -> list[str]:
    """Write what packets can be matched on, the fields of others too."""
    rows = [
        (
            f"`{field.name}`",
            f"{field.oxm_class:#06x}",
            field.number,
            field.bits,
            "yes" if field.maskable else "",
            ", ".join(map(str, field.requires)),
        )
        for field in FIELDS.values()
    ]
    return table("Every field", ("name", "class", "number", "bits", "maskable", "needs before it"), rows)


def table(title: str, headings: Iterable[str], rows: Iterable[Iterable[object]]) -> list[str]:
    """Write a section that is a table."""
    names = list(headings)
    cells = [[str(cell).replace("|", r"\|") for cell in row] for row in rows]
    lines = [f"| {' | '.join(row)} |" for row in cells]
    return ["", f"## {title}", "", f"| {' | '.join(names)} |", "|" + "---|" * len(names), *lines]
