"""Engines that the controller watches itself: of hosts posted with `docker`, whose lists no agent keeps.

What such an engine says of its containers on the fabric's networks is the host's list of endpoints, sent as an agent
would send it. Docker does not tell to which port of the bridge it gave a container, so the port has the name that
daoli's driver gives it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Final, Never, Protocol

import structlog
from pydantic import ValidationError

from daoli.hosts.engine import Attachment, Container, EngineWatcher, Listener
from daoli.hosts.errors import InventoryError, NotFound
from daoli.hosts.events import EventHub
from daoli.hosts.inventory import Inventory
from daoli.hosts.labels import excess, fitting
from daoli.hosts.mirror import Changed
from daoli.hosts.spec import ALIASES, ListedEndpoint, faults
from daoli.store.base import StoreUnavailable

PORT_PREFIX: Final = "dl"
ID_DIGITS: Final = 12
RETRY_SECONDS: Final = 2.0
"""How long to wait before a store that failed is asked again."""
_INDEX: Final = re.compile(r"endpoints\[(\d+)\]")

log = structlog.get_logger(__name__)


class Watcher(Protocol):
    """What is asked of `hosts.engine.EngineWatcher`."""

    async def run(self) -> Never:
        """Watch, for ever."""
        ...


class WatchedHost:
    """One host's list, kept as its engine has it. The engine's silence changes nothing."""

    def __init__(self, name: str, url: str, inventory: Inventory, events: EventHub) -> None:
        self.name = name
        self.url = url
        self.fault: str | None = "it has not been reached yet"
        """Why the engine is not watched now."""
        self.left_out: dict[str, str] = {}
        """By container name, why the fabric does not take it."""
        self._inventory = inventory
        self._events = events
        self._known: dict[str, Container] | None = None
        self._work = asyncio.Event()

    # -- hosts.engine.Listener -----------------------------------------------------------------------------------

    def listed(self, containers: Mapping[str, Container]) -> None:
        """Take all containers there are."""
        self._known = dict(containers)
        self.fault = None
        self._events.publish("engine.watched", host=self.name, engine=self.url, containers=len(containers))
        self.look()

    def seen(self, container_id: str, container: Container | None) -> None:
        """Take a container as it is now."""
        known = self._known if self._known is not None else {}
        if container is None:
            known.pop(container_id, None)
        else:
            known[container_id] = container
        self.look()

    def attached(self) -> None:
        """Nothing is known of a container's endpoint before it is seen."""

    def networks_changed(self) -> None:
        """Nothing depends on the engine's networks: containers name theirs."""

    def lost(self, reason: str) -> None:
        """Keep what is known: containers go on without Docker."""
        self.fault = reason
        self._events.publish("engine.lost", host=self.name, engine=self.url, reason=reason)

    # -- the list ------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Send the list soon; what happens until then goes with it."""
        self._work.set()

    def problems(self) -> list[str]:
        """Say what keeps the list from being true, a sentence each."""
        found = [f"its Docker engine at {self.url} cannot be watched: {self.fault}"] if self.fault else []
        found += [f"container {name} is left out: {why}" for name, why in self.left_out.items()]
        for container in (self._known or {}).values():
            if container.attachments and (why := excess(container.labels, fitting(container.labels))):
                found.append(f"container {container.name}: {why}")
        return found

    async def run(self) -> Never:
        """Send the list whenever it may have changed."""
        while True:
            await self._work.wait()
            self._work.clear()
            try:
                await self._send()
            except NotFound:
                continue  # the host is being removed
            except StoreUnavailable as error:
                log.warning("engine_list_not_stored", host=self.name, reason=error.reason)
                await asyncio.sleep(RETRY_SECONDS)
                self._work.set()

    async def _send(self) -> None:
        if self._known is None:
            return
        left_out: dict[str, str] = {}
        wanted = list(self._wanted(self._known.values(), left_out))
        while True:
            try:
                await self._inventory.replace_endpoints(self.name, wanted)
                break
            except NotFound:
                raise
            except InventoryError as error:
                found = _INDEX.match(error.field or "")
                if found is None:
                    left_out["(all)"] = error.detail
                    break
                endpoint = wanted.pop(int(found[1]))
                left_out[endpoint.name or endpoint.id] = error.detail
        if left_out != self.left_out:
            log.warning("engine_containers_left_out", host=self.name, left_out=left_out)
        self.left_out = left_out

    def _wanted(self, containers: Iterable[Container], left_out: dict[str, str]) -> Iterable[ListedEndpoint]:
        for container in containers:
            for attachment in container.attachments:
                if attachment.network in self._inventory.view.networks:
                    try:
                        yield listed_endpoint(container, attachment)
                    except ValidationError as error:
                        left_out[container.name] = "; ".join(
                            f"{fault.field}: {fault.detail}" for fault in faults(error)
                        )


def listed_endpoint(container: Container, attachment: Attachment) -> ListedEndpoint:
    """Tell a container's interface as a host's list has it; ValidationError if it cannot be one."""
    return ListedEndpoint(
        id=attachment.endpoint_id,
        name=container.name,
        network=attachment.network,
        mac=attachment.mac,
        ipv4=attachment.ipv4,
        port=PORT_PREFIX + attachment.endpoint_id[:ID_DIGITS],
        labels=fitting(container.labels),
        container=container.id,
        aliases=attachment.aliases[:ALIASES],
    )


class Watching:
    """A watcher for each host that names its engine, while it does."""

    def __init__(
        self, inventory: Inventory, events: EventHub, make: Callable[[str, Listener], Watcher] = EngineWatcher
    ) -> None:
        """`make` makes what watches an engine, from its URL and a listener."""
        self._inventory = inventory
        self._events = events
        self._make = make
        self._hosts: dict[str, tuple[WatchedHost, asyncio.Task[None]]] = {}
        self._work = asyncio.Event()
        self._work.set()

    def changed(self, changed: Changed) -> None:
        """Take what changed in the inventory."""
        if changed.hosts or changed.networks:
            self._work.set()

    def problems(self, host: str) -> list[str]:
        """Say what is wrong with a host's engine; nothing if it is not watched."""
        return self._hosts[host][0].problems() if host in self._hosts else []

    async def run(self) -> Never:
        """Watch the engines that the inventory names, for ever."""
        try:
            while True:
                await self._work.wait()
                self._work.clear()
                await self._compare()
        finally:
            await self._end(*self._hosts)

    async def _compare(self) -> None:
        wanted = {host.name: host.docker for host in self._inventory.view.hosts.values() if host.docker}
        await self._end(*[name for name, (host, _) in self._hosts.items() if wanted.get(name) != host.url])
        for name, url in wanted.items():
            if name in self._hosts:
                self._hosts[name][0].look()
            else:
                host = WatchedHost(name, url, self._inventory, self._events)
                self._hosts[name] = host, asyncio.create_task(self._watch(host), name=f"engine of {name}")

    async def _watch(self, host: WatchedHost) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._make(host.url, host).run())
            tasks.create_task(host.run())

    async def _end(self, *names: str) -> None:
        for name in names:
            _, task = self._hosts.pop(name)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
