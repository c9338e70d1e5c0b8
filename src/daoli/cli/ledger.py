"""``daolictl ledger``: what became of conversations."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import zip_longest
from operator import itemgetter
from typing import Any, Final, Never

import click

from daoli.cli import complete
from daoli.cli.again import Patience, patiently
from daoli.cli.client import Client
from daoli.cli.output import Column, Format, cells, column, measure, plain
from daoli.cli.route import end_text
from daoli.cli.session import INTERVAL, Listing, Session
from daoli.cli.verbs import Verb, pass_session, watch_option

Entry = dict[str, Any]
MOST: Final = 10_000
"""Entries that the controller has, and tells at once."""
FIRST_WIDTHS: Final = (24, 7, 15, 15, 8, 7)
"""Of columns that are followed: what comes later is likely to fit."""
WHAT = {"route.opened": "opened", "route.closed": "closed", "packet.refused": "refused"}


def _traffic(entry: Entry) -> str | None:
    port = f"/{entry['destination_port']}" if entry.get("destination_port") else ""
    return f"{entry['protocol']}{port}" if entry.get("protocol") else None


COLUMNS = (
    column("TIME", "time"),
    Column("WHAT", lambda entry: WHAT.get(entry["kind"], entry["kind"])),
    Column("SOURCE", lambda entry: end_text(entry, "source", ports=False)),
    Column("DESTINATION", lambda entry: end_text(entry, "destination", ports=False)),
    Column("TRAFFIC", _traffic),
    column("VERDICT", "verdict"),
    column("BYTES", "bytes"),
    column("BYTES BACK", "bytes_back"),
    column("SECONDS", "seconds"),
    column("RULE", "rule"),
    column("REASON", "reason", wide=True),
    column("WHY", "why", wide=True),
    column("PACKETS", "packets", wide=True),
    column("PACKETS BACK", "packets_back", wide=True),
    column("SOURCE ADDRESS", "source_address", wide=True),
    column("DESTINATION ADDRESS", "destination_address", wide=True),
    column("ROUTE", "route", wide=True),
)
LEDGER = Listing(itemgetter("entries"), COLUMNS, "The ledger has nothing of this.")


@click.command(
    cls=Verb,
    params=[watch_option("-f", "--follow")],
    examples=(
        "daolictl ledger --follow --denied",
        "daolictl ledger --since 10m --denied",
        "daolictl ledger --source web --destination db -o wide",
        "daolictl ledger --since 2030-01-31T12:00:00Z -o json",
    ),
)
@click.option("--since", metavar="TIME", help="RFC 3339, or how long ago: 90s, 10m, 2h, 1d.")
@click.option("--denied", is_flag=True, help="Only what was refused.")
@click.option("--source", metavar="NAME", shell_complete=complete.endpoints, help="An endpoint's name, id or address.")
@click.option("--destination", metavar="NAME", shell_complete=complete.endpoints, help="Likewise.")
@click.option("--limit", type=click.IntRange(1, MOST), help="Only the newest so many.  [default: 1000]")
@pass_session
def ledger(session: Session, /, *, denied: bool, **query: Any) -> None:
    """Show what became of conversations lately, the newest last.

    Routes opened, packets refused, and routes closed with what went by. The controller has the last 10000 in memory,
    after a restart too if it has a --ledger FILE; what is older is in that file only. One container that scans ports
    can push all else out of memory in less than a minute. --follow, or --watch, goes on with what comes; with -o json
    an entry a line.
    """
    asked = {**query, "denied": "true" if denied else None}
    if session.watching:
        _follow(session, asked)
    body = session.client.get("/ledger", asked)
    session.show(LEDGER, lambda: body)
    note_reach(session, body)
    if session.for_people and body["dropped"]:
        session.note(f"the ledger's file lacks {body['dropped']} entries, which could not be written")


def note_reach(session: Session, body: dict[str, Any]) -> None:
    """Say where what was asked for goes back further than what the controller has; one of old does not tell."""
    if body.get("whole", True):
        return
    if body["begins"] is None:
        session.note("the controller keeps no ledger in memory: it was started with --ledger none")
        return
    session.note(
        f"nothing older than {body['begins']} is here; the controller's --ledger FILE, if it has one, may have it"
    )


def _follow(session: Session, asked: dict[str, Any]) -> Never:
    """Show entries as they come, until the user ends it."""
    follower = Follower(session.client, asked)
    patience = Patience(session.note)
    widths: Sequence[int] = ()
    while True:
        news = patiently(follower.news, patience)
        if len(news) == MOST:
            session.note(f"more than {MOST} entries came at once; the oldest of them are missing here")
        if session.format in (Format.JSON, Format.YAML):
            for entry in news:
                session.body(entry, one_line=True)
        else:
            widths = _rows(session, news, widths)
        time.sleep(INTERVAL)


def _rows(session: Session, news: list[Entry], widths: Sequence[int]) -> Sequence[int]:
    """Say entries in columns that never get narrower; the headers where there were none yet."""
    if session.format is Format.NAME:
        for entry in news:
            session.say(entry["time"])
        return widths
    table = cells(COLUMNS, news, wide=session.format is Format.WIDE)
    wider = list(map(max, zip_longest(measure(table), widths or FIRST_WIDTHS, fillvalue=0)))
    rows = table[1:] if widths else table
    for row in plain(rows, wider):
        session.say(row)
    return wider


class Follower:
    """Asks for what is new since the last time. Entries of one moment are told apart by how many of them were told."""

    def __init__(self, client: Client, asked: dict[str, Any]) -> None:
        self._client = client
        self._asked = asked
        self._told: list[Entry] = []
        """Those of the last moment."""

    def news(self) -> list[Entry]:
        """Give the entries since, the newest last."""
        entries: list[Entry] = self._client.get("/ledger", self._asked)["entries"]
        known = len(self._told) if entries[: len(self._told)] == self._told else 0
        if entries:
            last = entries[-1]["time"]
            self._told = [entry for entry in entries if entry["time"] == last]
            self._asked = {**self._asked, "since": last, "limit": MOST}
        return entries[known:]
