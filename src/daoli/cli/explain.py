"""``daolictl explain``: what would happen to a packet, and why."""

from __future__ import annotations

from http import HTTPStatus
from ipaddress import AddressValueError, IPv4Address
from typing import Any

import click

from daoli.cli.client import Refused
from daoli.cli.endpoint import found
from daoli.cli.output import duration
from daoli.cli.packet import between, via
from daoli.cli.ports import Traffic
from daoli.cli.route import end_text
from daoli.cli.session import Session
from daoli.cli.verbs import Verb, pass_session


@click.command(
    cls=Verb,
    examples=(
        "daolictl explain web db",
        "daolictl explain web db 5432/tcp",
        "daolictl explain web db 5432/tcp --why-not",
        "daolictl explain web 192.0.2.80 443/tcp",
        "daolictl explain 198.51.100.7 web 80/tcp --via h1",
        "daolictl explain 10.1.0.2 10.1.0.3 icmp -o json",
    ),
)
@between("source", "destination")
@via
@click.option("--why-not", is_flag=True, help="Say what would have to change for it to arrive.")
@pass_session
def explain(
    session: Session, source: str, destination: str, traffic: Traffic | None, via: str | None, *, why_not: bool
) -> None:
    """Say what would happen to a packet, and why, and what is live.

    Nothing is installed. Endpoints are told by a container's name, an address, an id or the beginning of it, and one
    end may be an address outside all networks; what the packet carries as 5432/tcp, 53/udp, or icmp.

    With --why-not come the changes of policy that would allow it, the smallest first, each tried by the controller and
    with the command that makes it; and what else is in the way.
    """
    body = _asked(session, source, destination, traffic, {"via": via, "why_not": "true" if why_not else None})
    session.result(body, "allowed" if body["allowed"] else "denied", *sentences(body, source, destination))


def _asked(
    session: Session, source: str, destination: str, traffic: Traffic | None, more: dict[str, Any]
) -> dict[str, Any]:
    ends = {"source": source, "destination": destination}
    packet = {"protocol": traffic.protocol, "port": traffic.port} if traffic else {}
    for _ in ends:
        try:
            return _answer(session, {**ends, **packet, **more})
        except Refused as refusal:
            side = refusal.field
            if refusal.status != HTTPStatus.NOT_FOUND or side not in ends or _is_address(ends[side]):
                raise
            # The controller knows no beginnings of ids.
            ends[side] = found(session.client, ends[side])["id"]
    return _answer(session, {**ends, **packet, **more})


def _answer(session: Session, query: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = session.client.get("/explain", query)
    return body


def _is_address(text: str) -> bool:
    try:
        IPv4Address(text)
    except AddressValueError:
        return False
    return True


def sentences(body: dict[str, Any], source: str, destination: str) -> list[str]:
    """Say an explanation in lines."""
    port = f"{body['port']}/" if body["port"] else ""
    packet = f" {port}{body['protocol']}" if body["protocol"] else ""
    verdict = "allowed" if body["allowed"] else "denied"
    delivery = {True: "deliverable", False: "not delivered", None: "perhaps not let in"}[body["deliverable"]]
    lines = [f"{source} > {destination}{packet}: {verdict}, {delivery}"]
    lines.append(f"reason:    {body['reason']}" + _rule(body))
    lines += [f"rule:      {_said(rule, body)}" for rule in body.get("rules") or ()]
    if body.get("rules") and body.get("default"):
        lines.append(f"default:   {body['default']}")
    lines += [f"problem:   {problem}" for problem in body["problems"]]
    lines.append(f"path:      {' > '.join(body['path']) or 'none'}")
    for side, label in (("source_end", "source:    "), ("destination_end", "to:        ")):
        lines += [label + _end(body[side])] if body.get(side) else []
    lines += [f"name:      {_name(body['names'], destination)}"] if body.get("names") else []
    lines += [f"published: {_published(port)}" for port in body.get("published") or ()]
    lines += _live(body)
    lines += [f"flow:      on {planned['host']}: {planned['flow']}" for planned in body["flows"]]
    return lines + _changes(body.get("why_not"))


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


def _end(end: dict[str, Any]) -> str:
    """Say where an end is, and how things are there."""
    called = f"{end['name']}, {end['address']}" if end["name"] else end["address"]
    number = end["port_no"] if end["name"] else "LOCAL"
    port = f"port {end['port'] or 'LOCAL'}" + (f" ({number}) {end['link']}" if end["link"] else " missing")
    host = "settled" if end["settled"] else "being read" if end["connected"] else "not connected"
    uplink = f"uplink {end['uplink']} {end['uplink_link'] or 'missing'}"
    gateway = [] if end["name"] else ["a gateway" if end["gateway"] else "no gateway"]
    return ", ".join([f"{called} on {end['host']}", port, f"host {host}", uplink, *gateway])


def _name(names: dict[str, Any], destination: str) -> str:
    if not names["resolves"]:
        return f"{destination} is not found by name: {names['reason']}"
    also = f"; also leads to {', '.join(names['also'])}" if names["also"] else ""
    return f"found as {', '.join(names['names'])}{also}"


def _published(port: dict[str, Any]) -> str:
    where = f"{port['address']}:{port['port']}" if port["address"] else f"port {port['port']}"
    host = f"host {port['host']}" if port["host"] else "every host"
    return f"{where}/{port['protocol']} of {host} leads to its port {port['target_port']}"


def _live(body: dict[str, Any]) -> list[str]:
    """Say what routes there are, and what both hosts count."""
    known = [body.get(side) or {} for side in ("source_end", "destination_end")]
    names = {end["id"]: end["name"] for end in known if end.get("id")}
    lines = []
    for live in body.get("routes") or ():
        route = live["route"]
        what = " > ".join(end_text(route, side, names) for side in ("source", "destination"))
        what += f" {route['protocol']}" if route["protocol"] else ""
        lines.append(f"route:     {route['id']} is live, {what}, for {duration(route['age_seconds'])}")
        lines += [f"  on {counts['host']}: {_counts(counts)}" for counts in live["counters"]]
    if more := body.get("routes_total", 0) - len(body.get("routes") or ()):
        lines.append(f"route:     {more} more; daolictl route ls lists them")
    return lines or [f"route:     {_no_route(body)}"]


def _counts(counts: dict[str, Any]) -> str:
    """Say what one host counts of a route, from its source and back."""
    told = [
        f"{packets} packets, {size} bytes {way}"
        for packets, size, way in (
            (counts["packets"], counts["bytes"], "forth"),
            (counts["packets_back"], counts["bytes_back"], "back"),
        )
        if packets is not None
    ]
    return "; ".join([*told, counts["problem"]] if counts["problem"] else told)


def _changes(why_not: dict[str, Any] | None) -> list[str]:
    """Say what would have to change."""
    if why_not is None:
        return []
    lines = [f"why not:   {why_not['said']}"]
    for number, remedy in enumerate(why_not["remedies"]):
        lines.append(f"{'or:' if number else 'change:':<10} {remedy['said']}; it touches: {remedy['touches']}")
        lines += [f"             {step['command']}" for step in remedy["steps"]]
    return lines + [f"besides:   {each}" for each in why_not["besides"]]
