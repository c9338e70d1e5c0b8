"""The controller itself: what a host that wants to join must know."""

from __future__ import annotations

from http import HTTPStatus

from pydantic import BaseModel

from daoli.api.operation import Answer, Ask, Operation, Query, Reply
from daoli.api.services import Services
from daoli.routing.model import ipv4_text


class OpenFlowBody(BaseModel):
    """Where datapaths connect."""

    port: int


class RefusedBody(BaseModel):
    """Who was not let in lately: an agent with the wrong token, say."""

    address: str
    host: str | None
    """The host of this address, if it is one's."""
    count: int
    """Since the controller's start."""
    last_seconds: float
    """Since the last time."""
    reason: str


class LedgerState(BaseModel):
    """How the ledger's file is."""

    written: int
    dropped: int
    """Entries that the file lacks, since it could not be written so fast, or not at all."""
    problem: str | None
    """Why the file cannot be written now."""


class ControllerBody(BaseModel):
    """The controller, and how much it knows."""

    version: str
    openflow: OpenFlowBody
    pool: str
    """Where networks without a subnet get one from."""
    hosts: int
    networks: int
    endpoints: int
    routes: int
    """Live ones."""
    refused: list[RefusedBody]
    """Those without the right token in the last two minutes, the last one first."""
    ledger: LedgerState


async def show_controller(ask: Ask[None, Query]) -> Answer:
    """Show the controller's version, where datapaths connect, and how much it knows."""
    view, ledger = ask.services.inventory.view, ask.services.ledger
    return Answer(
        ControllerBody(
            version=ask.services.version,
            openflow=OpenFlowBody(port=ask.services.openflow_port),
            pool=str(ask.services.inventory.pool),
            hosts=len(view.hosts),
            networks=len(view.networks),
            endpoints=len(view.endpoints),
            routes=int(ask.services.fabric.gauges().get("routes", 0)),
            refused=_refused(ask.services),
            ledger=LedgerState(written=ledger.written, dropped=ledger.dropped, problem=ledger.problem),
        )
    )


def _refused(services: Services) -> list[RefusedBody]:
    refusals, hosts = services.refusals, services.inventory.view.hosts.values()
    names = {ipv4_text(host.address): host.name for host in hosts}
    now = refusals.clock()
    return [
        RefusedBody(
            address=knock.address,
            host=names.get(knock.address),
            count=knock.times,
            last_seconds=round(now - knock.last, 1),
            reason=knock.reason,
        )
        for knock in refusals.lately()
    ]


OPERATIONS = (
    Operation(
        method="GET",
        path="/controller",
        handler=show_controller,
        replies={HTTPStatus.OK: Reply("The controller", ControllerBody)},
    ),
)
