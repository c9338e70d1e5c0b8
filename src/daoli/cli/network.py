"""``daolictl network``: IPv4 subnets that are the same on every host."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

import click

from daoli.cli import complete
from daoli.cli.client import place
from daoli.cli.complaints import each
from daoli.cli.host import cut_sentences
from daoli.cli.output import column
from daoli.cli.session import Listing, Session
from daoli.cli.verbs import Noun, pass_session

COLUMNS = (
    column("NAME", "name"),
    column("SUBNET", "subnet"),
    column("GATEWAY", "gateway"),
    column("INTERNAL", "internal"),
    column("ENDPOINTS", "endpoints"),
    column("RANGE", "range", wide=True),
    column("RESERVED", "reserved", wide=True),
    column("LABELS", "labels", wide=True),
)
NETWORKS = Listing(itemgetter("networks"), COLUMNS, "There is no network; daolictl network create NAME makes one.")
CREATED = 201


@click.group(cls=Noun, examples=("daolictl network create dnet1", "daolictl network ls"))
def network() -> None:
    """IPv4 subnets, the same on every host."""


@network.command("ls", watch=True, examples=("daolictl network ls", "daolictl network ls -o json"))
@pass_session
def ls(session: Session) -> None:
    """List networks."""
    session.show(NETWORKS, lambda: session.client.get("/networks"))


@network.command("show", examples=("daolictl network show dnet1",))
@click.argument("name", shell_complete=complete.networks)
@pass_session
def show(session: Session, name: str) -> None:
    """Show one network."""
    session.details(session.client.get(place("networks", name)), COLUMNS)


def labels_of(_context: click.Context, _parameter: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    """Take ``KEY=VALUE`` or ``KEY``, as docker does."""
    labels = {}
    for text in texts:
        key, _, value = text.partition("=")
        if not key:
            raise click.BadParameter(f"{text!r} is not KEY=VALUE")
        labels[key] = value
    return labels


@network.command(
    "create",
    examples=(
        "daolictl network create dnet1",
        "daolictl network create dnet1 --subnet 10.1.0.0/24 --gateway 10.1.0.254",
        "daolictl network create db --subnet 10.2.0.0/16 --range 10.2.8.0/24 --internal --label tier=db",
    ),
)
@click.argument("name")
@click.option("--subnet", metavar="SUBNET", help="IPv4 subnet.  [default: a free /24 of the controller's pool]")
@click.option("--gateway", metavar="ADDRESS", help="The containers' gateway.  [default: the subnet's first address]")
@click.option("--internal", is_flag=True, help="Let nothing out of it, and nothing in, by a host.")
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", callback=labels_of, help="A label, repeatable.")
@click.option("--range", "part", metavar="SUBNET", help="Where addresses are leased from.  [default: the subnet]")
@click.option("--reserved", multiple=True, metavar="ADDRESS", help="An address that is not leased, repeatable.")
@pass_session
def create(
    session: Session,
    name: str,
    subnet: str | None,
    gateway: str | None,
    labels: dict[str, str],
    part: str | None,
    reserved: tuple[str, ...],
    *,
    internal: bool,
) -> None:
    """Make a network, on every host at once."""
    fields: dict[str, Any] = {"name": name, "subnet": subnet, "gateway": gateway, "range": part}
    wanted = {key: value for key, value in fields.items() if value is not None}
    reply = session.client.request(
        "POST", "/networks", wanted | {"internal": internal, "labels": labels, "reserved": list(reserved)}
    )
    body = reply.body
    done = "created" if reply.status == CREATED else "was there already"
    session.result(body, name, f"network {name} {done}: {body['subnet']}, gateway {body['gateway']}")


@network.command("rm", examples=("daolictl network rm dnet1",))
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete.networks)
@pass_session
def rm(session: Session, names: tuple[str, ...]) -> None:
    """Remove networks that no container uses, on every host."""

    def remove(name: str) -> None:
        body = session.client.request("DELETE", place("networks", name)).body
        session.result(body, name, f"network {name} removed", *cut_sentences(body))

    each(names, remove)
