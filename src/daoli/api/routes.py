"""Live routes, and the explanation of one that is or is not there."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus

from pydantic import BaseModel, RootModel

from daoli.api.asked import AskedPacket
from daoli.api.operation import Answer, Ask, Operation, Query, Reply
from daoli.hosts.publishing import leading_to
from daoli.hosts.reports import Explanation, PublishedPort, RouteReport
from daoli.routing.model import Endpoint


class RoutesBody(BaseModel):
    """Live routes."""

    routes: list[RouteReport]


class ExplanationBody(RootModel[Explanation]):
    """What would happen to a packet, and why."""


class ExplainQuery(AskedPacket, Query):
    """A packet to ask about."""

    why_not: bool = False
    """Whether the smallest change that would allow it is to be told."""


async def list_routes(ask: Ask[None, Query]) -> Answer:
    """List live routes with their counters."""
    return Answer(RoutesBody.model_construct(routes=await ask.services.fabric.routes()))


async def explain(ask: Ask[None, ExplainQuery]) -> Answer:
    """Say what would happen to a packet between endpoints, or one and the outside, and why; nothing is installed."""
    inventory = ask.services.inventory
    question = ask.query.question(inventory)
    source, destination = question.source, question.destination
    ports: list[PublishedPort] = []
    if not isinstance(source, Endpoint) and isinstance(destination, Endpoint) and destination.container is not None:
        ports = leading_to(inventory.mirror, destination, (question.protocol, question.port))
    question = replace(question, why_not=ask.query.why_not, published=tuple(ports))
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
