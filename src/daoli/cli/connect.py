"""``daolictl connect`` and ``disconnect``: two containers may talk, or may not, whatever else is said of them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

import click

from daoli.cli import complete
from daoli.cli.client import place
from daoli.cli.endpoint import found
from daoli.cli.ports import Traffic, parse_traffic
from daoli.cli.rule import asked, written
from daoli.cli.rules import content_id
from daoli.cli.session import Session
from daoli.cli.verbs import Verb, pass_session, translated

PRIORITY: Final = 1000


@click.command(
    cls=Verb, examples=("daolictl connect web db", "daolictl connect web db 5432/tcp", "daolictl connect web db icmp")
)
@click.argument("one", shell_complete=complete.endpoints)
@click.argument("other", shell_complete=complete.endpoints)
@click.argument("traffic", required=False, metavar="[PORT/PROTOCOL]", callback=translated(parse_traffic))
@click.option("--dry-run", is_flag=True, help="Only say which routes that would cut.")
@pass_session
def connect(session: Session, one: str, other: str, traffic: Traffic | None, *, dry_run: bool) -> None:
    """Let two containers talk, whoever begins: a rule of priority 1000.

    It takes the place of what disconnect said of the same two and the same port.
    """
    _say(session, "allow", one, other, traffic, dry_run=dry_run)


@click.command(cls=Verb, examples=("daolictl disconnect web db", "daolictl disconnect web db 22/tcp --dry-run"))
@click.argument("one", shell_complete=complete.endpoints)
@click.argument("other", shell_complete=complete.endpoints)
@click.argument("traffic", required=False, metavar="[PORT/PROTOCOL]", callback=translated(parse_traffic))
@click.option("--dry-run", is_flag=True, help="Only say which routes that would cut.")
@pass_session
def disconnect(session: Session, one: str, other: str, traffic: Traffic | None, *, dry_run: bool) -> None:
    """Let two containers not talk, whoever begins: a rule of priority 1000.

    It takes the place of what connect said of the same two and the same port.
    """
    _say(session, "deny", one, other, traffic, dry_run=dry_run)


def _say(session: Session, action: str, one: str, other: str, traffic: Traffic | None, *, dry_run: bool) -> None:
    rule = rule_of(action, _selected(session, one), _selected(session, other), traffic)
    reply = session.client.request("PUT", place("rules", rule["id"]) + asked(dry_run=dry_run), rule)
    done = "would be made" if dry_run else "made" if reply.status == HTTPStatus.CREATED else "is in place"
    session.result(reply.body, reply.body["id"], *written(reply.body, done, dry_run=dry_run))


def rule_of(action: str, one: str, other: str, traffic: Traffic | None) -> dict[str, Any]:
    """Make the rule; its id is the same for both actions, and whoever is named first."""
    rule: dict[str, Any] = {"priority": PRIORITY, "both_ways": True}
    rule |= {"source": {"endpoint": one}, "destination": {"endpoint": other}}
    if traffic is not None:
        rule["protocol"] = traffic.protocol
        if traffic.port is not None:
            rule["ports"] = [traffic.port]
    first, second = sorted((one, other))
    same = rule | {"source": {"endpoint": first}, "destination": {"endpoint": second}}
    return {"id": f"pair-{content_id(same)}", "action": action, **rule}


def _selected(session: Session, text: str) -> str:
    """Name an endpoint as a rule should: as people do if that is its name, else by its id."""
    endpoint = found(session.client, text)
    return text if text == endpoint.get("name") else str(endpoint["id"])
