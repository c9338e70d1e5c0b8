"""``daolictl host``: Docker hosts that are part of the fabric."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

import click

from daoli.cli import complete
from daoli.cli.client import place
from daoli.cli.complaints import each
from daoli.cli.output import Column, column, count, duration
from daoli.cli.session import Listing, Session
from daoli.cli.verbs import Noun, pass_session


def _state(host: dict[str, Any]) -> str:
    return "connected" if host["status"]["connected"] else "away"


def _since(host: dict[str, Any]) -> str:
    return duration(host["status"]["connected_seconds"])


COLUMNS = (
    column("NAME", "name"),
    column("ADDRESS", "address"),
    Column("STATE", _state),
    Column("SINCE", _since, ticks=True),
    column("ENDPOINTS", "endpoints"),
    column("ROUTES", "status", "live_routes"),
    Column("PROBLEMS", lambda host: "; ".join(host["status"]["problems"])),
    column("DPID", "dpid", wide=True),
    column("UPLINK", "uplink", wide=True),
    column("MTU", "mtu", wide=True),
    column("GATEWAY", "gateway", wide=True),
    column("SITE", "site", wide=True),
    column("LABELS", "labels", wide=True),
)
DETAILS = (
    *COLUMNS,
    column("DOCKER", "docker"),
    column("SUBNETS", "subnets"),
    column("PEER", "status", "peer"),
    column("STATIC FLOWS", "status", "static_flows"),
    column("PORTS", "status", "ports"),
)
HOSTS = Listing(itemgetter("hosts"), COLUMNS, "No host has joined; run daoli agent --controller URL on one.")


@click.group(cls=Noun, examples=("daolictl host ls", "daolictl host show h1"))
def host() -> None:
    """Docker hosts that are part of the fabric."""


@host.command("ls", watch=True, examples=("daolictl host ls", "daolictl host ls -o wide", "daolictl host ls --watch"))
@pass_session
def ls(session: Session) -> None:
    """List hosts, and datapaths that belong to none."""
    latest: dict[str, Any] = {}

    def fetch() -> Any:
        latest.update(session.client.get("/hosts"))
        return dict(latest)

    session.show(HOSTS, fetch)
    if session.for_people:
        for datapath in latest["unregistered"]:
            session.note(
                f"datapath {datapath['dpid']} at {datapath['peer']} is connected, but belongs to no host; "
                "daoli agent there makes it one"
            )


@host.command("show", examples=("daolictl host show h1", "daolictl host show h1 -o yaml"))
@click.argument("name", shell_complete=complete.hosts)
@pass_session
def show(session: Session, name: str) -> None:
    """Show one host."""
    session.details(session.client.get(place("hosts", name)), DETAILS)


@host.command("rm", examples=("daolictl host rm h3",))
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete.hosts)
@pass_session
def rm(session: Session, names: tuple[str, ...]) -> None:
    """Remove hosts with their endpoints and routes.

    An agent that still runs there joins again; end it first with: daoli agent --leave
    """

    def remove(name: str) -> None:
        body = session.client.request("DELETE", place("hosts", name)).body
        gone = f"host {name} removed, with {count(len(body['endpoints']), 'endpoint')}"
        session.result(body, name, gone, *cut_sentences(body))

    each(names, remove)


def cut_sentences(body: dict[str, Any]) -> list[str]:
    """Say what a change cut, and who could not confirm it."""
    sentences = [f"{count(len(body['cut']), 'route')} cut"] if body["cut"] else []
    if body["unconfirmed"]:
        names = ", ".join(body["unconfirmed"])
        sentences.append(f"not confirmed by {names}; their flows go when they are connected again")
    return sentences
