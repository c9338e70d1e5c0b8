"""Live routes, and the explanation of one that is or is not there."""

from __future__ import annotations

from http import HTTPStatus
from typing import Literal

from pydantic import BaseModel, Field, RootModel, ValidationInfo, field_validator

from daoli.api.operation import Answer, Ask, Operation, Query, Reply
from daoli.hosts.reports import Explanation, RouteReport


class RoutesBody(BaseModel):
    """Live routes."""

    routes: list[RouteReport]


class ExplanationBody(RootModel[Explanation]):
    """What would happen to a packet, and why."""


class ExplainQuery(Query):
    """A packet to ask about. Endpoints are told by id, by name if only one has it, or by IPv4 address."""

    source: str
    destination: str
    protocol: Literal["tcp", "udp", "icmp"] | None = None
    port: int | None = Field(default=None, ge=1, le=65535)
    """Destination port."""

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
    """Say what would happen to a packet between two endpoints, and why; nothing is installed."""
    query = ask.query
    source = ask.services.inventory.find_endpoint(query.source, "source")
    destination = ask.services.inventory.find_endpoint(query.destination, "destination")
    return Answer(ExplanationBody(ask.services.fabric.explain(source, destination, query.protocol, query.port)))


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
