"""``daolictl group``: networks whose containers may talk to each other."""

from __future__ import annotations

from operator import itemgetter

import click

from daoli.cli import complete
from daoli.cli.client import place
from daoli.cli.complaints import each
from daoli.cli.output import column
from daoli.cli.rule import CREATED, asked, cuts
from daoli.cli.session import Listing, Session
from daoli.cli.verbs import Noun, pass_session

COLUMNS = (column("NAME", "name"), column("NETWORKS", "networks"))
GROUPS = Listing(itemgetter("groups"), COLUMNS, "There is no group; daolictl group put NAME NETWORK… makes one.")


@click.group(cls=Noun, examples=("daolictl group put backend dnet1 dnet2", "daolictl group ls"))
def group() -> None:
    """Networks whose containers may talk to each other where no rule says otherwise."""


@group.command("ls", watch=True, examples=("daolictl group ls",))
@pass_session
def ls(session: Session) -> None:
    """List groups."""
    session.show(GROUPS, lambda: session.client.get("/groups"))


@group.command("show", examples=("daolictl group show backend",))
@click.argument("name", shell_complete=complete.groups)
@pass_session
def show(session: Session, name: str) -> None:
    """Show one group."""
    session.details(session.client.get(place("groups", name)), COLUMNS)


@group.command("put", examples=("daolictl group put backend dnet1 dnet2", "daolictl group put backend dnet1 --dry-run"))
@click.argument("name", shell_complete=complete.groups)
@click.argument("networks", nargs=-1, metavar="[NETWORK]...", shell_complete=complete.networks)
@click.option("--allow-unknown", is_flag=True, help="It may name networks that there are not yet.")
@click.option("--dry-run", is_flag=True, help="Only say which routes that would cut.")
@pass_session
def put(session: Session, name: str, networks: tuple[str, ...], *, allow_unknown: bool, dry_run: bool) -> None:
    """Make a group of these networks, or let it have these and no others."""
    path = place("groups", name) + asked(allow_unknown=allow_unknown, dry_run=dry_run)
    reply = session.client.request("PUT", path, {"networks": list(networks)})
    done = "would have" if dry_run else "made, with" if reply.status == CREATED else "has"
    said = f"group {name} {done} {', '.join(networks) or 'no network'}"
    session.result(reply.body, name, said, *cuts(reply.body, dry_run=dry_run, client=session.client))


@group.command("rm", examples=("daolictl group rm backend",))
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete.groups)
@click.option("--dry-run", is_flag=True, help="Only say which routes that would cut.")
@pass_session
def rm(session: Session, names: tuple[str, ...], *, dry_run: bool) -> None:
    """Remove groups; routes that they alone allowed are cut."""

    def remove(name: str) -> None:
        body = session.client.request("DELETE", place("groups", name) + asked(dry_run=dry_run)).body
        done = "would be removed" if dry_run else "removed"
        session.result(body, name, f"group {name} {done}", *cuts(body, dry_run=dry_run, client=session.client))

    each(names, remove)
