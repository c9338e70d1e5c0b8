"""The application: every resource's operations, between a guard and the one place where errors become problems."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from daoli import __version__
from daoli.api import (
    controller,
    description,
    endpoints,
    events,
    groups,
    health,
    hosts,
    inquiries,
    leases,
    ledger,
    metrics,
    moves,
    networks,
    policy,
    publications,
    reported,
    routes,
    rules,
    trace,
    watch,
)
from daoli.api.guard import guard
from daoli.api.operation import Operation
from daoli.api.problems import problems
from daoli.api.refusals import Refusals
from daoli.api.services import SERVICES, Fabric, Services
from daoli.hosts.events import EventHub
from daoli.hosts.feed import Feed
from daoli.hosts.inventory import Inventory
from daoli.hosts.leases import Leases
from daoli.hosts.ledger import Ledger
from daoli.hosts.moves import Moves
from daoli.hosts.reported import Reported

BODY_LIMIT: Final = 8 * 2**20
"""Bytes; the longest list of endpoints that a host can have is far below."""

OPENFLOW_PORT: Final = 6653
"""As registered for OpenFlow (OpenFlow 1.3.5, 6.3.3)."""

OPERATIONS: Final[tuple[Operation, ...]] = (
    *controller.OPERATIONS,
    *hosts.OPERATIONS,
    *networks.OPERATIONS,
    *endpoints.OPERATIONS,
    *groups.OPERATIONS,
    *rules.OPERATIONS,
    *policy.OPERATIONS,
    *leases.OPERATIONS,
    *publications.OPERATIONS,
    *reported.OPERATIONS,
    *inquiries.OPERATIONS,
    *moves.OPERATIONS,
    *routes.OPERATIONS,
    *trace.OPERATIONS,
    *ledger.OPERATIONS,
    *events.OPERATIONS,
    *watch.OPERATIONS,
    *health.OPERATIONS,
    *metrics.OPERATIONS,
    *description.OPERATIONS,
)


def make_app(
    inventory: Inventory,
    fabric: Fabric,
    hub: EventHub,
    *,
    kept: Ledger | None = None,
    token: str | None = None,
    version: str = __version__,
    openflow_port: int = OPENFLOW_PORT,
) -> web.Application:
    """Make the application; with a token it asks for it. `kept` is the ledger that it shows."""
    open_paths = {operation.path for operation in OPERATIONS if operation.open}
    refusals = Refusals()
    app = web.Application(middlewares=[problems, guard(token, open_paths, refusals)], client_max_size=BODY_LIMIT)
    feed = Feed(inventory)
    fabric.inquiries.subscribe(feed.tell)
    app[SERVICES] = Services(
        inventory=inventory,
        fabric=fabric,
        events=hub,
        feed=feed,
        leases=Leases(inventory),
        ledger=kept or Ledger(kept=0),
        moves=Moves(inventory),
        refusals=refusals,
        reported=Reported(inventory, hub),
        token=token,
        version=version,
        openflow_port=openflow_port,
        registry=metrics.make_registry(inventory, fabric, refusals, version),
        description=description.Description(OPERATIONS, version, token=token is not None),
    )
    app[events.STREAMS] = set()
    app.on_shutdown.append(events.end_streams)
    app.on_shutdown.append(watch.end_watches)
    for operation in OPERATIONS:
        app.router.add_route(operation.method, operation.path, operation.serve)
    return app
