"""A probe between endpoints, or between one and the outside, and how far it got."""

from __future__ import annotations

from http import HTTPStatus
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationInfo, field_validator

from daoli.api.operation import Answer, Ask, Operation, Query, Reply
from daoli.hosts.question import Question
from daoli.hosts.trace import Trace


class TraceRequest(BaseModel):
    """A probe to be sent. Endpoints are told by id, by name if only one has it, or by IPv4 address.

    One of them may also be an address outside all networks.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    destination: str
    protocol: Literal["tcp", "udp", "icmp"] | None = None
    """By default icmp: an echo request."""
    port: int | None = Field(default=None, ge=1, le=65535)
    """Destination port; by default 9."""

    via: str | None = None
    """The host by which a source that is outside enters; by default the destination's own."""

    @field_validator("port")
    @classmethod
    def _has_protocol(cls, port: int | None, info: ValidationInfo) -> int | None:
        if port is not None and info.data.get("protocol", "tcp") not in ("tcp", "udp"):
            raise ValueError("only tcp and udp have ports; say which with protocol")
        return port


class TraceBody(RootModel[Trace]):
    """How far the probe got."""


async def trace(ask: Ask[TraceRequest, Query]) -> Answer:
    """Send a probe between endpoints, or between one and the outside, and tell how far it got; no route is opened."""
    body, inventory = ask.body, ask.services.inventory
    source = inventory.find_end(body.source, "source")
    destination = inventory.find_end(body.destination, "destination")
    question = Question(source, destination, body.protocol, body.port, body.via)
    return Answer(TraceBody(await ask.services.fabric.trace(question)))


OPERATIONS = (
    Operation(
        method="POST",
        path="/trace",
        handler=trace,
        body=TraceRequest,
        replies={HTTPStatus.OK: Reply("How far it got", TraceBody)},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
    ),
)
