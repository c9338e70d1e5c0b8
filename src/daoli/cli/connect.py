"""``daolictl connect`` and ``disconnect``: two containers may talk, or may not, whatever else is said of them."""

from __future__ import annotations

from typing import Any, Final

import click

from daoli.cli.client import Client, place
from daoli.cli.finding import container_named
from daoli.cli.packet import between
from daoli.cli.ports import Traffic
from daoli.cli.rule import asked, written
from daoli.cli.rules import brief, content_id
from daoli.cli.session import Failure, Session
from daoli.cli.verbs import Verb, pass_session

PRIORITY: Final = 1000


@click.command(
    cls=Verb, examples=("daolictl connect web db", "daolictl connect web db 5432/tcp", "daolictl connect web db icmp")
)
@between("one", "other")
@click.option("--dry-run", is_flag=True, help="Only say which routes that would cut.")
@pass_session
def connect(session: Session, one: str, other: str, traffic: Traffic | None, *, dry_run: bool) -> None:
    """Let two containers talk, whoever begins: a rule of priority 1000.

    Whatever names a container here, its id or address too, the rule goes by its name: it means the container on all
    its networks, and also when it has been started anew.

    It takes the place of what disconnect said of the same two and the same port.
    """
    _say(session, "allow", one, other, traffic, dry_run=dry_run)


@click.command(cls=Verb, examples=("daolictl disconnect web db", "daolictl disconnect web db 22/tcp --dry-run"))
@between("one", "other")
@click.option("--dry-run", is_flag=True, help="Only say which routes that would cut.")
@pass_session
def disconnect(session: Session, one: str, other: str, traffic: Traffic | None, *, dry_run: bool) -> None:
    """Let two containers not talk, whoever begins: a rule of priority 1000.

    Whatever names a container here, its id or address too, the rule goes by its name: it means the container on all
    its networks, and also when it has been started anew.

    It takes the place of what connect said of the same two and the same port.
    """
    _say(session, "deny", one, other, traffic, dry_run=dry_run)


def _say(session: Session, action: str, one: str, other: str, traffic: Traffic | None, *, dry_run: bool) -> None:
    client = session.client
    endpoints = client.get("/endpoints")["endpoints"]
    source, destination = (container_named(endpoints, text) for text in (one, other))
    if source == destination:
        raise Failure(f"{one} and {other} are the same container, which reaches itself by no network")
    rule = rule_of(action, source, destination, traffic)
    before = _present(client, rule["id"])
    reply = client.request("PUT", place("rules", rule["id"]) + asked(dry_run=dry_run), rule)
    done = "was there already" if before == brief(reply.body) else _done(new=before is None, dry_run=dry_run)
    session.result(reply.body, reply.body["id"], *written(reply.body, done, dry_run=dry_run, client=client))


def _present(client: Client, rule_id: str) -> dict[str, Any] | None:
    """Give what the rule says until now; None if there is none."""
    return next((brief(rule) for rule in client.get("/rules")["rules"] if rule["id"] == rule_id), None)


def _done(*, new: bool, dry_run: bool) -> str:
    if dry_run:
        return "would be made" if new else "would be replaced"
    return "made" if new else "replaced"


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
