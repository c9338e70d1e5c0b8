"""``daolictl container``: containers on networks of the fabric, and their moves."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any

import click

from daoli.cli import complete
from daoli.cli.containers import gathered
from daoli.cli.endpoint import SHORT_ID
from daoli.cli.move import follow_to_end
from daoli.cli.output import Column, column
from daoli.cli.session import Listing, Session
from daoli.cli.verbs import Noun, pass_session


def _of_endpoints(key: str) -> Callable[[dict[str, Any]], list[Any]]:
    return lambda container: [endpoint[key] for endpoint in container["endpoints"]]


CONTAINERS = Listing(
    itemgetter("containers"),
    (
        column("NAME", "name"),
        Column("ID", lambda container: container["container"][:SHORT_ID]),
        column("HOST", "host"),
        Column("NETWORKS", _of_endpoints("network")),
        Column("ADDRESSES", _of_endpoints("ipv4")),
        column("REACHABLE", "reachable"),
        Column("MACS", _of_endpoints("mac"), wide=True),
        Column("ALIASES", lambda c: [name for e in c["endpoints"] for name in e["aliases"] or ()], wide=True),
        column("LABELS", "labels", wide=True),
    ),
    "No container runs on a network of the fabric; docker run --network NETWORK … makes one.",
)


@click.group(cls=Noun, examples=("daolictl container ls", "daolictl container move web --to h2"))
def container() -> None:
    """Containers on networks of the fabric."""


@container.command("ls", watch=True, examples=("daolictl container ls", "daolictl container ls --host h1 -o wide"))
@click.option("--host", metavar="NAME", shell_complete=complete.hosts, help="Only those on this host.")
@click.option("--network", metavar="NAME", shell_complete=complete.networks, help="Only those on this network.")
@pass_session
def ls(session: Session, host: str | None, network: str | None) -> None:
    """List containers, as their endpoints tell of them."""

    def fetch() -> Any:
        body = session.client.get("/endpoints", {"host": host, "network": network})
        return {"containers": gathered(body["endpoints"])}

    session.show(CONTAINERS, fetch)


@container.command(
    "move",
    examples=(
        "daolictl container move web --to h2",
        "daolictl container move db --to h3 --without-volumes",
        "daolictl container move web --to h2 --detach",
    ),
)
@click.argument("name", metavar="CONTAINER", shell_complete=complete.containers)
@click.option("--to", required=True, metavar="HOST", shell_complete=complete.hosts, help="Where it is to run.")
@click.option("--without-volumes", is_flag=True, help="Leave behind volumes that cannot follow.")
@click.option("-d", "--detach", is_flag=True, help="Do not follow the move.")
@pass_session
def move(session: Session, name: str, to: str, *, without_volumes: bool, detach: bool) -> None:
    """Recreate a container on another host, with its addresses and all that it has.

    CONTAINER is its name, its id, or the beginning of its id. The agents of both hosts do it, also if daolictl is
    interrupted. The exit code is 1 if it fails; then the container runs where it was.
    """
    wanted = {"container": name, "to": to, "without_volumes": without_volumes}
    begun = session.client.request("POST", "/moves", wanted).body
    if detach:
        session.result(begun, begun["id"], f"move {begun['id']} of {begun['name']} to {to} has begun")
    else:
        follow_to_end(session, begun)
