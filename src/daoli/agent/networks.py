"""The fabric's networks and this Docker engine's, kept the same.

A network may be made on either side: with `docker network create -d daoli` on any host, or with the controller's API.
Docker tells a driver neither the name nor of what it had before, so both lists are compared whenever one may have
changed; the step is the same whatever happened, and happens again until nothing is left to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from ipaddress import IPv4Network
from typing import Any, Final, NamedTuple, Never, Protocol

import structlog

from daoli.agent.client import Refused, Unreachable
from daoli.agent.driver.network import NetworkDriver
from daoli.agent.driver.registry import Network, Registry
from daoli.agent.world import World
from daoli.hosts.spec import NetworkSpec

DRIVER: Final = "daoli"
FABRIC_OPTION: Final = "daoli.fabric"
"""Set by the agent on the Docker networks that it makes, so that `--leave` knows them."""
RETRY_SECONDS: Final = 5.0
NEWS_SECONDS: Final = 5.0
"""How long the controller's news of what we did may take: until then a network removed here is not made again."""

log = structlog.get_logger(__name__)


class DockerNetwork(NamedTuple):
    """A network as Docker's API tells of it, of whatever driver."""

    id: str
    name: str
    driver: str
    subnet: str
    gateway: str
    internal: bool
    labels: Mapping[str, str]
    ours: bool
    """Whether an agent made it, not a person."""


class EngineError(Exception):
    """Docker does not do what it is asked to; the text is Docker's."""


class EngineAway(EngineError):
    """Docker does not answer."""


class Engine(Protocol):
    """What is asked of a Docker engine."""

    async def networks(self) -> list[DockerNetwork]:
        """List all networks."""
        ...

    async def create_network(self, config: dict[str, Any]) -> None:
        """Make a network, as `POST /networks/create` has it; `EngineError` if Docker refuses."""
        ...

    async def remove_network(self, network_id: str) -> None:
        """Remove a network; `EngineError` if Docker refuses."""
        ...


class Controller(Protocol):
    """What is asked of `agent.client.Client`."""

    async def request(self, method: str, path: str, body: Any = None, *, timeout: float | None = None) -> Any:
        """Make a request, and return the JSON of its answer."""
        ...


class Networks:
    """Makes and removes networks on either side until both have the same."""

    def __init__(
        self, engine: Engine, controller: Controller, world: World, registry: Registry, driver: NetworkDriver
    ) -> None:
        self._engine = engine
        self._controller = controller
        self._world = world
        self._registry = registry
        self._driver = driver
        self._work = asyncio.Event()
        self.named = asyncio.Event()
        """Set once Docker has told the names of its networks."""
        self._at_work: set[str] = set()
        self._posted: set[str] = set()
        self._missing: dict[str, float] = {}
        self._ended: set[str] = set()
        self._awaited = 0
        self._patience = 0.0
        self.problems: dict[str, str] = {}
        """By network name, what keeps it from being the same here as in the fabric, as the last comparison found it."""
        self._found: dict[str, str] = {}

    def look(self) -> None:
        """Compare both sides soon."""
        self._work.set()

    async def run(self) -> Never:
        """Compare both sides whenever one may have changed, and again while something is left to do."""
        self._work.set()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_SECONDS if self._is_unfinished() else None):
                    await self._work.wait()
            self._work.clear()
            try:
                await self.step()
            except (EngineError, Unreachable) as error:
                log.warning("networks_not_compared", problem=str(error))
                await asyncio.sleep(RETRY_SECONDS)
                self._work.set()

    # -- one comparison --------------------------------------------------------------------------------------------

    async def step(self) -> None:
        """Do what is missing on either side. Nothing is done without the controller: its list may be an old one."""
        listed = await self._engine.networks()
        here = {network.name: network for network in listed}  # Docker may have two of a name, made at the same moment
        self._take_names(listed)
        self._driver.notice()
        if not self._world.connected or self._is_behind():
            return
        self._found = {}
        for name in sorted(self._registry.removals):
            await self._remove_from_fabric(name)
        fabric = dict(self._world.networks)
        for network in listed:
            if network.driver == DRIVER:
                await self._compare(network, fabric.get(network.name))
        for name, spec in fabric.items():
            if name not in here:
                if not self._is_going(name):
                    await self._make_here(spec)
            elif here[name].driver != DRIVER:
                self._problem(name, f"Docker has a network {name} of driver {here[name].driver}; rename one of the two")
        self.problems = self._found
        self._driver.notice()

    def _is_unfinished(self) -> bool:
        return bool(self.problems or self._missing or self._is_behind())

    def _is_behind(self) -> bool:
        """Tell whether the controller's news do not have yet what we removed ourselves."""
        return self._world.revision < self._awaited and asyncio.get_running_loop().time() < self._patience

    def _is_going(self, name: str) -> bool:
        """Tell whether a network that Docker does not list is being removed by a person, and not to be made again."""
        missing = {self._registry.networks[network_id].name for network_id in self._missing}
        return name in missing or name in self._registry.removals or self._is_behind()

    def _drop_missing(self, ids: Collection[str]) -> None:
        """Forget what Docker has removed without telling the driver; it is made again if the fabric has it.

        Docker lists a network no more some time before it tells the driver.
        """
        now = asyncio.get_running_loop().time()
        known = self._registry.networks.values()
        missing = [network.id for network in known if network.name is not None and network.id not in ids]
        self._missing = {network_id: self._missing.get(network_id, now) for network_id in missing}
        for network_id in [each for each, since in self._missing.items() if since + NEWS_SECONDS <= now]:
            del self._missing[network_id], self._registry.networks[network_id]
            self._registry.save()

    def _take_names(self, here: Sequence[DockerNetwork]) -> None:
        ids = {network.id for network in here}
        self._drop_missing(ids)
        self._ended &= ids
        for network in here:
            known = self._registry.networks.get(network.id)
            if known is None and network.driver == DRIVER and network.id not in self._ended:
                known = self._adopt(network)
            if known is not None and known.name != network.name:
                known.name = network.name
                self._registry.save()
        self.named.set()

    def _adopt(self, network: DockerNetwork) -> Network:
        """Learn from Docker of a network that the driver has forgotten: its file was lost."""
        pool = next((pool.id for pool in self._registry.pools.values() if pool.network == network.id), "")
        gateway = network.gateway or self._gateway(network.subnet)  # Docker tells only what a person has asked for
        known = Network(id=network.id, pool=pool, subnet=network.subnet, gateway=gateway, internal=network.internal)
        self._registry.networks[network.id] = known
        log.warning("network_adopted", network=network.name, subnet=network.subnet)
        return known

    def _gateway(self, subnet: str) -> str:
        known = next((spec.gateway for spec in self._world.networks.values() if spec.subnet == subnet), None)
        return known or str(IPv4Network(subnet).network_address + 1)

    async def _compare(self, network: DockerNetwork, spec: NetworkSpec | None) -> None:
        known = self._registry.networks.get(network.id)
        if known is None:
            return  # removed meanwhile
        if spec is None:
            if known.registered or network.ours:
                await self._remove_here(network, "it was removed from the fabric")
            else:
                await self._register(network, known)
        elif (spec.subnet, spec.gateway, spec.internal) != (known.subnet, known.gateway, known.internal):
            why = f"the fabric's has the subnet {spec.subnet}, gateway {spec.gateway}, internal {spec.internal}"
            await self._remove_here(network, why)
        elif not known.registered:
            known.registered = True
            self._registry.save()

    async def _register(self, network: DockerNetwork, known: Network) -> None:
        """Tell the fabric of a network that a person made here."""
        pool = self._registry.pools.get(known.pool)
        body = {
            "name": network.name,
            "subnet": known.subnet,
            "gateway": known.gateway,
            "internal": known.internal,
            "labels": dict(network.labels),
            "range": pool.range if pool else None,
            "reserved": pool.reserved if pool else [],
        }
        self._posted.add(known.id)
        try:
            await self._controller.request("POST", "/networks", body)
        except Refused as error:
            self._posted.discard(known.id)
            await self._remove_here(network, str(error))
            return
        log.info("network_registered", network=network.name, subnet=known.subnet)
        if known.id not in self._registry.networks:  # removed meanwhile
            await self._remove_from_fabric(network.name)

    async def _make_here(self, spec: NetworkSpec) -> None:
        log.info("network_made_here", network=spec.name, subnet=spec.subnet)
        config = {
            "Name": spec.name,
            "CheckDuplicate": True,
            "Driver": DRIVER,
            "Internal": spec.internal,
            "IPAM": {"Driver": DRIVER, "Config": [_ipam(spec)]},
            "Options": {FABRIC_OPTION: "true"},
            "Labels": dict(spec.labels),
        }
        self._at_work.add(spec.name)
        try:
            await self._engine.create_network(config)
        except EngineError as error:
            self._problem(spec.name, f"Docker cannot make it here: {error}")
        else:
            self._work.set()  # to learn its id, and mark it as registered
        finally:
            self._at_work.discard(spec.name)

    async def _remove_here(self, network: DockerNetwork, why: str) -> None:
        log.warning("network_removed_here", network=network.name, why=why)
        self._at_work.add(network.name)
        try:
            await self._engine.remove_network(network.id)
        except EngineError as error:
            self._problem(network.name, f"it should go, since {why}, but Docker keeps it: {error}")
        finally:
            self._at_work.discard(network.name)
        self._work.set()

    def _problem(self, name: str, text: str) -> None:
        self._found[name] = text
        log.error("network_differs", network=name, problem=text)

    # -- removed by a person -------------------------------------------------------------------------------------

    async def removed(self, network: Network) -> None:
        """Take a network that Docker has removed out of the fabric, unless we removed it ourselves."""
        self._ended.add(network.id)
        self._missing.pop(network.id, None)
        is_known = network.registered or network.id in self._posted
        if network.name is None or not is_known or network.name in self._at_work:
            return
        self._registry.removals.add(network.name)
        self._registry.save()
        if self._world.connected:
            with suppress(Unreachable):
                await self._remove_from_fabric(network.name)
        self._work.set()

    async def _remove_from_fabric(self, name: str) -> None:
        try:
            answer = await self._controller.request("DELETE", f"/networks/{name}")
        except Refused as error:
            if error.status != HTTPStatus.NOT_FOUND:
                # Docker cannot be told no; the network is put back by the next step.
                log.warning("network_put_back", network=name, reason=str(error))
        else:
            self._awaited = answer["revision"]
            self._patience = asyncio.get_running_loop().time() + NEWS_SECONDS
        self._registry.removals.discard(name)
        self._registry.save()


def _ipam(spec: NetworkSpec) -> dict[str, Any]:
    config: dict[str, Any] = {"Subnet": spec.subnet, "Gateway": spec.gateway}
    if spec.range:
        config["IPRange"] = spec.range
    if spec.reserved:
        config["AuxiliaryAddresses"] = {f"reserved{index}": ipv4 for index, ipv4 in enumerate(spec.reserved)}
    return config
