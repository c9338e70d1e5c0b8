"""Published ports of this host: those of its own containers (`docker run -p`), and those that the fabric publishes.

A port is held by a socket of ours for as long as it leads to a container, so that nobody else can take it meanwhile,
and so that one which somebody has is refused.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import suppress
from typing import Final, Never

import structlog

from daoli.agent.commands import CommandError
from daoli.agent.driver.messages import PROTOCOLS, PortMapping
from daoli.agent.driver.refusal import Refusal
from daoli.agent.driver.registry import Registry
from daoli.agent.nat import CHECK_SECONDS, Mapping, Nat, Rules
from daoli.agent.world import World
from daoli.hosts.publication import Publication
from daoli.hosts.spec import PUBLISHED, PublishedPort

_Key = tuple[str, str, int]
"""Address, protocol and port."""
_KINDS: Final = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}

log = structlog.get_logger(__name__)


class Publisher:
    """Keeps the host's rules as containers, publications and networks want them."""

    def __init__(
        self,
        nat: Nat,
        world: World,
        registry: Registry,
        host: str,
        address: str,
        tell: Callable[[str, Sequence[PublishedPort]], Awaitable[None]],
        names_port: Callable[[], int | None],
        uplink: str = "",
    ) -> None:
        """`host` is the host's name in the fabric, `address` its own IPv4 address.

        `tell` says which ports lead to an endpoint before they do, so that policy holds there; TimeoutError if not.
        """
        self._nat = nat
        self._world = world
        self._registry = registry
        self._host = host
        self._address = address
        self._tell = tell
        self._names_port = names_port
        self._uplink = uplink
        self._own: dict[str, list[Mapping]] = {}
        self._coming: dict[str, list[Mapping]] = {}
        """What is to become `_own` once the controller knows of it: held already, but leading nowhere."""
        self._held: dict[_Key, socket.socket] = {}
        self._work = asyncio.Event()
        self._turn = asyncio.Lock()
        self._listeners: list[Callable[[], None]] = []
        self.published: dict[str, str | None] = {}
        """By the id of each publication that leads somewhere from here, why it is not in place, or None if it is."""
        for endpoint in registry.endpoints.values():
            self._own[endpoint.id] = [_mapping(endpoint.ipv4, mapping) for mapping in endpoint.mappings]

    @property
    def problems(self) -> dict[str, str]:
        """By publication id, why it is not in place here."""
        return {entry: problem for entry, problem in self.published.items() if problem}

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Have a function called when `published` has changed; it may not raise."""
        self._listeners.append(listener)

    # -- docker run -p ---------------------------------------------------------------------------------------------

    async def publish(self, endpoint_id: str, ipv4: str, mappings: Sequence[PortMapping]) -> None:
        """Lead ports of this host to a container; Refusal if one is taken."""
        if len(mappings) > PUBLISHED:
            raise Refusal(f"{len(mappings)} ports are too many for one container; {PUBLISHED} can be published")
        taken: list[Mapping] = []
        chosen: list[PortMapping] = []
        try:
            for mapping in mappings:
                port = self._hold_one_of(mapping)
                chosen.append(mapping.model_copy(update={"host_port": port, "host_port_end": port}))
                taken.append(_mapping(ipv4, chosen[-1]))
        except Refusal:
            self._release(taken)
            raise
        self._coming[endpoint_id] = taken
        try:
            await self._tell(endpoint_id, [known for each in chosen if (known := each.known()) is not None])
        except TimeoutError as error:
            self._release(taken)
            raise Refusal("the controller does not take note of the ports, so that no rule would hold there") from error
        except BaseException:  # undone whatever ends it, a cancellation too, and raised again
            self._release(taken)
            raise
        finally:
            del self._coming[endpoint_id]
        self._own[endpoint_id] = taken
        if (endpoint := self._registry.endpoints.get(endpoint_id)) is not None:
            endpoint.mappings = chosen
            self._registry.save()
        try:
            await self.apply()
        except CommandError as error:
            await self.unpublish(endpoint_id)
            raise Refusal(f"the ports cannot be published: {error}") from error

    async def unpublish(self, endpoint_id: str) -> None:
        """Undo it; nothing happens if there is nothing to undo."""
        if (mappings := self._own.pop(endpoint_id, None)) is None:
            return
        self._release(mappings)
        if mappings:
            with suppress(CommandError):  # it is tried again
                await self.apply()

    def _hold_one_of(self, mapping: PortMapping) -> int:
        protocol = PROTOCOLS.get(mapping.proto)
        if protocol is None:
            raise Refusal(f"IP protocol {mapping.proto} cannot be published, only tcp and udp")
        if ":" in mapping.host_ip:
            raise Refusal(f"{mapping.host_ip}: ports are published on IPv4 addresses only")
        last = max(mapping.host_port, mapping.host_port_end)
        for port in range(mapping.host_port, last + 1):
            with suppress(OSError):
                return self._hold(_any(mapping.host_ip), protocol, port)
        where = f"{mapping.host_ip or '0.0.0.0'}:{mapping.host_port or 'any'}"
        raise Refusal(f"Bind for {where}/{protocol} failed: port is already allocated")

    def _hold(self, address: str, protocol: str, port: int) -> int:
        if (address, protocol, port) in self._held:
            raise OSError(errno.EADDRINUSE, "held already")
        holder = socket.socket(socket.AF_INET, _KINDS[protocol])
        try:
            holder.bind((address, port))
        except OSError:
            holder.close()
            raise
        bound: int = holder.getsockname()[1]
        self._held[address, protocol, bound] = holder
        return bound

    def _release(self, mappings: Iterable[Mapping]) -> None:
        for mapping in mappings:
            if (holder := self._held.pop(_key(mapping), None)) is not None:
                holder.close()

    def is_free(self, address: str, protocol: str, port: int) -> bool:
        """Tell whether a port of this host could be published."""
        key = (_any(address), protocol, port)
        if protocol not in _KINDS or key in self._held:
            return False
        try:
            self._hold(*key)
        except OSError:
            return False
        self._held.pop(key).close()
        return True

    # -- the fabric's publications ---------------------------------------------------------------------------------

    def _wanted(self) -> dict[str, Mapping]:
        """Give, by id, the publications that hold on this host and whose container runs somewhere."""
        here = [entry for entry in self._world.publications.values() if entry.host in (None, self._host)]
        targets = [(entry, self._target(entry)) for entry in here]
        return {
            entry.id: Mapping(
                protocol=entry.protocol,
                port=entry.port,
                target=target,
                target_port=entry.target_port,
                address=entry.address or "",
                comment=f"publication {entry.id}",
            )
            for entry, target in targets
            if target is not None
        }

    def _target(self, entry: Publication) -> str | None:
        """Find the address of a publication's container, on the network that it names or on any."""
        candidates = sorted(
            (endpoint.network, endpoint.ipv4)
            for endpoint in self._world.endpoints.values()
            if endpoint.container == entry.container and entry.network in (None, endpoint.network)
        )
        return candidates[0][1] if candidates else None

    def _hold_all(self, wanted: dict[str, Mapping]) -> dict[str, str]:
        """Hold the ports of those publications that can have theirs; say of the others why not."""
        own = {
            _key(mapping) for some in (self._own, self._coming) for mappings in some.values() for mapping in mappings
        }
        kept = own | set(map(_key, wanted.values()))
        for key in [key for key in self._held if key not in kept]:
            self._held.pop(key).close()
        return {entry: why for entry, mapping in wanted.items() if (why := self._obstacle(_key(mapping), own))}

    def _obstacle(self, key: _Key, own: Collection[_Key]) -> str | None:
        if key in own:
            return f"{key[1]} port {key[2]} is published by a container of this host"
        if key not in self._held:
            try:
                self._hold(*key)
            except OSError as error:
                return f"{key[1]} port {key[2]}: {error.strerror}"
        return None

    def _note(self, published: dict[str, str | None]) -> None:
        for entry, problem in published.items():
            if problem and self.published.get(entry) != problem:
                log.error("not_published", publication=entry, problem=problem)
        if published != self.published:
            self.published = published
            for listener in self._listeners:
                listener()

    # -- the rules -------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Put the rules right soon: the fabric has changed."""
        self._work.set()

    async def apply(self) -> None:
        """Put the rules in place; CommandError if the host refuses them."""
        async with self._turn:
            wanted = self._wanted()
            taken = self._hold_all(wanted)
            try:
                await self._nat.apply(self._rules(mapping for entry, mapping in wanted.items() if entry not in taken))
            except CommandError as error:
                self._note({entry: taken.get(entry, str(error)) for entry in wanted})
                raise
            self._note({entry: taken.get(entry) for entry in wanted})

    def _rules(self, published: Iterable[Mapping]) -> Rules:
        networks = self._world.networks.values()
        own = [mapping for mappings in self._own.values() for mapping in mappings]
        return Rules(
            host=self._address,
            subnets=tuple(network.subnet for network in networks),
            ways_out=tuple(network.subnet for network in networks if not network.internal),
            mappings=(*own, *published),
            names_port=self._names_port(),
            uplink=self._uplink,
        )

    async def run(self) -> Never:
        """Keep the rules right: at once when the fabric changes, and now and then in any case."""
        for mappings in self._own.values():
            for mapping in mappings:
                with suppress(OSError):
                    self._hold(mapping.address, mapping.protocol, mapping.port)
        while True:
            self._work.clear()
            await self.apply()
            with suppress(TimeoutError):
                async with asyncio.timeout(CHECK_SECONDS):
                    await self._work.wait()


def _mapping(ipv4: str, mapping: PortMapping) -> Mapping:
    return Mapping(
        protocol=PROTOCOLS.get(mapping.proto, "tcp"),
        port=mapping.host_port,
        target=ipv4,
        target_port=mapping.port,
        address=_any(mapping.host_ip),
        comment=f"-p {mapping.host_port}:{mapping.port}",
    )


def _key(mapping: Mapping) -> _Key:
    return mapping.address, mapping.protocol, mapping.port


def _any(address: str) -> str:
    """Take the unspecified address for all addresses."""
    return "" if address == "0.0.0.0" else address
