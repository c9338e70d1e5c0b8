"""``daolictl endpoint``: containers' interfaces."""

from __future__ import annotations

from http import HTTPStatus
from operator import itemgetter
from typing import Any

import click

from daoli.cli import complete
from daoli.cli.client import Client, Refused, place
from daoli.cli.finding import find_endpoint
from daoli.cli.output import Column, column
from daoli.cli.session import Listing, Session
from daoli.cli.verbs import Noun, pass_session

SHORT_ID = 12

COLUMNS = (
    Column("ID", lambda endpoint: endpoint["id"][:SHORT_ID]),
    Column("NAME", lambda endpoint: endpoint.get("name") or endpoint["id"]),
    column("HOST", "host"),
    column("NETWORK", "network"),
    column("ADDRESS", "ipv4"),
    column("REACHABLE", "reachable"),
    column("MAC", "mac", wide=True),
    column("PORT", "port", wide=True),
    column("PORT NO", "port_no", wide=True),
    Column("CONTAINER", lambda endpoint: (endpoint.get("container") or "")[:SHORT_ID], wide=True),
    column("PENDING", "pending", wide=True),
    column("ALIASES", "aliases", wide=True),
    column("LABELS", "labels", wide=True),
)
DETAILS = (
    column("ID", "id"),
    *(column for column in COLUMNS[1:] if column.title != "CONTAINER"),
    column("CONTAINER", "container"),
)
ENDPOINTS = Listing(itemgetter("endpoints"), COLUMNS, "There is no endpoint; docker run --network NETWORK … makes one.")


@click.group(cls=Noun, examples=("daolictl endpoint ls --host h1", "daolictl endpoint show web"))
def endpoint() -> None:
    """Containers' interfaces on networks."""


@endpoint.command(
    "ls", watch=True, examples=("daolictl endpoint ls", "daolictl endpoint ls --host h1 --network dnet1 -o wide")
)
@click.option("--host", metavar="NAME", shell_complete=complete.hosts, help="Only those on this host.")
@click.option("--network", metavar="NAME", shell_complete=complete.networks, help="Only those on this network.")
@pass_session
def ls(session: Session, host: str | None, network: str | None) -> None:
    """List endpoints."""
    session.show(ENDPOINTS, lambda: session.client.get("/endpoints", {"host": host, "network": network}))


@endpoint.command("show", examples=("daolictl endpoint show web", "daolictl endpoint show 10.1.0.2 -o yaml"))
@click.argument("name", metavar="ENDPOINT", shell_complete=complete.endpoints)
@pass_session
def show(session: Session, name: str) -> None:
    """Show one endpoint, by its id or the beginning of it, its container's name or id, or its address."""
    session.details(found(session.client, name), DETAILS)


def found(client: Client, text: str) -> dict[str, Any]:
    """Ask for an endpoint by its id; look for it among all only if there is none."""
    try:
        body: dict[str, Any] = client.get(place("endpoints", text))
    except Refused as refusal:
        if refusal.status != HTTPStatus.NOT_FOUND:
            raise
        return find_endpoint(client.get("/endpoints")["endpoints"], text)
    return body
