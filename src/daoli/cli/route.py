"""``daolictl route``: conversations that have flows on the hosts now."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from types import MappingProxyType
from typing import Any

import click

from daoli.cli.client import Client
from daoli.cli.endpoint import SHORT_ID
from daoli.cli.output import Column, column, duration
from daoli.cli.session import Listing, Session
from daoli.cli.verbs import Noun, pass_session

Route = dict[str, Any]


def listing(names: dict[str, str]) -> Listing:
    """Make the table; `names` are those of endpoints, by id."""

    def end(which: str) -> Column:
        return Column(which.upper(), lambda route: end_text(route, which, names))

    columns = (
        column("ID", "id"),
        end("source"),
        end("destination"),
        column("PROTOCOL", "protocol"),
        Column("HOSTS", lambda route: " > ".join(dict.fromkeys((route["source_host"], route["destination_host"])))),
        column("BYTES", "bytes"),
        column("BYTES BACK", "bytes_back"),
        Column("AGE", lambda route: duration(route["age_seconds"]), ticks=True),
        column("SOURCE ADDRESS", "source_address", wide=True),
        column("DESTINATION ADDRESS", "destination_address", wide=True),
        column("PACKETS", "packets", wide=True),
        column("PACKETS BACK", "packets_back", wide=True),
        column("KIND", "granularity", wide=True),
        column("REASON", "reason", wide=True),
    )
    return Listing(
        itemgetter("routes"), columns, "No route is live; a first packet opens one, and it goes when nobody uses it."
    )


def end_text(route: Route, which: str, names: Mapping[str, str] = MappingProxyType({}), *, ports: bool = True) -> str:
    """Say who is at an end of a route: a container by its name, who is outside by the address."""
    endpoint_id, port = route.get(which), route.get(f"{which}_port")
    name = route.get(f"{which}_name") or (names.get(endpoint_id, endpoint_id[:SHORT_ID]) if endpoint_id else None)
    who = name or route.get(f"{which}_address") or "outside"
    return f"{who}:{port}" if port and ports else who


@click.group(cls=Noun, examples=("daolictl route ls --watch",))
def route() -> None:
    """Conversations that have flows on the hosts now."""


@route.command("ls", watch=True, examples=("daolictl route ls", "daolictl route ls -o wide --watch"))
@pass_session
def ls(session: Session) -> None:
    """List live routes with their counters."""
    names: dict[str, str] = {}

    def fetch() -> Any:
        body = session.client.get("/routes")
        ends = {route[side] for route in body["routes"] for side in ("source", "destination")} - {None}
        if session.for_people and not ends <= names.keys():
            names.update(names_of(session.client))
        return body

    session.show(listing(names), fetch)


def names_of(client: Client) -> dict[str, str]:
    """Ask for endpoints' names, by id."""
    return {
        endpoint["id"]: endpoint.get("name") or endpoint["id"] for endpoint in client.get("/endpoints")["endpoints"]
    }
