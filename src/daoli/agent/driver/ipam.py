"""The IPAM half of the driver: pools are subnets of the fabric's networks, addresses are leased by the controller.

A pool is asked for before its network exists, and nobody says for which network: so that subnets are what ties both
together. They do not overlap in a fabric, which is checked here as early as Docker lets us.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from typing import Any, Final, Protocol

import structlog
from pydantic import ValidationError

from daoli.agent.client import Refused, Unreachable
from daoli.agent.driver.messages import ReleaseAddress, ReleasePool, RequestAddress, RequestPool
from daoli.agent.driver.refusal import Refusal
from daoli.agent.driver.registry import Pool, Registry
from daoli.agent.own import Own
from daoli.agent.world import World
from daoli.hosts.occupied import Occupied, occupied, overlap, unfit
from daoli.hosts.spec import NetworkSpec, faults

AUTOMATIC_PREFIX: Final = 24
"""Length of the subnets that are chosen for networks made without `--subnet`."""
RELEASE_TIMEOUT: Final = 2.0
"""Seconds that `docker stop` waits for the controller to take an address back; later it is told again."""
ENDPOINT_SECONDS: Final = 5.0
"""Within which Docker asks for the endpoint of an address that it was given; a lease without one then is left over."""

log = structlog.get_logger(__name__)


class Controller(Protocol):
    """What is asked of `agent.client.Client`."""

    async def request(self, method: str, path: str, body: Any = None, *, timeout: float | None = None) -> Any:
        """Make a request, and return the JSON of its answer."""
        ...


class Ipam:
    """Answers the IPAM calls of one Docker engine."""

    def __init__(
        self,
        registry: Registry,
        controller: Controller,
        world: World,
        host: str,
        own: Callable[[], Own],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`host` is this host's name in the fabric; `own` gives the subnets that no container network may overlap."""
        self._registry = registry
        self._controller = controller
        self._world = world
        self._host = host
        self._own = own
        self._told: set[str] | None = None
        self._turn = asyncio.Lock()
        self._asking = 0
        self._wanted: set[str] = set()
        self._clock = clock
        self._granted: dict[str, float] = {}
        """When each lease was granted, of those since we started."""

    @property
    def unreleased(self) -> bool:
        """Whether the controller may hold leases that are not needed any more, since it could not be told."""
        return self._told is None or bool(self._told - self._registry.leases.keys())

    # -- pools ---------------------------------------------------------------------------------------------------

    async def request_pool(self, call: RequestPool) -> dict[str, Any]:
        """Answer with the subnet asked for, or a free one."""
        if call.v6:
            raise Refusal("daoli networks have IPv4 only: leave out --ipv6 and IPv6 subnets")
        if call.pool:
            subnet = self._checked(call.pool, call.sub_pool or None)
        else:
            subnet = await self._free_subnet()
        # The id says the subnet, so that Docker's word is enough should our file be lost.
        pool = Pool(id=f"{subnet}-{secrets.token_hex(8)}", subnet=subnet, range=call.sub_pool or None)
        self._registry.pools[pool.id] = pool
        self._registry.save()
        return {"PoolID": pool.id, "Pool": subnet, "Data": {}}

    def _checked(self, text: str, of_range: str | None) -> str:
        try:
            NetworkSpec(name="pool", subnet=text, range=of_range)
        except ValidationError as error:
            raise Refusal("; ".join(f"{fault.field}: {fault.detail}" for fault in faults(error))) from error
        subnet = IPv4Network(text)
        if why := unfit(subnet):
            raise Refusal(why)
        if (place := overlap(subnet, self._occupied())) is not None:
            raise Refusal(f"subnet {subnet} overlaps {place}")
        for name, network in self._world.networks.items():
            other = IPv4Network(network.subnet or "0.0.0.0/32")
            if subnet.overlaps(other) and subnet != other:
                raise Refusal(f"subnet {subnet} overlaps {other}, which is network {name}")
        for known in self._registry.networks.values():
            if subnet.overlaps(IPv4Network(known.subnet)):
                name = f"network {known.name}" if known.name else "a network"
                raise Refusal(f"subnet {subnet} overlaps {known.subnet}, which is {name}, here on this host already")
        return str(subnet)

    def _occupied(self) -> Iterator[Occupied]:
        """Walk what this host has, and what the fabric says of the others."""
        for subnet, interface in self._own().items():
            yield Occupied(subnet, f"on {interface} of this host")
        yield from occupied([spec.record() for spec in self._world.hosts.values()])

    async def _free_subnet(self) -> str:
        try:
            answer = await self._controller.request("GET", "/controller")
        except (Unreachable, Refused) as error:
            raise Refusal(f"no subnet can be chosen, give one with --subnet: {error}") from error
        pool = IPv4Network(answer["pool"])
        used = [IPv4Network(network.subnet) for network in self._world.networks.values() if network.subnet]
        used += [IPv4Network(pool.subnet) for pool in self._registry.pools.values()]
        used += [place.subnet for place in self._occupied()]
        free = [
            subnet
            for subnet in pool.subnets(new_prefix=max(AUTOMATIC_PREFIX, pool.prefixlen))
            if not any(subnet.overlaps(other) for other in used)
        ]
        if not free:
            raise Refusal(f"all subnets of the controller's pool {pool} are in use, give one with --subnet")
        # At random, since another host may be choosing at the same moment.
        return str(secrets.choice(free))

    async def release_pool(self, call: ReleasePool) -> dict[str, Any]:
        """Forget a pool."""
        self._registry.pools.pop(call.pool_id, None)
        self._registry.save()
        return {}

    # -- addresses -----------------------------------------------------------------------------------------------

    async def request_address(self, call: RequestAddress) -> dict[str, Any]:
        """Answer with a gateway, a reserved address, or one that the controller leases to this host."""
        pool = self._registry.pools.get(call.pool_id) or self._recovered(call.pool_id)
        if call.for_gateway:
            address = self._gateway(pool, call.address)
        elif pool.network is None:
            address = self._reserved(pool, call.address)
        else:
            address = await self._lease(pool, call.address)
        return {"Address": f"{address}/{IPv4Network(pool.subnet).prefixlen}", "Data": {}}

    def _recovered(self, pool_id: str) -> Pool:
        """Learn from Docker of a pool that we have forgotten: our file was lost."""
        subnet = pool_id.rpartition("-")[0]
        network = self._registry.network_of_subnet(subnet)
        if network is None:
            raise Refusal(f"address pool {pool_id} is not known to the agent; remove its network and make it anew")
        pool = Pool(id=pool_id, subnet=subnet, gateway=network.gateway, network=network.id)
        self._registry.pools[pool.id] = pool
        network.pool = pool.id
        self._registry.save()
        return pool

    def _gateway(self, pool: Pool, wanted: str) -> str:
        known = next((n for n in self._world.networks.values() if n.subnet == pool.subnet), None)
        if known is not None and wanted and known.gateway != wanted:
            raise Refusal(f"network {known.name}, with subnet {pool.subnet}, has the gateway {known.gateway}")
        first = str(IPv4Network(pool.subnet).network_address + 1)
        pool.gateway = wanted or (known.gateway if known is not None and known.gateway else first)
        self._registry.save()
        return pool.gateway

    def _reserved(self, pool: Pool, wanted: str) -> str:
        """Take a `--aux-address`, which Docker asks for before the network exists."""
        if not wanted:
            raise Refusal("an address was asked for before its network was made")
        pool.reserved.append(wanted)
        self._registry.save()
        return wanted

    async def _lease(self, pool: Pool, wanted: str) -> str:
        if wanted and (wanted in self._wanted or self._is_used(wanted)):
            raise Refusal(f"address {wanted} is in use on this host{self._user(wanted)}")
        body = {"host": self._host, "subnet": pool.subnet} | ({"ipv4": wanted} if wanted else {})
        self._wanted.add(wanted)
        try:
            address = await self._ask(body)
        finally:
            self._wanted.discard(wanted)
        self._granted[address] = self._clock()
        self._registry.leases[address] = pool.subnet
        self._registry.save()
        return address

    def _is_used(self, address: str) -> bool:
        """Tell whether a container has an address, or is about to; Docker or we may have died before it had."""
        if address not in self._registry.leases:
            return False
        young = self._clock() - self._granted.get(address, -ENDPOINT_SECONDS) < ENDPOINT_SECONDS
        return young or self._registry.endpoint_at(address) is not None

    def _user(self, address: str) -> str:
        endpoint = self._registry.endpoint_at(address)
        shown = self._world.endpoints.get(endpoint.id) if endpoint is not None else None
        return f" by {shown.name}" if shown is not None and shown.name else ""

    async def _ask(self, body: dict[str, str]) -> str:
        async with self._turn:  # a list that is under way does not know of this lease
            self._asking += 1
        try:
            answer = await self._controller.request("POST", "/leases", body)
        except Unreachable as error:
            self._told = None  # it may have been granted all the same
            raise Refusal(f"no address can be leased: {error}") from error
        except Refused as error:
            raise Refusal(str(error)) from error
        finally:
            self._asking -= 1
        address = str(answer["ipv4"])
        if self._told is not None:
            self._told.add(address)
        return address

    async def release_address(self, call: ReleaseAddress) -> dict[str, Any]:
        """Give a lease back; gateways and reserved addresses are nobody's."""
        if call.address in self._registry.leases:
            try:
                await self._release(call.address)
            finally:  # only now, or a container that wants it would have it taken away again
                self._registry.leases.pop(call.address, None)
                self._granted.pop(call.address, None)
                self._registry.save()
        return {}

    async def _release(self, address: str) -> None:
        if not self._world.connected:
            return
        try:
            path = f"/leases/{address}?host={self._host}"
            await self._controller.request("DELETE", path, timeout=RELEASE_TIMEOUT)
        except Unreachable as error:
            log.warning("lease_release_postponed", address=address, reason=str(error))
            return
        except Refused as error:
            log.info("lease_not_ours", address=address, reason=str(error))
        if self._told is not None:
            self._told.discard(address)

    async def settle(self) -> None:
        """Tell the controller the whole list of leases, which makes good what was missed.

        While a lease is being asked for it is left for later: the list would not have it, and so give it back.

        Raises:
            Unreachable: it cannot be told now.
            Refused: it does not want to know; the host is not registered.
        """
        async with self._turn:
            self._told = None
            if self._asking:
                return
            leases = sorted(self._registry.leases)
            answer = await self._controller.request("PUT", f"/hosts/{self._host}/leases", {"leases": leases})
            self._told = set(leases)
        for refused in answer.get("refused", []):
            log.error("lease_lost", lease=refused)
