"""``daolictl lease``: addresses that hosts have for their containers."""

from __future__ import annotations

from operator import itemgetter

import click

from daoli.cli import complete
from daoli.cli.output import column
from daoli.cli.session import Listing, Session
from daoli.cli.verbs import Noun, pass_session

LEASES = Listing(
    itemgetter("leases"),
    (
        column("ADDRESS", "ipv4"),
        column("NETWORK", "network"),
        column("HOST", "host"),
        column("MAC", "mac"),
        column("SUBNET", "subnet", wide=True),
        column("GATEWAY", "gateway", wide=True),
    ),
    "No address is leased.",
)


@click.group(cls=Noun, examples=("daolictl lease ls",))
def lease() -> None:
    """Addresses that hosts have for their containers."""


@lease.command("ls", watch=True, examples=("daolictl lease ls", "daolictl lease ls --host h1 --network dnet1"))
@click.option("--host", metavar="NAME", shell_complete=complete.hosts, help="Only those of this host.")
@click.option("--network", metavar="NAME", shell_complete=complete.networks, help="Only those of this network.")
@pass_session
def ls(session: Session, host: str | None, network: str | None) -> None:
    """List leases."""
    session.show(LEASES, lambda: session.client.get("/leases", {"host": host, "network": network}))
