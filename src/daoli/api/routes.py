"""Live routes, and the explanation of one that is or is not there."""

from __future__ import annotations

from http import HTTPStatus
from typing import Literal

from pydantic import BaseModel, Field, RootModel, ValidationInfo, field_validator

from daoli.api.operation import Answer, Ask, Operation, Query, Reply
from daoli.hosts.publishing import leading_to
from daoli.hosts.question import Question
from daoli.hosts.reports import Explanation, PublishedPort, RouteReport
from daoli.routing.model import Endpoint


class RoutesBody(BaseModel):
    """Live routes."""

    routes: list[RouteReport]


class ExplanationBody(RootModel[Explanation]):
    """What would happen to a packet, and why."""


class ExplainQuery(Query):
    """A packet to ask about. Endpoints are told by id, by name if only one has it, or by IPv4 address.

    One end may be an IPv4 address outside all networks.
    """

    source: str
    destination: str
    protocol: Literal["tcp", "udp", "icmp"] | None = None
    port: int | None = Field(default=None, ge=1, le=65535)
    """Destination port."""
    via: str | None = None
    """The host by which a source that is outside enters; by default the destination's own."""
    why_not: bool = False
    """Whether the smallest change that would allow it is to be told."""

    @field_validator("port")
    @classmethod
    def _has_protocol(cls, port: int | None, info: ValidationInfo) -> int | None:
        # A faulty protocol is absent here, and is a fault of its own.
        if port is not None and info.data.get("protocol", "tcp") not in ("tcp", "udp"):
            raise ValueError("only tcp and udp have ports; say which with protocol")
        return port


async def list_routes(ask: Ask[None, Query]) -> Answer:
    """List live routes with their counters."""
    return Answer(RoutesBody.model_construct(routes=await ask.services.fabric.routes()))


async def explain(ask: Ask[None, ExplainQuery]) -> Answer:
    """Say what would happen to a packet between endpoints, or one and the outside, and why; nothing is installed."""
    query, inventory = ask.query, ask.services.inventory
    source = inventory.find_end(query.source, "source")
    destination = inventory.find_end(query.destination, "destination")
    ports: list[PublishedPort] = []
    if not isinstance(source, Endpoint) and isinstance(destination, Endpoint) and destination.container is not None:
        ports = leading_to(inventory.mirror, destination, (query.protocol, query.port))
    question = Question(source, destination, query.protocol, query.port, query.via, query.why_not, tuple(ports))
    return Answer(ExplanationBody(await ask.services.fabric.explain(question)))


OPERATIONS = (
    Operation(
        method="GET",
        path="/routes",
        handler=list_routes,
        replies={HTTPStatus.OK: Reply("The live routes", RoutesBody)},
    ),
    Operation(
        method="GET",
        path="/explain",
        handler=explain,
        query=ExplainQuery,
        replies={HTTPStatus.OK: Reply("The explanation", ExplanationBody)},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
    ),
)
