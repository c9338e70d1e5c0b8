"""``daolictl status``: how the whole is, on one page."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import click

from daoli.cli.client import Client, Refused
from daoli.cli.examine import ledger, refused
from daoli.cli.following import OVER
from daoli.cli.output import count, plain
from daoli.cli.session import Session
from daoli.cli.verbs import Verb, pass_session


@click.command(cls=Verb, examples=("daolictl status", "daolictl status -o json"))
@pass_session
def status(session: Session) -> None:
    """Show how much there is, and what is wrong."""
    found = gathered(session.client)
    session.result(found, session.settings.url, *sentences(found, session.settings.url))


def gathered(client: Client) -> dict[str, Any]:
    """Put together what several requests tell."""
    return {
        "controller": client.get("/controller"),
        "not_ready": not_ready(client),
        **client.get("/hosts"),
        **client.get("/publish"),
        **client.get("/moves"),
    }


def not_ready(client: Client) -> str | None:
    """Ask why the controller cannot do its work; None if it can."""
    try:
        client.get("/readyz")
    except Refused as refusal:
        if refusal.status != HTTPStatus.SERVICE_UNAVAILABLE:
            raise
        return str(refusal)
    return None


def sentences(found: dict[str, Any], url: str) -> list[str]:
    """Say it in lines."""
    controller, hosts = found["controller"], found["hosts"]
    connected = sum(host["status"]["connected"] for host in hosts)
    moving = sum(move["state"] not in OVER for move in found["moves"])
    lines = [
        ["Controller:", f"{url}, version {controller['version']}, OpenFlow port {controller['openflow']['port']}"],
        ["Ready:", f"no: {found['not_ready']}" if found["not_ready"] else "yes"],
        ["Hosts:", f"{len(hosts)}, {connected} connected"],
        ["Networks:", f"{controller['networks']}, pool {controller['pool']}"],
        ["Endpoints:", str(controller["endpoints"])],
        ["Routes:", str(controller["routes"])],
        ["Published:", count(len(found["publications"]), "port")],
        ["Moves:", f"{moving} under way"],
    ]
    problems = [f"{host['name']}: {problem}" for host in hosts for problem in host["status"]["problems"]]
    problems += [f"datapath {datapath['dpid']} at {datapath['peer']} is no host" for datapath in found["unregistered"]]
    problems += [finding.text for finding in (*refused(controller), *ledger(controller)) if finding.remedy]
    lines += [["Problem:", problem] for problem in problems]
    return plain(lines)
