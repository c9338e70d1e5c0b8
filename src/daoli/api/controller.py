"""The controller itself: what a host that wants to join must know."""

from __future__ import annotations

from http import HTTPStatus

from pydantic import BaseModel

from daoli.api.operation import Answer, Ask, Operation, Query, Reply


class OpenFlowBody(BaseModel):
    """Where datapaths connect."""

    port: int


class ControllerBody(BaseModel):
    """The controller, and how much it knows."""

    version: str
    openflow: OpenFlowBody
    pool: str
    """Where networks without a subnet get one from."""
    hosts: int
    networks: int
    endpoints: int


async def show_controller(ask: Ask[None, Query]) -> Answer:
    """Show the controller's version, where datapaths connect, and how much it knows."""
    view = ask.services.inventory.view
    return Answer(
        ControllerBody(
            version=ask.services.version,
            openflow=OpenFlowBody(port=ask.services.openflow_port),
            pool=str(ask.services.inventory.pool),
            hosts=len(view.hosts),
            networks=len(view.networks),
            endpoints=len(view.endpoints),
        )
    )


OPERATIONS = (
    Operation(
        method="GET",
        path="/controller",
        handler=show_controller,
        replies={HTTPStatus.OK: Reply("The controller", ControllerBody)},
    ),
)
