"""A probe between endpoints, or between one and the outside, and how far it got."""

from __future__ import annotations

from http import HTTPStatus

from pydantic import RootModel

from daoli.api.asked import AskedPacket
from daoli.api.operation import Answer, Ask, Operation, Query, Reply
from daoli.hosts.trace import Trace


class TraceRequest(AskedPacket):
    """A probe to be sent: by default an ICMP echo request, with tcp or udp by default to port 9."""


class TraceBody(RootModel[Trace]):
    """How far the probe got."""


async def trace(ask: Ask[TraceRequest, Query]) -> Answer:
    """Send a probe between endpoints, or between one and the outside, and tell how far it got; no route is opened."""
    question = ask.body.question(ask.services.inventory)
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
