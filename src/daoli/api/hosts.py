"""Docker hosts: join, look, leave."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus

from pydantic import BaseModel

from daoli.api.cut import Cut, cut_by
from daoli.api.operation import Answer, Ask, Operation, Query, Reply
from daoli.api.services import Services
from daoli.hosts.reports import HostStatus
from daoli.hosts.spec import HostSpec
from daoli.routing.model import Host, dpid_text


class HostBody(HostSpec):
    """A host, how many endpoints it has, and how it is."""

    endpoints: int
    status: HostStatus


class Unregistered(BaseModel):
    """A datapath that is connected and belongs to no host; `POST /hosts` with its dpid takes it in."""

    dpid: str
    peer: str
    connected_seconds: float


class HostsBody(BaseModel):
    """All hosts, by name, and the datapaths that want to be one."""

    hosts: list[HostBody]
    unregistered: list[Unregistered]


class HostWritten(Cut, HostBody):
    """A host, and what the change of it cut."""


class HostRemoved(Cut):
    """What left with a host."""

    endpoints: tuple[str, ...]
    """Ids of the endpoints that were on it."""


def host_body(services: Services, host: Host) -> HostBody:
    """Join what is known of a host."""
    status = services.fabric.host_status(host.name)
    return HostBody.model_construct(
        **dict(HostSpec.of(host)),
        endpoints=sum(1 for _ in services.inventory.view.endpoints_of(host.name)),
        status=replace(status, problems=(*status.problems, *services.reported.of_host(host.name))),
    )


async def list_hosts(ask: Ask[None, Query]) -> Answer:
    """List hosts, and datapaths that are connected but not registered."""
    hosts = ask.services.inventory.view.hosts
    return Answer(
        HostsBody.model_construct(
            hosts=[host_body(ask.services, hosts[name]) for name in sorted(hosts)],
            unregistered=[
                Unregistered(dpid=dpid_text(found.dpid), peer=found.peer, connected_seconds=found.connected_seconds)
                for found in ask.services.fabric.quarantined()
            ],
        )
    )


async def show_host(ask: Ask[None, Query]) -> Answer:
    """Show one host."""
    return Answer(host_body(ask.services, ask.services.inventory.host(ask.path["name"])))


async def join_host(ask: Ask[HostSpec, Query]) -> Answer:
    """Register a host, or change what may change of it."""
    written = await ask.services.inventory.put_host(ask.body)
    host = host_body(ask.services, ask.services.inventory.host(ask.body.name))
    body = HostWritten.model_construct(**dict(host), **await cut_by(ask.services, written))
    if written.created:
        return Answer(body, HTTPStatus.CREATED, f"/hosts/{ask.body.name}")
    return Answer(body)


async def remove_host(ask: Ask[None, Query]) -> Answer:
    """Remove a host with its endpoints and routes."""
    written = await ask.services.inventory.remove_host(ask.path["name"])
    cut = await cut_by(ask.services, written)
    return Answer(HostRemoved.model_construct(**cut, endpoints=written.endpoints.removed))


OPERATIONS = (
    Operation(
        method="GET",
        path="/hosts",
        handler=list_hosts,
        replies={HTTPStatus.OK: Reply("All hosts", HostsBody)},
    ),
    Operation(
        method="POST",
        path="/hosts",
        handler=join_host,
        body=HostSpec,
        replies={
            HTTPStatus.OK: Reply("The host was there; it is now as asked for", HostWritten),
            HTTPStatus.CREATED: Reply("The host is new", HostWritten),
        },
        problems=(HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE),
    ),
    Operation(
        method="GET",
        path="/hosts/{name}",
        handler=show_host,
        replies={HTTPStatus.OK: Reply("The host", HostBody)},
        problems=(HTTPStatus.NOT_FOUND,),
    ),
    Operation(
        method="DELETE",
        path="/hosts/{name}",
        handler=remove_host,
        replies={HTTPStatus.OK: Reply("The host is gone", HostRemoved)},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE),
    ),
)
