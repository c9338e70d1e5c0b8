"""What the resources work on: one value in the application, no globals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from aiohttp import web
from prometheus_client import CollectorRegistry

from daoli.api.refusals import Refusals
from daoli.hosts.events import EventHub
from daoli.hosts.feed import Feed
from daoli.hosts.inquiries import Inquiries
from daoli.hosts.inventory import Inventory
from daoli.hosts.leases import Leases
from daoli.hosts.ledger import Ledger
from daoli.hosts.moves import Moves
from daoli.hosts.question import Question
from daoli.hosts.reported import Reported
from daoli.hosts.reports import CutReport, Explanation, HostStatus, Quarantined, RouteReport
from daoli.hosts.stored import Record
from daoli.hosts.trace import Trace


class Fabric(Protocol):
    """What the API asks of `hosts.fabric.Fabric`."""

    @property
    def counters(self) -> Mapping[str, int]:
        """What was counted since the start: ``punts_total``, or ``denied_total{reason=spoofed}`` with one label."""
        ...

    def gauges(self) -> Mapping[str, float]:
        """Measure what goes up and down, named as counters are."""
        ...

    def ready(self) -> str | None:
        """Tell why the controller cannot do its work; None if it can."""
        ...

    def host_status(self, name: str) -> HostStatus:
        """Tell the live half of a registered host."""
        ...

    def quarantined(self) -> list[Quarantined]:
        """List the datapaths that are connected and belong to no host."""
        ...

    async def routes(self) -> list[RouteReport]:
        """List live routes with their counters."""
        ...

    async def explain(self, question: Question) -> Explanation:
        """Say what would happen to a packet, and why."""
        ...

    def would_cut(self, changes: Mapping[str, Record | None]) -> CutReport:
        """Say what routes a change of rules and groups would cut; nothing is written."""
        ...

    @property
    def inquiries(self) -> Inquiries:
        """What agents are asked about probes."""
        ...

    async def trace(self, question: Question) -> Trace:
        """Send a probe, and tell how far it got."""
        ...

    async def confirmed(self, revision: int) -> CutReport:
        """Wait until what the change of this revision cut is confirmed."""
        ...


class Describes(Protocol):
    """What has the OpenAPI document."""

    @property
    def document(self) -> dict[str, Any]:
        """The whole document."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """Everything behind the API."""

    inventory: Inventory
    fabric: Fabric
    events: EventHub
    feed: Feed
    leases: Leases
    ledger: Ledger
    moves: Moves
    refusals: Refusals
    reported: Reported
    token: str | None
    version: str
    openflow_port: int
    registry: CollectorRegistry
    description: Describes


SERVICES: Final = web.AppKey("services", Services)
