"""``daolictl rule``: who may open conversations with whom."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

import click

from daoli.cli import complete
from daoli.cli.client import Client, place
from daoli.cli.complaints import each
from daoli.cli.host import cut_sentences
from daoli.cli.output import Column, column
from daoli.cli.ports import PROTOCOLS
from daoli.cli.route import end_text, names_of
from daoli.cli.rules import parse_ports, parse_selector, parse_until, rule_text, selector_text, traffic_text
from daoli.cli.session import Listing, Session
from daoli.cli.verbs import Noun, pass_session, translated

CREATED = 201
Rule = dict[str, Any]


def _matching(side: str) -> Column:
    return Column(f"{side} MATCHES".upper(), lambda rule: rule.get(f"{side}_matches"), wide=True)


def idle_sides(rule: Rule) -> list[str]:
    """Name the sides that match no endpoint now; addresses may be those of others."""
    sides = ("source", "destination")
    return [side for side in sides if rule.get(f"{side}_matches") == 0 and not rule[side].get("cidr")]


COLUMNS = (
    column("ID", "id"),
    column("PRIORITY", "priority"),
    column("ACTION", "action"),
    Column("SOURCE", lambda rule: selector_text(rule["source"])),
    Column("DESTINATION", lambda rule: selector_text(rule["destination"])),
    Column("TRAFFIC", traffic_text),
    column("BOTH WAYS", "both_ways"),
    column("UNTIL", "until"),
    Column("MATCHES", lambda rule: not idle_sides(rule)),
    _matching("source"),
    _matching("destination"),
    column("COMMENT", "comment", wide=True),
)
RULES = Listing(
    itemgetter("rules"), COLUMNS, "There is no rule; containers of one network, or of one group's networks, may talk."
)


@click.group(
    cls=Noun,
    examples=(
        "daolictl rule ls",
        "daolictl rule add deny --from any --to label:app=db",
        "daolictl rule add allow --from network:dnet1 --to label:app=db --proto tcp --port 5432",
    ),
)
def rule() -> None:
    """Who may open conversations with whom."""


@rule.command("ls", watch=True, examples=("daolictl rule ls", "daolictl rule ls -o wide"))
@pass_session
def ls(session: Session) -> None:
    """List rules, those that are asked first before the others.

    MATCHES is no where a side matches no endpoint now: the rule does nothing; -o wide has how many each side matches.
    """
    session.show(RULES, lambda: session.client.get("/rules"))


@rule.command("show", examples=("daolictl rule show 3f2a9c", "daolictl rule show 3f2a9c -o yaml"))
@click.argument("name", metavar="ID", shell_complete=complete.rules)
@pass_session
def show(session: Session, name: str) -> None:
    """Show one rule, by its id or the beginning of it, and how many endpoints each side matches."""
    session.details(session.client.get(place("rules", name)), COLUMNS)


@rule.command(
    "add",
    examples=(
        "daolictl rule add allow --from network:dnet1 --to label:app=db --proto tcp --port 5432",
        "daolictl rule add allow --from web --to db --both-ways --until 2h --comment 'while we look'",
        "daolictl rule add deny --from any --to cidr:198.51.100.0/24 --priority 500 --dry-run",
    ),
)
@click.argument("action", type=click.Choice(["allow", "deny"]))
@click.option(
    "--from",
    "source",
    metavar="SELECTOR",
    default="any",
    callback=translated(parse_selector),
    help="Who opens it: endpoint:NAME, network:NAME, group:NAME, label:KEY=VALUE, cidr:SUBNET, any.  [default: any]",
)
@click.option(
    "--to",
    "destination",
    metavar="SELECTOR",
    default="any",
    callback=translated(parse_selector),
    help="With whom, likewise.  [default: any]",
)
@click.option("--proto", "protocol", type=click.Choice(PROTOCOLS), help="[default: all]")
@click.option("--port", "ports", multiple=True, metavar="PORT|LOW-HIGH", help="Of the destination, repeatable.")
@click.option(
    "--priority", type=click.IntRange(0, 65535), help="The highest decides, and denials among equals. [default: 100]"
)
@click.option(
    "--until", metavar="TIME", callback=translated(parse_until), help="When it ends: RFC 3339, or 30m, 2h, 1d from now."
)
@click.option("--comment", metavar="TEXT", help="What it is for.")
@click.option("--id", "rule_id", metavar="ID", help="What it is to be called.  [default: made up]")
@click.option("--both-ways", is_flag=True, help="It also holds with source and destination exchanged.")
@click.option("--allow-unknown", is_flag=True, help="It may name what there is not yet.")
@click.option("--dry-run", is_flag=True, help="Only say which routes it would cut.")
@pass_session
def add(
    session: Session,
    /,
    action: str,
    ports: tuple[str, ...],
    rule_id: str | None,
    *,
    allow_unknown: bool,
    dry_run: bool,
    **fields: Any,
) -> None:
    """Make a rule; routes that it forbids are cut at once, at both ends."""
    try:
        numbers = [parse_ports(text) for text in ports]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--port") from error
    if numbers and fields["protocol"] not in ("tcp", "udp"):
        raise click.UsageError("--port needs --proto tcp or --proto udp")
    wanted = {"id": rule_id, "action": action, "ports": numbers, **fields}
    body = {name: value for name, value in wanted.items() if value is not None}
    reply = session.client.request("POST", "/rules" + asked(allow_unknown=allow_unknown, dry_run=dry_run), body)
    done = "would be made" if dry_run else "made" if reply.status == CREATED else "was there already"
    session.result(reply.body, reply.body["id"], *written(reply.body, done, dry_run=dry_run, client=session.client))


@rule.command("rm", examples=("daolictl rule rm 3f2a9c", "daolictl rule rm web-db --dry-run"))
@click.argument("names", nargs=-1, required=True, metavar="ID...", shell_complete=complete.rules)
@click.option("--dry-run", is_flag=True, help="Only say which routes that would cut.")
@pass_session
def rm(session: Session, names: tuple[str, ...], *, dry_run: bool) -> None:
    """Remove rules, by their ids or the beginning of them; routes that they alone allowed are cut."""

    def remove(name: str) -> None:
        body = session.client.request("DELETE", place("rules", name) + asked(dry_run=dry_run)).body
        done = "would be removed" if dry_run else "removed"
        session.result(body, name, f"rule {name} {done}", *cuts(body, dry_run=dry_run, client=session.client))

    each(names, remove)


def asked(**flags: bool) -> str:
    """Write flags as a query."""
    query = "&".join(f"{name}=true" for name, wanted in flags.items() if wanted)
    return f"?{query}" if query else ""


def written(body: Rule, done: str, *, dry_run: bool = False, client: Client | None = None) -> list[str]:
    """Say what became of a rule."""
    lines = [f"rule {body['id']} {done}: {rule_text(body)}"]
    lines += [f"its {side} matches no endpoint now" for side in idle_sides(body)]
    return lines + cuts(body, dry_run=dry_run, client=client)


def cuts(body: dict[str, Any], *, dry_run: bool, client: Client | None = None) -> list[str]:
    """Say which routes a change cuts; if it is only tried, each of them, with the names that a `client` can ask for."""
    if not dry_run:
        return cut_sentences(body)
    routes = body["cut"]
    names = names_of(client) if routes and client else {}
    ends = [" > ".join(end_text(route, side, names) for side in ("source", "destination")) for route in routes]
    return [f"would cut route {route['id']}: {between}" for route, between in zip(routes, ends, strict=True)] or [
        "would cut no route"
    ]
