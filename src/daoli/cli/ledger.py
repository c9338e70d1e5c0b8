"""``daolictl ledger``: what became of conversations."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

import click

from daoli.cli import complete
from daoli.cli.output import Column, column
from daoli.cli.route import end_text
from daoli.cli.session import Listing, Session
from daoli.cli.verbs import Verb, pass_session

Entry = dict[str, Any]
WHAT = {"route.opened": "opened", "route.closed": "closed", "packet.refused": "refused"}


def _traffic(entry: Entry) -> str | None:
    port = f"/{entry['destination_port']}" if entry.get("destination_port") else ""
    return f"{entry['protocol']}{port}" if entry.get("protocol") else None


COLUMNS = (
    column("TIME", "time"),
    Column("WHAT", lambda entry: WHAT.get(entry["kind"], entry["kind"])),
    Column("SOURCE", lambda entry: end_text(entry, "source", ports=False)),
    Column("DESTINATION", lambda entry: end_text(entry, "destination", ports=False)),
    Column("TRAFFIC", _traffic),
    column("VERDICT", "verdict"),
    column("BYTES", "bytes"),
    column("BYTES BACK", "bytes_back"),
    column("SECONDS", "seconds"),
    column("RULE", "rule"),
    column("REASON", "reason", wide=True),
    column("WHY", "why", wide=True),
    column("PACKETS", "packets", wide=True),
    column("PACKETS BACK", "packets_back", wide=True),
    column("SOURCE ADDRESS", "source_address", wide=True),
    column("DESTINATION ADDRESS", "destination_address", wide=True),
    column("ROUTE", "route", wide=True),
)
LEDGER = Listing(itemgetter("entries"), COLUMNS, "The ledger has nothing of this.")


@click.command(
    cls=Verb,
    watch=True,
    examples=(
        "daolictl ledger --since 10m --denied",
        "daolictl ledger --source web --destination db -o wide",
        "daolictl ledger --since 2030-01-31T12:00:00Z -o json",
    ),
)
@click.option("--since", metavar="TIME", help="RFC 3339, or how long ago: 90s, 10m, 2h, 1d.")
@click.option("--denied", is_flag=True, help="Only what was refused.")
@click.option("--source", metavar="NAME", shell_complete=complete.endpoints, help="An endpoint's name, id or address.")
@click.option("--destination", metavar="NAME", shell_complete=complete.endpoints, help="Likewise.")
@click.option("--limit", type=click.IntRange(1, 10000), help="Only the newest so many.  [default: 1000]")
@pass_session
def ledger(session: Session, /, *, denied: bool, **query: Any) -> None:
    """Show what became of conversations lately, the newest last.

    Routes opened, packets refused, and routes closed with what went by. The controller has the last 10000 in memory;
    what is older is in its --ledger FILE, if it has one.
    """
    asked = {**query, "denied": "true" if denied else None}
    seen: dict[str, Any] = {}

    def fetch() -> Any:
        seen.update(session.client.get("/ledger", asked))
        return dict(seen)

    session.show(LEDGER, fetch)
    if session.for_people and seen["dropped"]:
        session.note(f"the ledger's file lacks {seen['dropped']} entries, which could not be written")
