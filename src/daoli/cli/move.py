"""``daolictl move``: moves of containers, under way or over."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from operator import itemgetter
from typing import Any

import click

from daoli.cli import complete
from daoli.cli.client import Refused, Unreachable, place
from daoli.cli.finding import find
from daoli.cli.following import followed, step
from daoli.cli.output import Column, column, duration
from daoli.cli.session import Done, Listing, Session
from daoli.cli.verbs import Noun, pass_session

COLUMNS = (
    column("ID", "id"),
    column("CONTAINER", "name"),
    column("FROM", "source"),
    column("TO", "to"),
    column("STATE", "state"),
    column("DETAIL", "detail"),
    Column("AGE", lambda move: duration(time.time() - move["created"]), ticks=True),
    Column("ADDRESSES", lambda move: [address["ipv4"] for address in move["addresses"]], wide=True),
    column("OLD CONTAINER", "container", wide=True),
    column("NEW CONTAINER", "new_container", wide=True),
)
MOVES = Listing(itemgetter("moves"), COLUMNS, "No container was moved.")


@click.group(cls=Noun, examples=("daolictl move ls", "daolictl move follow 3f2a"))
def move() -> None:
    """Moves of containers, under way or over.

    daolictl container move begins one.
    """


@move.command("ls", watch=True, examples=("daolictl move ls --watch",))
@pass_session
def ls(session: Session) -> None:
    """List moves: those under way, and the last that are over."""
    session.show(MOVES, lambda: session.client.get("/moves"))


@move.command("show", examples=("daolictl move show 3f2a",))
@click.argument("name", metavar="MOVE", shell_complete=complete.moves)
@pass_session
def show(session: Session, name: str) -> None:
    """Show one move, by its id or the beginning of it."""
    session.details(_found(session, name), COLUMNS)


@move.command("follow", examples=("daolictl move follow 3f2a",))
@click.argument("name", metavar="MOVE", shell_complete=complete.moves)
@pass_session
def follow(session: Session, name: str) -> None:
    """Follow a move to its end."""
    follow_to_end(session, _found(session, name))


def _found(session: Session, text: str) -> dict[str, Any]:
    try:
        body: dict[str, Any] = session.client.get(place("moves", text))
    except Refused as refusal:
        if refusal.status != HTTPStatus.NOT_FOUND:
            raise
        return find(session.client.get("/moves")["moves"], text, "move", lambda found: (found["name"],))
    return body


def follow_to_end(session: Session, begun: dict[str, Any]) -> None:
    """Show each step for people, the last body for programs; `Done` where the move has failed."""
    last = begun
    with _told_that_it_goes_on(session, begun):
        for now in followed(session.client, begun, session.note):
            last = now
            if session.for_people:
                session.result(now, now["id"], step(now))
    if not session.for_people:
        session.result(last, last["id"])
    if last["state"] == "failed":
        raise Done


@contextmanager
def _told_that_it_goes_on(session: Session, begun: dict[str, Any]) -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, Unreachable):
        session.note(f"the move goes on without daolictl; to look: daolictl move follow {begun['id']}")
        raise
