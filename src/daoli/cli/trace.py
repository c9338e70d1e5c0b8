"""``daolictl trace``: how far a packet gets."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import click

from daoli.cli.endpoint import found
from daoli.cli.packet import between, via
from daoli.cli.ports import Traffic
from daoli.cli.session import Session
from daoli.cli.verbs import Verb, pass_session


@click.command(
    cls=Verb,
    examples=(
        "daolictl trace web db",
        "daolictl trace web db 5432/tcp",
        "daolictl trace web 198.51.100.7 443/tcp",
        "daolictl trace 198.51.100.7 web 80/tcp --via h1",
        "daolictl trace web db -o json",
    ),
)
@between("source", "destination")
@via
@pass_session
def trace(session: Session, source: str, destination: str, traffic: Traffic | None, via: str | None) -> int:
    """Send a probe from a container to another, or to an address outside, and show where it got to, flow by flow.

    It goes in at the source's bridge as if the container had sent it: an ICMP echo request, a TCP SYN or a UDP packet
    whose checksum is wrong, so that the receiver's kernel drops it and no service notices. No route is opened; one that
    is there counts it as used.

    To the outside it is followed into the own stack of the source's host. The host's agent says which rule of nftables
    or iptables dropped it, or by which interface it would leave; there it is taken away, so that nobody outside hears
    of it.

    From the outside it begins at port LOCAL of a host, as if the host's firewall had let it in: that is not tried, so
    that what then goes into the destination's port is not said to have arrived.

    The exit code is 0 if it went into the destination's port, or would leave its host, and 1 if not, or if that is not
    to be seen.
    """
    body: dict[str, Any] = {"source": _end(session, source), "destination": _end(session, destination)}
    if via is not None:
        body["via"] = via
    if traffic is not None:
        body |= {"protocol": traffic.protocol, **({"port": traffic.port} if traffic.port else {})}
    answer = session.client.request("POST", "/trace", body).body
    session.result(answer, verdict(answer), *sentences(answer, source, destination))
    return 0 if answer["arrived"] else 1


def _end(session: Session, text: str) -> str:
    """Give an endpoint's id; an address as it is, since it may be one outside."""
    try:
        return str(IPv4Address(text))
    except ValueError:
        return str(found(session.client, text)["id"])


def verdict(body: dict[str, Any]) -> str:
    """Say in a word how it ended."""
    return {True: "arrived", False: "lost", None: "unseen"}[body["arrived"]]


def sentences(body: dict[str, Any], source: str, destination: str) -> list[str]:
    """Say what became of a probe, a step a line."""
    port = f"{body['port']}/" if body["port"] else ""
    lines = []
    for number, step in enumerate(body["steps"], 1):
        lines.append(f"{number}. {step['host']}: {step['what']}")
        if step["flow"]:
            lines.append(f"     {step['flow']}  (+{step['packets']})")
        if step.get("rule") and not step["what"].endswith(step["rule"]):
            lines.append(f"     {step['rule']}")
    where = f" at {body['stopped_at']}" if body["stopped_at"] else ""
    return [*lines, f"{source} > {destination} {port}{body['protocol']}: {verdict(body)}{where}: {body['reason']}"]
