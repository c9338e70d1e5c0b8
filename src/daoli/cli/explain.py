"""``daolictl explain``: what would happen to a packet, and why."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import click

from daoli.cli import complete
from daoli.cli.client import Refused
from daoli.cli.endpoint import found
from daoli.cli.ports import Traffic, parse_traffic
from daoli.cli.session import Session
from daoli.cli.verbs import Verb, pass_session, translated


@click.command(
    cls=Verb,
    examples=(
        "daolictl explain web db",
        "daolictl explain web db 5432/tcp",
        "daolictl explain 10.1.0.2 10.1.0.3 icmp -o json",
    ),
)
@click.argument("source", shell_complete=complete.endpoints)
@click.argument("destination", shell_complete=complete.endpoints)
@click.argument("traffic", required=False, metavar="[PORT/PROTOCOL]", callback=translated(parse_traffic))
@pass_session
def explain(session: Session, source: str, destination: str, traffic: Traffic | None) -> None:
    """Say what would happen to a packet, and why.

    Nothing is installed. Endpoints are told by a container's name, an address, an id or the beginning of it; what the
    packet carries as 5432/tcp, 53/udp, or icmp.
    """
    body = _asked(session, source, destination, traffic)
    session.result(body, "allowed" if body["allowed"] else "denied", *sentences(body, source, destination))


def _asked(session: Session, source: str, destination: str, traffic: Traffic | None) -> dict[str, Any]:
    packet = {"protocol": traffic.protocol, "port": traffic.port} if traffic else {}

    def ask(one: str, other: str) -> dict[str, Any]:
        body: dict[str, Any] = session.client.get("/explain", {"source": one, "destination": other, **packet})
        return body

    try:
        return ask(source, destination)
    except Refused as refusal:
        if refusal.status != HTTPStatus.NOT_FOUND:
            raise
    # The controller knows no beginnings of ids.
    return ask(found(session.client, source)["id"], found(session.client, destination)["id"])


def sentences(body: dict[str, Any], source: str, destination: str) -> list[str]:
    """Say an explanation in lines."""
    port = f"{body['port']}/" if body["port"] else ""
    packet = f" {port}{body['protocol']}" if body["protocol"] else ""
    verdict = "allowed" if body["allowed"] else "denied"
    lines = [
        f"{source} > {destination}{packet}: {verdict}, {'deliverable' if body['deliverable'] else 'not delivered'}"
    ]
    lines.append(f"reason:    {body['reason']}" + _rule(body))
    lines += [f"rule:      {_said(rule, body)}" for rule in body.get("rules") or ()]
    if body.get("rules") and body.get("default"):
        lines.append(f"default:   {body['default']}")
    lines += [f"problem:   {problem}" for problem in body["problems"]]
    lines.append(f"path:      {' > '.join(body['path']) or 'none'}")
    live = body["live_route"]
    lines.append(f"route:     {live} is live" if live is not None else f"route:     {_no_route(body)}")
    lines += [f"flow:      on {planned['host']}: {planned['flow']}" for planned in body["flows"]]
    return lines


def _rule(body: dict[str, Any]) -> str:
    return f" (rule {body['rule']})" if body["rule"] and body["rule"] not in body["reason"] else ""


def _said(rule: dict[str, Any], body: dict[str, Any]) -> str:
    """Say a rule that matches the two, and what it has to do with the verdict."""
    words = f"{rule['id']}, {'allow' if rule['allow'] else 'deny'}, priority {rule['priority']}"
    if rule["id"] == body["rule"]:
        words += ", decides"
    elif rule["id"] in body.get("overridden", ()):
        words += ", overridden"
    elif not rule["applies"]:
        words += ", speaks of other traffic"
    return words + (f": {rule['comment']}" if rule["comment"] else "")


def _no_route(body: dict[str, Any]) -> str:
    if not body["allowed"]:
        return "none"
    what = "one of that connection alone" if body.get("granularity") == "connection" else "it"
    return f"none now; the first packet opens {what}"
