"""Leases: the addresses that hosts may give to containers, unique across all hosts."""

from __future__ import annotations

from http import HTTPStatus
from ipaddress import IPv4Address

from pydantic import BaseModel

from daoli.api.operation import Answer, Ask, Operation, Query, Reply
from daoli.api.services import Services
from daoli.hosts.lease import Lease, LeaseRequest
from daoli.hosts.spec import Ipv4, Spec
from daoli.routing.model import ipv4_text


class LeaseBody(Lease):
    """A lease, and what a container needs to know of the network."""

    subnet: str | None
    """Null only while another hand has taken the network away."""
    gateway: str | None


class LeasesBody(BaseModel):
    """Leases, by address."""

    leases: list[LeaseBody]


class LeaseReleased(BaseModel):
    """A lease that was given back."""

    ipv4: str
    kept_for: str | None
    """The move of a container that keeps the address, by id; null where it is free now."""


class LeaseList(Spec):
    """All the addresses that a host has."""

    leases: list[Ipv4]


class LeaseRefused(BaseModel):
    """An address that a host cannot have, and why."""

    ipv4: str
    detail: str


class LeasesReplaced(BaseModel):
    """The difference that a list made."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    refused: tuple[LeaseRefused, ...]


class LeaseQuery(Query):
    """Which leases to list; all by default."""

    host: str | None = None
    network: str | None = None


class ReleaseQuery(Query):
    """Whose lease it is."""

    host: str


def lease_body(services: Services, lease: Lease) -> LeaseBody:
    """Join what is known of a lease."""
    network = services.inventory.view.networks.get(lease.network)
    return LeaseBody.model_construct(
        **dict(lease),
        subnet=str(network.subnet) if network else None,
        gateway=ipv4_text(network.gateway) if network else None,
    )


async def list_leases(ask: Ask[None, LeaseQuery]) -> Answer:
    """List leases, of one host or one network if asked."""
    found = sorted(ask.services.leases.of(ask.query.host, ask.query.network), key=lambda e: IPv4Address(e.ipv4))
    return Answer(LeasesBody.model_construct(leases=[lease_body(ask.services, lease) for lease in found]))


async def grant_lease(ask: Ask[LeaseRequest, Query]) -> Answer:
    """Lease an address to a host: the one asked for, or the next that is free."""
    lease, created = await ask.services.leases.grant(ask.body)
    body = lease_body(ask.services, lease)
    if created:
        return Answer(body, HTTPStatus.CREATED, f"/leases/{lease.ipv4}")
    return Answer(body)


async def release_lease(ask: Ask[None, ReleaseQuery]) -> Answer:
    """Give a host's address back; that of a container on the move is kept for it."""
    released = await ask.services.leases.release(ask.path["ipv4"], ask.query.host)
    return Answer(LeaseReleased(ipv4=released.ipv4, kept_for=released.kept_for))


async def replace_leases(ask: Ask[LeaseList, Query]) -> Answer:
    """Take the whole list of a host's leases: release what is not in it, take what is and is free."""
    difference = await ask.services.leases.replace(ask.path["name"], ask.body.leases)
    refused = tuple(LeaseRefused(ipv4=ipv4, detail=detail) for ipv4, detail in difference.refused)
    return Answer(LeasesReplaced(added=difference.added, removed=difference.removed, refused=refused))


OPERATIONS = (
    Operation(
        method="GET",
        path="/leases",
        handler=list_leases,
        query=LeaseQuery,
        replies={HTTPStatus.OK: Reply("The leases asked for", LeasesBody)},
        problems=(HTTPStatus.NOT_FOUND,),
    ),
    Operation(
        method="POST",
        path="/leases",
        handler=grant_lease,
        body=LeaseRequest,
        replies={
            HTTPStatus.OK: Reply("The host had this lease already", LeaseBody),
            HTTPStatus.CREATED: Reply("The lease is new", LeaseBody),
        },
        problems=(HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE),
    ),
    Operation(
        method="DELETE",
        path="/leases/{ipv4}",
        handler=release_lease,
        query=ReleaseQuery,
        replies={HTTPStatus.OK: Reply("The lease is given back", LeaseReleased)},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE),
    ),
    Operation(
        method="PUT",
        path="/hosts/{name}/leases",
        handler=replace_leases,
        body=LeaseList,
        replies={HTTPStatus.OK: Reply("The leases are as asked for, but for those refused", LeasesReplaced)},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE),
    ),
)
