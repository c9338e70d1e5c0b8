"""The ledger: who opened what with whom, what was refused and why, and what went by it."""

from __future__ import annotations

import re
import time
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field
from pydantic.functional_validators import AfterValidator

from daoli.api.operation import Answer, Ask, Operation, Query, Reply
from daoli.hosts.facts import Entry, moment
from daoli.hosts.ledger import KEPT, Ledger, Wanted

UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def since(text: str) -> str:
    """Check a time: RFC 3339, or how long ago."""
    seconds_of(text)
    return text


def seconds_of(text: str) -> float:
    """Read a time as seconds since 1970: RFC 3339, or how long ago, such as ``10m``. ValueError if it is neither."""
    if found := re.fullmatch(r"(\d{1,9})([smhd])", text, re.ASCII):
        return time.time() - int(found[1]) * UNITS[found[2]]
    try:
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError("a time is as in RFC 3339, 2030-01-31T12:00:00Z, or 90s, 10m, 2h, 1d ago") from error
    if when.tzinfo is None:
        raise ValueError("a time needs its zone: Z, or +01:00 (in a URL %2B01:00)")
    return when.timestamp()


Since = Annotated[str, AfterValidator(since)]


class LedgerBody(BaseModel):
    """Entries, the newest last."""

    entries: list[Entry]
    begins: str | None
    """Since when memory has all; what was before may be in the ledger's file. Null if nothing is kept in memory."""
    whole: bool
    """Whether memory reaches back to `since`, if that was given."""
    dropped: int
    """Entries that the file lacks, since it could not be written so fast, or not at all."""


class LedgerQuery(Query):
    """Which entries to show: of too many, the newest."""

    since: Since | None = None
    """RFC 3339, or how long ago: ``90s``, ``10m``, ``2h``, ``1d``."""
    denied: bool = False
    """Only what was refused."""
    source: str | None = None
    """An endpoint's id, its name, or an address."""
    destination: str | None = None
    limit: int = Field(default=1000, ge=1, le=KEPT)


def reach_of(ledger: Ledger, since: str | None) -> dict[str, Any]:
    """Tell since when the ledger's memory has all, and whether that is all that was asked for."""
    begins = ledger.begins
    return {
        "begins": None if begins is None else moment(begins),
        "whole": since is None or ledger.reaches(seconds_of(since)),
    }


async def read_ledger(ask: Ask[None, LedgerQuery]) -> Answer:
    """Show what became of conversations lately: routes opened, packets refused, routes closed with what went by."""
    query, ledger = ask.query, ask.services.ledger
    wanted = Wanted(
        since=0.0 if query.since is None else seconds_of(query.since),
        denied=query.denied,
        source=query.source,
        destination=query.destination,
        limit=query.limit,
    )
    reach = reach_of(ledger, query.since)
    return Answer(
        LedgerBody.model_construct(
            entries=await ledger.read(wanted),
            **reach,
            dropped=ledger.dropped,
        )
    )


OPERATIONS = (
    Operation(
        method="GET",
        path="/ledger",
        handler=read_ledger,
        query=LedgerQuery,
        replies={HTTPStatus.OK: Reply("What became of conversations", LedgerBody)},
    ),
)
