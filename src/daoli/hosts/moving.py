"""Moves of containers as plans: what a report leads to, and what goes along in the same commit.

While a container is on its way, its addresses are leased to the host whose turn it is to have it, so that they can
neither be lost nor be two hosts'.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address
from typing import Any, Final

from daoli.hosts.errors import Clash, Invalid, NotFound
from daoli.hosts.finding import search_container
from daoli.hosts.lease import Lease
from daoli.hosts.mirror import Mirror
from daoli.hosts.move import NEXT, PATIENCE, WORKER, Move, MovedAddress, MoveReport, MoveRequest, State
from daoli.hosts.plans import Plan
from daoli.hosts.stored import Record, endpoint_key, key_of
from daoli.routing.model import Endpoint, ipv4_text, mac_text

KEPT: Final = 100
"""How many moves that are over can be looked at."""

Changes = dict[str, Record | None]


def find_move(mirror: Mirror, move_id: str) -> Move:
    """Find a move by its id."""
    move = mirror.moves.get(move_id)
    if move is None:
        raise NotFound(f"there is no move {move_id}")
    return move


def worker_of(move: Move) -> str | None:
    """Tell the host whose turn it is; None when the move is over."""
    side = WORKER.get(move.state)
    return None if side is None else move.source if side == "source" else move.to


def plan_move(mirror: Mirror, request: MoveRequest, new_id: str, now: float) -> Plan:
    """Begin a move; Clash while the container is on the move already."""
    endpoints = search_container(mirror.view, request.container, "container")
    first = endpoints[0]
    if request.to not in mirror.view.hosts:
        raise Invalid(f"there is no host {request.to}", "to")
    if request.to == first.host:
        raise Invalid(f"container {first.name} is on host {first.host} already", "to")
    for other in mirror.moves.values():
        if other.container == first.container and worker_of(other) is not None:
            raise Clash(f"container {first.name} is on its way to {other.to} (move {other.id})", "container")
    move = Move(
        id=new_id,
        container=first.container or "",
        name=first.name,
        source=first.host,
        to=request.to,
        without_volumes=request.without_volumes,
        addresses=_addresses(endpoints),
        created=now,
        updated=now,
    )
    changes: Changes = {key_of(move): move}
    return Plan(changes | _forgotten(mirror), created=True)


def _forgotten(mirror: Mirror) -> Changes:
    """Forget the oldest moves that are over, so that with a new one there are not too many."""
    over = sorted((m for m in mirror.moves.values() if worker_of(m) is None), key=lambda move: move.created)
    return dict.fromkeys(map(key_of, over[: max(0, len(over) + 1 - KEPT)]))


def _addresses(endpoints: Iterable[Endpoint]) -> tuple[MovedAddress, ...]:
    return tuple(MovedAddress(network=e.network, ipv4=ipv4_text(e.ipv4), mac=mac_text(e.mac)) for e in endpoints)


def plan_report(mirror: Mirror, move_id: str, report: MoveReport, now: float) -> Plan:
    """Take an agent's report; Clash where it does not fit. One that was taken before changes nothing."""
    move = find_move(mirror, move_id)
    worker = worker_of(move)
    if report.host != worker:
        if report.state == move.state and report.host in {move.source, move.to}:
            return Plan({})
        turn = "it is over" if worker is None else f"it is the turn of host {worker}"
        raise Clash(f"move {move.id} is {move.state}: {turn}", "host")
    state = NEXT.get((move.state, report.state))
    if state is None:
        raise Clash(f"a move that is {move.state} does not go to {report.state}", "state")
    if state == "checking" and move.state == "preparing" and report.blueprint is None:
        raise Invalid("the target needs it", "blueprint")
    return _carry(mirror, move, _after(mirror, move, state, report, now), report.container)


def _after(mirror: Mirror, move: Move, state: State, report: MoveReport, now: float) -> Move:
    changed: dict[str, Any] = {"state": state, "updated": now}
    if report.detail is not None or state != move.state:
        changed["detail"] = report.detail
    if state not in WORKER:
        changed["blueprint"] = None
    elif report.blueprint is not None:
        changed["blueprint"] = report.blueprint
    if (state, move.state) == ("stopping", "checking"):
        # The last moment at which the container's endpoints are known; it may have been connected elsewhere meanwhile.
        at_source = (e for e in mirror.view.endpoints_of(move.source) if e.container == move.container)
        changed["addresses"] = _addresses(at_source) or move.addresses
    if state == "removing":
        changed["new_container"] = report.container or move.new_container or _container_at(mirror, move)
    elif report.container is not None and report.host == move.to:
        changed["new_container"] = report.container
    return move.model_copy(update=changed)


def _container_at(mirror: Mirror, move: Move) -> str | None:
    """Find the new container by the addresses that it has taken over."""
    return next((e.container for e in _at(mirror, move, move.to) if e.container), None)


def _at(mirror: Mirror, move: Move, host: str) -> list[Endpoint]:
    places = (mirror.view.by_ipv4.get(IPv4Address(address.ipv4).packed) for address in move.addresses)
    return [place.endpoint for place in places if place is not None and place.endpoint.host == host]


def _carry(mirror: Mirror, before: Move, move: Move, made: str | None = None) -> Plan:
    """Write a move with what goes along; `made` is the container that the report names."""
    changes: Changes = {key_of(move): move}
    if move.state == before.state:
        return Plan(changes)
    if move.state in {"stopping", "restoring"}:
        changes |= _leased(move, move.source) | _without(mirror, move, move.to)
    elif move.state == "starting":
        changes |= _leased(move, move.to) | _without(mirror, move, move.source)
    elif move.state == "removing" and move.new_container is not None:
        changes |= _followed(mirror, move, move.new_container)
    elif before.state == "restoring" and made is not None:
        changes |= _followed(mirror, move, made)
    return Plan(changes)


def _followed(mirror: Mirror, move: Move, container: str) -> Changes:
    """Have the ports of the old container lead to another."""
    follow = (p for p in mirror.publications.values() if p.container == move.container)
    return {key_of(p): p.model_copy(update={"container": container}) for p in follow}


def _leased(move: Move, host: str) -> Changes:
    leases = [Lease(ipv4=a.ipv4, network=a.network, host=host, mac=a.mac) for a in move.addresses]
    return {key_of(lease): lease for lease in leases}


def _without(mirror: Mirror, move: Move, host: str) -> Changes:
    """Remove the endpoints that a host has lost with the addresses."""
    return dict.fromkeys(endpoint_key(endpoint.id) for endpoint in _at(mirror, move, host))


def overdue(mirror: Mirror, now: float, heard_from: float = 0.0) -> list[Move]:
    """List the moves that wait for an agent which has been silent for too long, and can still end without harm.

    Agents can be heard since `heard_from`: silence before that is not theirs.
    """
    return [m for m in mirror.moves.values() if now - max(m.updated, heard_from) > PATIENCE.get(m.state, float("inf"))]


def plan_overdue(mirror: Mirror, now: float, heard_from: float = 0.0) -> Plan:
    """Let moves fail whose agent is silent; where the container is stopped, its source starts it again."""
    changes: Changes = {}
    for move in overdue(mirror, now, heard_from):
        silence = f"host {worker_of(move)} said nothing for {now - move.updated:.0f} seconds while {move.state}"
        if move.state == "starting":
            after = {"state": "restoring", "detail": silence, "updated": now}
        else:
            after = {"state": "failed", "detail": silence, "blueprint": None}
        changes |= _carry(mirror, move, move.model_copy(update=after)).changes
    return Plan(changes)
