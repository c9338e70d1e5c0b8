"""Hosts, networks and endpoints: commits what is planned to the store, and follows the store into the view.

There is one way into the view: the store's watch, for our own commits as for another controller's; a write returns once
its commit has come back that way. Every write also takes the `GUARD` key from the revision that its plan was made at,
so that no two writers can each be right alone and wrong together.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Final

import structlog

from daoli.hosts.finding import find_endpoint, find_host, find_network, search_end, search_endpoint
from daoli.hosts.mirror import Changed, Mirror
from daoli.hosts.plans import (
    Difference,
    Plan,
    plan_endpoint,
    plan_endpoint_removal,
    plan_host,
    plan_host_removal,
    plan_list,
    plan_network,
    plan_network_removal,
)
from daoli.hosts.pool import DEFAULT_POOL
from daoli.hosts.spec import EndpointSpec, HostSpec, ListedEndpoint, NetworkRequest
from daoli.hosts.stored import Record, encode, key_of
from daoli.routing.model import Endpoint, Host, Network
from daoli.routing.view import View
from daoli.store.base import ABSENT, Change, Conflict, Store, StoreUnavailable, WatchLost

GUARD: Final = "inventory"
ATTEMPTS: Final = 8
"""How often a write is checked anew because another controller was faster."""
RETRY_SECONDS: Final = 1.0
"""How long to wait before a store that failed is asked again: it may be another machine that restarts."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did. Where nothing had to change, `revision` is that of the inventory as it is."""

    revision: int
    changed: bool
    created: bool = False
    endpoints: Difference = field(default_factory=Difference)


class Inventory:
    """Hosts, networks and endpoints as the store has them; `run` must go on for writes to return."""

    def __init__(
        self,
        store: Store,
        view: View,
        *,
        pool: IPv4Network = DEFAULT_POOL,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self.view = view
        self.pool = pool
        self._store = store
        self._retry_seconds = retry_seconds
        self.mirror = Mirror(view)
        """What is known of the store, for plans to read."""
        self._listeners: list[Callable[[Changed], None]] = []
        self._turn = asyncio.Lock()
        self._progress = asyncio.Event()
        self._loaded = False
        self._ended = False

    @property
    def revision(self) -> int:
        """The revision of the store that the view is at."""
        return self.mirror.revision

    def subscribe(self, listener: Callable[[Changed], None]) -> None:
        """Have `listener` called after each batch that changed the view, in order, before the write returns."""
        self._listeners.append(listener)

    # -- following the store -------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read everything, and apply what differs from what is known."""
        snapshot = await self._store.read()
        known = self.mirror.revisions
        gone = known.keys() - {entry.key for entry in snapshot.entries}
        changes: list[tuple[str, bytes | None, int]] = [(key, None, snapshot.revision) for key in sorted(gone)]
        changes += [(key, value, at) for key, value, at in snapshot.entries if known.get(key) != at]
        self._loaded = True
        self._follow(snapshot.revision, changes)

    async def run(self) -> None:
        """Follow the store until it is closed."""
        try:
            while True:
                try:
                    if not self._loaded:
                        await self.load()
                    async for applied in self._store.watch(self.revision):
                        self._follow(applied.revision, applied.changes)
                except WatchLost as lost:
                    log.warning("inventory_watch_lost", since=lost.since)
                    self._loaded = False
                except StoreUnavailable as error:
                    log.warning("inventory_store_unavailable", reason=error.reason)
                    await asyncio.sleep(self._retry_seconds)
                else:
                    return
        finally:
            self._ended = True
            self._wake()

    def _follow(self, revision: int, changes: Iterable[tuple[str, bytes | None, int]]) -> None:
        changed = self.mirror.apply(revision, changes)
        if changed.pairs():
            for listener in self._listeners:
                listener(changed)
        self._wake()

    def _wake(self) -> None:
        progress, self._progress = self._progress, asyncio.Event()
        progress.set()

    async def _reached(self, revision: int) -> None:
        while self.revision < revision:
            if self._ended:
                raise StoreUnavailable("the inventory no longer follows the store")
            await self._progress.wait()

    def records(self) -> dict[str, Record]:
        """Give what listeners are told of, by key."""
        kinds = ("hosts", "networks", "endpoints", "publications", "moves", "groups", "rules")
        return {key_of(record): record for record in self.mirror.records(*kinds)}

    # -- writing -------------------------------------------------------------------------------------------------

    async def put_host(self, spec: HostSpec) -> Written:
        """Register a host, or change what may change of it; Clash where another has its name, dpid or address."""
        return await self.write(lambda mirror: plan_host(mirror, spec))

    async def remove_host(self, name: str) -> Written:
        """Remove a host with its endpoints."""
        return await self.write(lambda mirror: plan_host_removal(mirror, name))

    async def put_network(self, request: NetworkRequest) -> Written:
        """Make a network; Clash where it is not as the one there is, or overlaps another."""
        draw = secrets.randbits(32)
        return await self.write(lambda mirror: plan_network(mirror, request, self.pool, draw))

    async def remove_network(self, name: str) -> Written:
        """Remove a network; InUse while it has endpoints."""
        return await self.write(lambda mirror: plan_network_removal(mirror, name))

    async def put_endpoint(self, spec: EndpointSpec) -> Written:
        """Put an endpoint where it is now; Clash where another has its address, MAC or port."""
        return await self.write(lambda mirror: plan_endpoint(mirror, spec))

    async def remove_endpoint(self, endpoint_id: str) -> Written:
        """Remove an endpoint."""
        return await self.write(lambda mirror: plan_endpoint_removal(mirror, endpoint_id))

    async def replace_endpoints(self, host: str, specs: Sequence[ListedEndpoint]) -> Written:
        """Take the whole list of a host's endpoints, all or nothing; an endpoint of another host moves here."""
        return await self.write(lambda mirror: plan_list(mirror, host, specs))

    async def write(self, make_plan: Callable[[Mirror], Plan]) -> Written:
        """Commit what a plan wants, which is made anew each time that another controller was faster."""
        async with self._turn:
            for _ in range(ATTEMPTS):
                at = self.revision
                plan = make_plan(self.mirror)
                if not plan.changes:
                    return Written(at, changed=False)
                try:
                    revision = await self._store.commit(self._changes(plan))
                except Conflict as conflict:
                    # Another controller's commit is on its way to us, if it is not here by now.
                    await self._reached(max(at + 1, conflict.actual))
                    continue
                await self._reached(revision)
                return Written(revision, changed=True, created=plan.created, endpoints=plan.endpoints)
            raise StoreUnavailable(f"other controllers were faster {ATTEMPTS} times")

    def _changes(self, plan: Plan) -> list[Change]:
        at = self.mirror.revisions
        changes = [Change(GUARD, b"", at.get(GUARD, ABSENT))]
        for key, record in plan.changes.items():
            changes.append(Change(key, None if record is None else encode(record), at.get(key, ABSENT)))
        return changes

    # -- finding -------------------------------------------------------------------------------------------------

    def host(self, name: str) -> Host:
        """Find a host by its name."""
        return find_host(self.view, name)

    def network(self, name: str) -> Network:
        """Find a network by its name."""
        return find_network(self.view, name)

    def endpoint(self, endpoint_id: str) -> Endpoint:
        """Find an endpoint by its id."""
        return find_endpoint(self.view, endpoint_id)

    def find_endpoint(self, text: str, field: str | None = None) -> Endpoint:
        """Find an endpoint by its id, its IPv4 address or its name; `field` is named in errors."""
        return search_endpoint(self.view, text, field)

    def find_end(self, text: str, field: str | None = None) -> Endpoint | IPv4Address:
        """Find an endpoint likewise, or take an IPv4 address that is outside all networks."""
        return search_end(self.view, text, field)
