"""Publications as plans: which port is whose, and what goes with a container."""

from __future__ import annotations

from daoli.hosts.errors import Clash, Invalid, NotFound
from daoli.hosts.finding import search_container
from daoli.hosts.mirror import Mirror
from daoli.hosts.move import HELD
from daoli.hosts.plans import Plan
from daoli.hosts.publication import Publication, PublicationRequest
from daoli.hosts.reports import PublishedPort
from daoli.hosts.stored import key_of
from daoli.routing.model import Endpoint


def plan_publication(mirror: Mirror, request: PublicationRequest, new_id: str) -> Plan:
    """Publish a port; Clash where it leads elsewhere, or there, already."""
    if request.host is not None and request.host not in mirror.view.hosts:
        raise Invalid(f"there is no host {request.host}", "host")
    wanted = _resolved(mirror, request, new_id)
    for other in mirror.publications.values():
        if _overlap(wanted, other):
            where = f"host {other.host}" if other.host else "all hosts"
            raise Clash(f"{other.protocol} port {other.port} of {where} leads to {other.name} ({other.id})", "port")
    return Plan({key_of(wanted): wanted}, created=True)


def _resolved(mirror: Mirror, request: PublicationRequest, new_id: str) -> Publication:
    endpoints = search_container(mirror.view, request.target, "target")
    container, name = endpoints[0].container, endpoints[0].name
    if request.network is not None and request.network not in {endpoint.network for endpoint in endpoints}:
        raise Invalid(f"container {name} is not on a network {request.network}", "network")
    return Publication(
        id=new_id,
        host=request.host,
        address=request.address,
        protocol=request.protocol,
        port=request.port,
        container=container or "",
        name=name,
        target_port=request.target_port or request.port,
        network=request.network,
    )


def _overlap(one: Publication, other: Publication) -> bool:
    """Tell whether one packet could be meant for both."""
    return (
        (one.protocol, one.port) == (other.protocol, other.port)
        and (one.host is None or other.host is None or one.host == other.host)
        and (one.address is None or other.address is None or one.address == other.address)
    )


def find_publication(mirror: Mirror, publication_id: str) -> Publication:
    """Find a publication by its id."""
    found = mirror.publications.get(publication_id)
    if found is None:
        raise NotFound(f"there is no publication {publication_id}")
    return found


def leading_to(mirror: Mirror, endpoint: Endpoint, traffic: tuple[str | None, int | None]) -> list[PublishedPort]:
    """List the published ports that lead to an endpoint: all, or those of a protocol and a port of its own."""
    protocol, port = traffic
    found = [
        PublishedPort(p.id, p.host, p.address, p.protocol, p.port, p.target_port)
        for p in mirror.publications.values()
        if p.container == endpoint.container
        and p.network in (None, endpoint.network)
        and protocol in (None, p.protocol)
        and port in (None, p.target_port)
    ]
    return sorted(found, key=lambda p: (p.port, p.protocol, p.host or "", p.id))


def plan_publication_removal(mirror: Mirror, publication_id: str) -> Plan:
    """Publish a port no more."""
    return Plan({key_of(find_publication(mirror, publication_id)): None})


def plan_container_removal(mirror: Mirror, container: str) -> Plan:
    """Forget what was kept for a container that is no more; there may be nothing.

    One that is on the move comes again: started with `--rm`, it has removed itself when it was stopped.
    """
    if any(move.container == container and move.state in HELD for move in mirror.moves.values()):
        return Plan({})
    return Plan(dict.fromkeys(key_of(p) for p in mirror.publications.values() if p.container == container))
