"""Endpoints: container interfaces, one by one or a host's whole list."""

from __future__ import annotations

from http import HTTPStatus

from pydantic import BaseModel

from daoli.api.cut import Cut, cut_by
from daoli.api.operation import Answer, Ask, Operation, Query, Reply
from daoli.api.services import Services
from daoli.hosts.spec import EndpointSpec, ListedEndpoint, Spec
from daoli.routing.model import Endpoint


class EndpointBody(EndpointSpec):
    """An endpoint, and where it is now."""

    port_no: int | None
    """The OpenFlow port number; null while its host is away or has no such port."""
    reachable: bool
    """Whether packets come to it, if policy lets them: its port is there, and its container is known."""


class EndpointsBody(BaseModel):
    """Endpoints, by id."""

    endpoints: list[EndpointBody]


class EndpointWritten(Cut, EndpointBody):
    """An endpoint, and what the change of it cut."""


class EndpointList(Spec):
    """All the endpoints of one host."""

    endpoints: list[ListedEndpoint]


class EndpointsReplaced(Cut):
    """The difference that a list made, as endpoint ids."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]


class EndpointQuery(Query):
    """Which endpoints to list; all by default."""

    host: str | None = None
    network: str | None = None


def endpoint_body(services: Services, endpoint: Endpoint) -> EndpointBody:
    """Join what is known of an endpoint."""
    place = services.inventory.view.place_of(endpoint.id)
    fields = dict(EndpointSpec.of(endpoint)) | {"name": endpoint.name}
    return EndpointBody.model_construct(
        **fields,
        port_no=place.port_no,
        reachable=place.switch.connected and place.port_no is not None and not endpoint.pending,
    )


async def list_endpoints(ask: Ask[None, EndpointQuery]) -> Answer:
    """List endpoints, of one host or one network if asked."""
    inventory, query = ask.services.inventory, ask.query
    found = inventory.view.endpoints.values() if query.host is None else inventory.view.endpoints_of(_host(ask))
    network = None if query.network is None else inventory.network(query.network).name
    chosen = sorted((e for e in found if network in (None, e.network)), key=lambda endpoint: endpoint.id)
    return Answer(EndpointsBody.model_construct(endpoints=[endpoint_body(ask.services, e) for e in chosen]))


def _host(ask: Ask[None, EndpointQuery]) -> str:
    return ask.services.inventory.host(ask.query.host or "").name


async def show_endpoint(ask: Ask[None, Query]) -> Answer:
    """Show one endpoint."""
    return Answer(endpoint_body(ask.services, ask.services.inventory.endpoint(ask.path["id"])))


async def put_endpoint(ask: Ask[EndpointSpec, Query]) -> Answer:
    """Add an endpoint, or move the one of that id to where it is now."""
    written = await ask.services.inventory.put_endpoint(ask.body)
    endpoint = endpoint_body(ask.services, ask.services.inventory.endpoint(ask.body.id))
    body = EndpointWritten.model_construct(**dict(endpoint), **await cut_by(ask.services, written))
    if written.created:
        return Answer(body, HTTPStatus.CREATED, f"/endpoints/{ask.body.id}")
    return Answer(body)


async def remove_endpoint(ask: Ask[None, Query]) -> Answer:
    """Remove an endpoint with its routes."""
    written = await ask.services.inventory.remove_endpoint(ask.path["id"])
    return Answer(Cut.model_construct(**await cut_by(ask.services, written)))


async def replace_endpoints(ask: Ask[EndpointList, Query]) -> Answer:
    """Take the whole list of a host's endpoints, and apply the difference."""
    written = await ask.services.inventory.replace_endpoints(ask.path["name"], ask.body.endpoints)
    cut = await cut_by(ask.services, written)
    return Answer(EndpointsReplaced.model_construct(**cut, **written.endpoints._asdict()))


OPERATIONS = (
    Operation(
        method="PUT",
        path="/hosts/{name}/endpoints",
        handler=replace_endpoints,
        body=EndpointList,
        replies={HTTPStatus.OK: Reply("The list is as asked for", EndpointsReplaced)},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE),
    ),
    Operation(
        method="GET",
        path="/endpoints",
        handler=list_endpoints,
        query=EndpointQuery,
        replies={HTTPStatus.OK: Reply("The endpoints asked for", EndpointsBody)},
        problems=(HTTPStatus.NOT_FOUND,),
    ),
    Operation(
        method="POST",
        path="/endpoints",
        handler=put_endpoint,
        body=EndpointSpec,
        replies={
            HTTPStatus.OK: Reply("The endpoint was there; it is now as asked for", EndpointWritten),
            HTTPStatus.CREATED: Reply("The endpoint is new", EndpointWritten),
        },
        problems=(HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE),
    ),
    Operation(
        method="GET",
        path="/endpoints/{id}",
        handler=show_endpoint,
        replies={HTTPStatus.OK: Reply("The endpoint", EndpointBody)},
        problems=(HTTPStatus.NOT_FOUND,),
    ),
    Operation(
        method="DELETE",
        path="/endpoints/{id}",
        handler=remove_endpoint,
        replies={HTTPStatus.OK: Reply("The endpoint is gone", Cut)},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE),
    ),
)
