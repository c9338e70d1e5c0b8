"""``daolictl publish``: ports of hosts that lead to containers anywhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final

import click

from daoli.cli import complete
from daoli.cli.client import Client, place
from daoli.cli.complaints import each
from daoli.cli.finding import find
from daoli.cli.output import Column, column
from daoli.cli.ports import TRANSPORTS, Published, Target, parse_published, parse_target
from daoli.cli.session import Failure, Listing, Session
from daoli.cli.verbs import Noun, pass_session, translated

INTERVAL: Final = 0.1
LOOKS: Final = 30
"""Seconds between two looks whether the agents have had their say, and how many of them."""
Publication = dict[str, Any]


def published_at(publication: Publication) -> str:
    """Say where a port is published, as docker does."""
    address = publication.get("address")
    return f"{f'{address}:' if address else ''}{publication['port']}/{publication['protocol']}"


def leads_to(publication: Publication) -> str:
    """Say where it leads."""
    return f"{publication['name']}:{publication['target_port']}"


def problems(publication: Publication) -> list[str]:
    """Say where it does not lead there, and why; a controller of old does not tell."""
    return [f"{found['host']}: {found['problem']}" for found in publication.get("problems", ())]


COLUMNS = (
    column("ID", "id"),
    Column("HOST", lambda publication: publication.get("host") or "(all)"),
    Column("PUBLISHED", published_at),
    Column("TARGET", leads_to),
    Column("PROBLEM", problems, wide=True),
    column("NETWORK", "network", wide=True),
    column("CONTAINER", "container", wide=True),
)
PUBLICATIONS = Listing(
    itemgetter("publications"), COLUMNS, "No port is published; daolictl publish 8080 CONTAINER:80 does it."
)


class PublishNoun(Noun):
    """A group that takes ``publish 8080 web:80`` for ``publish create 8080 web:80``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the word in that was left out."""
        if args and args[0][:1].isdigit():
            args.insert(0, "create")
        return super().parse_args(ctx, args)


@click.group(
    cls=PublishNoun,
    examples=("daolictl publish 8080 web:80", "daolictl publish create 8080 --to web:80 --host h1"),
)
def publish() -> None:
    """Ports of hosts that lead to containers.

    daolictl publish 8080 web:80 is short for daolictl publish create 8080 --to web:80
    """


@publish.command("ls", watch=True, examples=("daolictl publish ls",))
@pass_session
def ls(session: Session) -> None:
    """List published ports."""
    session.show(PUBLICATIONS, lambda: session.client.get("/publish"))


@publish.command(
    "create",
    examples=(
        "daolictl publish create 8080 --to web:80",
        "daolictl publish create 53/udp --to dns --host h1",
        "daolictl publish create 192.0.2.1:443 --to web:8443 --network dnet1",
    ),
)
@click.argument("published", metavar="[ADDRESS:]PORT[/PROTOCOL]", callback=translated(parse_published))
@click.argument(
    "target",
    required=False,
    metavar="[CONTAINER[:PORT]]",
    callback=translated(parse_target),
    shell_complete=complete.containers,
)
@click.option(
    "--to",
    metavar="CONTAINER[:PORT]",
    callback=translated(parse_target),
    shell_complete=complete.containers,
    help="Where it is to lead: a container's name or id, and its port.  [default: the same port]",
)
@click.option("--host", metavar="NAME", shell_complete=complete.hosts, help="Only on this host.  [default: on all]")
@click.option("--address", metavar="ADDRESS", help="Only on this address of the host.  [default: on all]")
@click.option("--protocol", type=click.Choice(TRANSPORTS), help="[default: tcp]")
@click.option("--network", metavar="NAME", shell_complete=complete.networks, help="By which network it is reached.")
@pass_session
def create(
    session: Session,
    published: Published,
    target: Target | None,
    to: Target | None,
    host: str | None,
    address: str | None,
    protocol: str | None,
    network: str | None,
) -> None:
    """Make a port on a host, or on all hosts, lead to a container anywhere.

    It waits a moment for the word of the hosts' agents. Where the port is taken the exit code is 1; the port stays
    published, and leads there once it is free.
    """
    if (target is None) == (to is None):
        raise click.UsageError("say once where the port is to lead: daolictl publish create 8080 --to web:80")
    leads = target or to
    _check_once("--address", address, published.address)
    _check_once("--protocol", protocol, published.protocol)
    fields = {
        "host": host,
        "address": address or published.address,
        "protocol": protocol or published.protocol,
        "port": published.port,
        "target": leads.container if leads else None,
        "target_port": leads.port if leads else None,
        "network": network,
    }
    wanted = {key: value for key, value in fields.items() if value is not None}
    body = session.client.request("POST", "/publish", wanted).body
    _tell(session, settled(session.client, body))


def settled(client: Client, publication: Publication, pause: Callable[[float], None] = time.sleep) -> Publication:
    """Give a publication as it is once a host has a problem with it, or all have their say, or patience is over."""
    for _ in range(LOOKS):
        if publication.get("problems") or not publication.get("awaited"):
            break
        pause(INTERVAL)
        publication = client.get(place("publish", publication["id"]))
    return publication


def _tell(session: Session, body: Publication) -> None:
    where = f"host {body['host']}" if body["host"] else "all hosts"
    found = problems(body)
    if not (found and session.for_people):
        words = f"{published_at(body)} of {where} leads to {leads_to(body)} ({body['id']})"
        session.result(body, body["id"], words)
    if found:
        head = f"{published_at(body)} of {where} is published, but not in place:"
        remedy = f"it is tried again and again; to publish it no more: daolictl publish rm {body['id']}"
        raise Failure("\n".join([head, *found, remedy]))
    if body.get("awaited"):
        session.note(f"no word yet from {', '.join(body['awaited'])}; daolictl publish ls -o wide tells of problems")


def _check_once(flag: str, one: str | None, other: str | None) -> None:
    if one is not None and other is not None and one != other:
        raise click.UsageError(f"{flag} says {one}, and the published port {other}")


@publish.command("rm", examples=("daolictl publish rm 3f2a9c", "daolictl publish rm 8080/tcp"))
@click.argument("names", nargs=-1, required=True, metavar="ID|PORT[/PROTOCOL]...", shell_complete=complete.publications)
@pass_session
def rm(session: Session, names: tuple[str, ...]) -> None:
    """Publish ports no more, by their ids or the beginning of them, or by the port if only one is so."""

    def remove(name: str) -> None:
        known = session.client.get("/publish")["publications"]
        found = find(known, name, "publication", lambda p: (published_at(p), str(p["port"])), "publish")
        body = session.client.request("DELETE", place("publish", found["id"])).body
        session.result(body, found["id"], f"{published_at(found)} leads to {leads_to(found)} no more")

    each(names, remove)
