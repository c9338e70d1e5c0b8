"""What Docker says of its containers, told on: their names to the controller, and what is gone to the driver.

The driver learns of an interface before Docker gives it a name, and hears nothing when it was away. So Docker's word is
taken for both: it names what the driver made, brings back what the driver forgot, and ends what it still has.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Final, Never

import structlog
from pydantic import TypeAdapter, ValidationError

from daoli.agent.driver.network import NetworkDriver, port_name
from daoli.agent.driver.refusal import Refusal
from daoli.agent.driver.registry import Endpoint, Registry
from daoli.agent.endpoints import Endpoints
from daoli.agent.networks import Networks
from daoli.hosts.engine import Attachment, Container
from daoli.hosts.spec import ALIASES, Alias

YOUNG_SECONDS: Final = 60.0
"""How long Docker may take from asking the driver for an endpoint until it shows it at a running container."""
"""… and from asking for an address until it asks for the endpoint."""
TIDY_SECONDS: Final = 15.0
_ALIAS: Final = TypeAdapter[str](Alias)

log = structlog.get_logger(__name__)


class Containers:
    """The listener of this host's engine."""

    def __init__(
        self,
        registry: Registry,
        endpoints: Endpoints,
        driver: NetworkDriver,
        networks: Networks,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._registry = registry
        self._endpoints = endpoints
        self._driver = driver
        self._networks = networks
        self._clock = clock
        self._known: dict[str, Container] = {}
        self._listed = asyncio.Event()
        self._tidy_now = asyncio.Event()
        self._unused: dict[str, float] = {}
        self._gone: list[Callable[[str], None]] = []
        self._attached: list[Callable[[], None]] = []
        self.problem: str | None = None
        """Why the engine is not watched now."""

    @property
    def known(self) -> Mapping[str, Container]:
        """The containers of this engine by id, running or not."""
        return self._known

    def when_removed(self, listener: Callable[[str], None]) -> None:
        """Have a function called with the id of each container that was removed."""
        self._gone.append(listener)

    def when_attached(self, listener: Callable[[], None]) -> None:
        """Have a function called each time that Docker has connected a container to a network."""
        self._attached.append(listener)

    def of_endpoint(self, endpoint_id: str) -> Container | None:
        """Find the container that an endpoint belongs to."""
        for container in self._known.values():
            if any(attachment.endpoint_id == endpoint_id for attachment in container.attachments):
                return container
        return None

    async def listed_once(self) -> None:
        """Wait until Docker has told of all its containers and networks, and what was forgotten is known again."""
        await self._listed.wait()
        await self._networks.named.wait()
        self._take_all()

    # -- hosts.engine.Listener -------------------------------------------------------------------------------------

    def listed(self, containers: Mapping[str, Container]) -> None:
        """Take all containers there are."""
        self.problem = None
        removed = self._known.keys() - containers.keys()
        self._known = dict(containers)
        for container in containers.values():
            self._take(container)
        for container_id in removed:
            self._removed(container_id)
        self._listed.set()
        self._tidy_now.set()
        self._networks.look()

    def seen(self, container_id: str, container: Container | None) -> None:
        """Take a container as it is now."""
        if container is None:
            if self._known.pop(container_id, None) is not None:
                self._removed(container_id)
            return
        self._known[container_id] = container
        self._take(container)

    def attached(self) -> None:
        """Have it found out which container has a new endpoint."""
        for listener in self._attached:
            listener()

    def networks_changed(self) -> None:
        """Have the networks compared."""
        self._networks.look()

    def lost(self, reason: str) -> None:
        """Keep what is known: containers go on without Docker."""
        self.problem = reason

    def _removed(self, container_id: str) -> None:
        for listener in self._gone:
            listener(container_id)

    # -- endpoints -------------------------------------------------------------------------------------------------

    def _take_all(self) -> None:
        for container in self._known.values():
            self._take(container)

    def _take(self, container: Container) -> None:
        for attachment in container.attachments:
            if attachment.network_id not in self._registry.networks:
                continue  # of another driver
            if attachment.endpoint_id in self._driver.ended:
                continue  # Docker has just had it deleted, and this was seen before
            if attachment.endpoint_id not in self._registry.endpoints:
                self._adopt(attachment)
            self._mark(attachment.endpoint_id)
            self._endpoints.describe(
                attachment.endpoint_id,
                name=container.name,
                container=container.id,
                labels=container.labels,
                aliases=_usable_aliases(attachment.aliases),
            )

    def _mark(self, endpoint_id: str) -> None:
        endpoint = self._registry.endpoints.get(endpoint_id)
        if endpoint is not None and not endpoint.seen:
            endpoint.seen = True
            self._registry.save()

    def _adopt(self, attachment: Attachment) -> None:
        """Learn of an endpoint that the driver has forgotten: its file was lost."""
        endpoint = Endpoint(
            id=attachment.endpoint_id,
            network=attachment.network_id,
            ipv4=attachment.ipv4,
            mac=attachment.mac,
            port=port_name(attachment.endpoint_id),
        )
        try:
            listed = self._driver.listed(endpoint)
        except Refusal as refusal:
            log.warning("endpoint_not_adopted", endpoint=endpoint.id, reason=str(refusal))
            return
        log.warning("endpoint_adopted", endpoint=endpoint.id, ipv4=endpoint.ipv4)
        self._registry.endpoints[endpoint.id] = endpoint
        self._registry.leases[endpoint.ipv4] = self._registry.networks[endpoint.network].subnet
        self._registry.save()
        self._endpoints.restore([listed])

    async def run(self) -> Never:
        """End, now and then, what Docker has no more: it was removed while the driver was away."""
        await self.listed_once()
        while True:
            self._tidy_now.clear()
            await self.tidy()
            with suppress(TimeoutError):
                async with asyncio.timeout(TIDY_SECONDS):
                    await self._tidy_now.wait()

    async def tidy(self) -> None:
        """End the endpoints that no container of Docker's has; nothing while Docker does not answer."""
        if self.problem is not None:
            return
        self._take_all()  # a network may have become known meanwhile
        alive = {attachment.endpoint_id for container in self._known.values() for attachment in container.attachments}
        self._driver.ended &= alive
        old = self._clock() - YOUNG_SECONDS
        ended = [e for e in self._registry.endpoints.values() if e.id not in alive and (e.seen or e.made < old)]
        for endpoint in ended:
            log.warning("endpoint_ended", endpoint=endpoint.id, ipv4=endpoint.ipv4, why="no container has it")
            await self._driver.forget(endpoint)
        self._end_unused_leases(old)

    def _end_unused_leases(self, old: float) -> None:
        """Give back what Docker asked for and never used; it died in between."""
        used = {endpoint.ipv4 for endpoint in self._registry.endpoints.values()}
        unused = self._registry.leases.keys() - used
        self._unused = {ipv4: self._unused.get(ipv4, self._clock()) for ipv4 in unused}
        for ipv4 in [ipv4 for ipv4, since in self._unused.items() if since < old]:
            log.warning("lease_ended", ipv4=ipv4, why="no endpoint has it")
            del self._registry.leases[ipv4]
            self._registry.save()


def _usable_aliases(aliases: Iterable[str]) -> list[str]:
    return [alias for alias in dict.fromkeys(aliases) if _is_valid(_ALIAS, alias)][:ALIASES]


def _is_valid(adapter: TypeAdapter[Any], value: object) -> bool:
    try:
        adapter.validate_python(value)
    except ValidationError:
        return False
    return True
