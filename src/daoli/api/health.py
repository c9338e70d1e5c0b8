"""Whether the process lives and whether it can do its work; for probes, so that no token is asked for."""

from __future__ import annotations

from http import HTTPStatus
from typing import Literal

from pydantic import BaseModel

from daoli.api.operation import Answer, Ask, Operation, Query, Reply
from daoli.api.problems import Problem


class HealthBody(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"
    version: str


class ReadyBody(BaseModel):
    """The controller does its work."""

    status: Literal["ready"] = "ready"


async def show_health(ask: Ask[None, Query]) -> Answer:
    """Answer, since the process lives."""
    return Answer(HealthBody(version=ask.services.version))


async def show_readiness(ask: Ask[None, Query]) -> Answer:
    """Tell whether the controller can do its work, and if not, why."""
    why = ask.services.fabric.ready()
    if why is not None:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "not-ready", why)
    return Answer(ReadyBody())


OPERATIONS = (
    Operation(
        method="GET",
        path="/healthz",
        handler=show_health,
        replies={HTTPStatus.OK: Reply("The process lives", HealthBody)},
        open=True,
    ),
    Operation(
        method="GET",
        path="/readyz",
        handler=show_readiness,
        replies={HTTPStatus.OK: Reply("The controller is ready", ReadyBody)},
        problems=(HTTPStatus.SERVICE_UNAVAILABLE,),
        open=True,
    ),
)
