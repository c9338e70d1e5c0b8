"""``daolictl events``: what happens in the fabric, as it happens."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

import click

from daoli.cli.again import Patience
from daoli.cli.client import Client, Refused, Unreachable
from daoli.cli.output import Format, cell
from daoli.cli.session import Session
from daoli.cli.verbs import Verb, pass_session

HEAD = frozenset({"id", "kind", "time"})
KIND_WIDTH = 22
"""Columns of the longest kind that there is."""


@click.command(
    cls=Verb,
    examples=(
        "daolictl events",
        "daolictl events --kinds host.connected,host.disconnected",
        "daolictl events -o json | jq 'select(.kind == \"packet.refused\")'",
    ),
)
@click.option("--kinds", metavar="KIND[,KIND...]", help="Only these, such as route.opened, host.disconnected.")
@pass_session
def events(session: Session, kinds: str | None) -> None:
    """Follow what happens from now on.

    Until interrupted; with -o json an object a line. If the controller goes it is waited for, and what it has kept of
    what happened meanwhile is told; an event of kind dropped says that some are missing.
    """
    path = f"/events?kinds={quote(kinds, safe=',')}" if kinds else "/events"
    for event in followed(session.client, path, Patience(session.note)):
        if session.for_people:
            session.result(event, "", sentence(event))
        elif session.format is Format.NAME:
            session.say(event["kind"])
        else:
            session.body(event, one_line=True)


def followed(client: Client, path: str, patience: Patience) -> Iterator[dict[str, Any]]:
    """Give events without end, from where it was where the connection is lost."""
    seen = Seen()
    while True:
        headers = {"Last-Event-ID": seen.id} if seen.id else {}
        try:
            yield from parsed(seen.noted(client.lines(path, headers), patience))
        except (Unreachable, Refused) as failure:
            patience.failed(failure)


class Seen:
    """How far a stream was read: the id of the last event, or where the stream began."""

    def __init__(self) -> None:
        self.id = ""

    def noted(self, lines: Iterable[str], patience: Patience) -> Iterator[str]:
        """Pass lines on. An id counts from the empty line that ends its event, as in any event stream."""
        last = self.id
        for line in lines:
            patience.answered()
            if line.startswith("id:"):
                last = line.removeprefix("id:").strip()
            elif not line:
                self.id = last
            yield line


def parsed(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Read server-sent events, each of whose data is one JSON object; comments and other fields are passed over."""
    data: list[str] = []
    for line in lines:
        if line.startswith("data:"):
            data.append(line.removeprefix("data:").removeprefix(" "))
        elif not line and data:
            yield json.loads("\n".join(data))
            data = []


def sentence(event: dict[str, Any]) -> str:
    """Say an event in a line."""
    fields = " ".join(f"{key}={cell(value)}" for key, value in event.items() if key not in HEAD)
    return f"{event.get('time', '')}  {event['kind']:<{KIND_WIDTH}}  {fields}".rstrip()
