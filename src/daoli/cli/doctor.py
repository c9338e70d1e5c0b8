"""``daolictl doctor``: what is wrong, and what to do about it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from http import HTTPStatus

import click

from daoli.cli.client import Client, Refused, Unreachable
from daoli.cli.examine import Finding, examined
from daoli.cli.output import Format, printable
from daoli.cli.session import Done, Session
from daoli.cli.settings import TOKEN_FILE, URL
from daoli.cli.status import not_ready
from daoli.cli.verbs import Verb, pass_session

WIDTH = 16
"""Columns of the longest check's name."""
TOLD = ("/controller", "/hosts", "/endpoints", "/publish", "/rules", "/moves")


@click.command(cls=Verb, examples=("daolictl doctor", "daolictl doctor -o json"))
@pass_session
def doctor(session: Session) -> None:
    """Check the controller and all that it knows.

    A line says what was found, and what to do if it is wrong; then the exit code is 1.

    On a Docker host, daoli doctor checks that host's part of the chain.
    """
    findings = []
    for finding in examination(session.client):
        findings.append(finding)
        if session.for_people:
            _say(session, finding)
    wrong = [finding for finding in findings if finding.remedy]
    if session.format is Format.NAME:
        for finding in wrong:
            session.say(finding.check)
    elif not session.for_people:
        session.body({"ok": not wrong, "findings": [finding._asdict() for finding in findings]})
    if wrong:
        raise Done


def _say(session: Session, finding: Finding) -> None:
    head, tail = ("problem", f"; {finding.remedy}") if finding.remedy else ("ok", "")
    colour = click.style(f"{head:<7}", fg="red" if finding.remedy else "green")
    session.say(f"{colour}  {finding.check:<{WIDTH}} {printable(finding.text)}{printable(tail)}")


def examination(client: Client) -> Iterator[Finding]:
    """Check link after link; what hangs on a broken one is left out."""
    try:
        client.get("/healthz")
    except (Unreachable, Refused) as failure:
        yield Finding("controller", str(failure), f"start it, or say where it is with --controller or {URL}")
        return
    yield Finding("controller", f"{client.settings.url} answers")
    try:
        client.get("/controller")
    except Refused as refusal:
        if refusal.status != HTTPStatus.UNAUTHORIZED:
            yield Finding("token", str(refusal), "ask by address, or have the API ask for a token")
            return
        yield Finding("token", str(refusal), f"name the file of --api-token-file with --token-file or {TOKEN_FILE}")
        return
    yield Finding("token", "accepted" if client.settings.token else "none is needed")
    yield from _readiness(client)
    told: dict[str, object] = {}
    for path in TOLD:
        told |= client.get(path)
    yield from examined(told, client.clock_skew, time.time() + (client.clock_skew or 0.0))


def _readiness(client: Client) -> Iterator[Finding]:
    why = not_ready(client)
    if why:
        yield Finding("ready", why, "see the controller's log")
    else:
        yield Finding("ready", "the controller does its work")
