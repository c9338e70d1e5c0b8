"""The network half of the driver: networks that Docker knows, and a veth on the bridge for each container interface.

What makes something may refuse, with a sentence for who asked. What ends something always succeeds here, whatever the
controller or the switch say: Docker takes no refusal there, and would only leave more behind.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import IPv4Interface
from typing import Any, Final, Protocol

import structlog
from pydantic import ValidationError

from daoli.agent.client import Refused, Unreachable
from daoli.agent.driver.messages import (
    CreateEndpoint,
    CreateNetwork,
    DeleteNetwork,
    EndpointCall,
    Join,
    PortMapping,
)
from daoli.agent.driver.refusal import Refusal
from daoli.agent.driver.registry import Endpoint, Network, Pool, Registry
from daoli.agent.endpoints import Endpoints
from daoli.agent.links import LinkError
from daoli.agent.ovs import OvsError
from daoli.agent.world import World
from daoli.hosts.spec import ListedEndpoint, faults

PORT_PREFIX: Final = "dl"
"""Of the OVS port, which stays on the host."""
INNER_PREFIX: Final = "dc"
"""Of the container's end, until Docker moves it there and names it eth0."""
ID_DIGITS: Final = 12
INTERFACE_PREFIX: Final = "eth"
NAME_TIMEOUT: Final = 5.0
"""Seconds that a container's start waits for its network to be known to the fabric, having just been made."""
TOLD_TIMEOUT: Final = 2.0
"""Seconds that a container's end waits for the controller to know of it."""

log = structlog.get_logger(__name__)


class Veths(Protocol):
    """The cables between containers and bridge."""

    async def add(self, port: str, inner: str, mac: str) -> None:
        """Make a pair, ready for a container; LinkError if it cannot be made."""
        ...

    async def delete(self, port: str) -> None:
        """Delete a pair; one that is gone is fine."""
        ...


class Ports(Protocol):
    """Ports of the bridge: what is asked of `agent.ovs.Ovs`."""

    async def add_port(self, port: str) -> None:
        """Put an interface on the bridge; OvsError if it cannot be."""
        ...

    async def del_port(self, port: str) -> None:
        """Take a port off; one that is gone is fine."""
        ...


class Publisher(Protocol):
    """Published ports of this host."""

    async def publish(self, endpoint_id: str, ipv4: str, mappings: Sequence[PortMapping]) -> None:
        """Lead ports of this host to a container; `Refusal` if one is taken."""
        ...

    async def unpublish(self, endpoint_id: str) -> None:
        """Undo it; nothing happens if there is nothing to undo."""
        ...


class Removals(Protocol):
    """Who makes it known that a network was removed here."""

    async def removed(self, network: Network) -> None:
        """Take a network that Docker has removed out of the fabric, or see that it comes back if others use it."""
        ...


class NetworkDriver:
    """Answers the network calls of one Docker engine."""

    def __init__(
        self,
        registry: Registry,
        world: World,
        endpoints: Endpoints,
        veths: Veths,
        ports: Ports,
        publisher: Publisher,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._registry = registry
        self._world = world
        self._endpoints = endpoints
        self._veths = veths
        self._ports = ports
        self._publisher = publisher
        self._clock = clock
        self._named = asyncio.Event()
        self.removals: Removals | None = None
        self.ended: set[str] = set()
        """Endpoints that are undone, but that Docker's lists may still show."""

    def notice(self) -> None:
        """Note that networks got names, or the fabric changed: who waits for that looks again."""
        named, self._named = self._named, asyncio.Event()
        named.set()

    # -- networks ------------------------------------------------------------------------------------------------

    async def create_network(self, call: CreateNetwork) -> dict[str, Any]:
        """Remember a network; it gets its name later."""
        pool = self._pool(call)
        network = Network(
            id=call.network_id,
            pool=pool.id,
            subnet=pool.subnet,
            gateway=str(IPv4Interface(call.ipv4[0].gateway).ip) if call.ipv4 else "",
            internal=call.internal,
        )
        known = next((n for n in self._world.networks.values() if n.subnet == pool.subnet), None)
        if known is not None and known.internal != network.internal:
            raise Refusal(f"network {known.name} is {'' if known.internal else 'not '}internal on the other hosts")
        if not self._world.connected:
            raise Refusal(f"no network can be made now: {self._world.problem or 'the controller is not known yet'}")
        pool.network = network.id
        self._registry.networks[network.id] = network
        self._registry.save()
        return {}

    def _pool(self, call: CreateNetwork) -> Pool:
        if call.ipv6:
            raise Refusal("daoli networks have IPv4 only: leave out --ipv6 and IPv6 subnets")
        if not call.ipv4 or len(call.ipv4) != 1:
            raise Refusal("a daoli network has exactly one subnet")
        wanted = call.ipv4[0].pool
        unused = [p for p in self._registry.pools.values() if p.network is None and p.subnet == wanted]
        if not unused:
            raise Refusal(
                "this network's addresses come from another IPAM driver, so that two hosts could give out the same one:"
                " add --ipam-driver daoli"
            )
        return unused[-1]

    async def delete_network(self, call: DeleteNetwork) -> dict[str, Any]:
        """Forget a network, and have it removed from the fabric."""
        network = self._registry.networks.pop(call.network_id, None)
        self._registry.save()
        if network is not None and self.removals is not None:
            await self.removals.removed(network)
        return {}

    # -- endpoints -----------------------------------------------------------------------------------------------

    async def create_endpoint(self, call: CreateEndpoint) -> dict[str, Any]:
        """Make the veth and put it on the bridge; return once the controller knows the endpoint."""
        network = await self._network(call.network_id)
        wanted = call.interface
        if wanted is None or not wanted.address:
            raise Refusal("a daoli network's containers need an IPv4 address, from --ipam-driver daoli")
        ipv4 = str(IPv4Interface(wanted.address).ip)
        mac = wanted.mac_address.lower() or docker_mac(ipv4)
        endpoint = Endpoint(
            id=call.endpoint_id,
            network=network.id,
            ipv4=ipv4,
            mac=mac,
            port=port_name(call.endpoint_id),
            mappings=[] if network.internal else call.ports,
            made=self._clock(),
        )
        listed = self.listed(endpoint)
        if (dead := self._registry.endpoint_at(ipv4)) is not None and dead.id != endpoint.id:
            await self._undo(dead)  # Docker gave it up while nobody could tell us
        self._registry.endpoints[endpoint.id] = endpoint
        self._registry.save()
        try:
            await self._veths.add(endpoint.port, inner_name(endpoint.id), mac)
            await self._ports.add_port(endpoint.port)
            await self._endpoints.put(listed)
        except (LinkError, OvsError, Unreachable, Refused) as error:
            await self._undo(endpoint)
            raise Refusal(str(error)) from error
        return {"Interface": {} if wanted.mac_address else {"MacAddress": mac}}

    def listed(self, endpoint: Endpoint) -> ListedEndpoint:
        """Tell an endpoint as the controller wants it; Refusal if it cannot be one."""
        network = self._registry.networks[endpoint.network]
        try:
            return ListedEndpoint(
                id=endpoint.id,
                network=network.name or "",
                mac=endpoint.mac,
                ipv4=endpoint.ipv4,
                port=endpoint.port,
                pending=True,  # Docker does not say for which container it is
                published=tuple(known for each in endpoint.mappings if (known := each.known()) is not None),
            )
        except ValidationError as error:
            raise Refusal("; ".join(f"{fault.field}: {fault.detail}" for fault in faults(error))) from error

    async def _network(self, network_id: str) -> Network:
        """Find a network that the fabric knows, waiting a little for one that was made just now."""
        try:
            async with asyncio.timeout(NAME_TIMEOUT):
                while not self._is_known(network_id):
                    await self._named.wait()
        except TimeoutError:
            network = self._registry.networks.get(network_id)
            if network is None:
                raise Refusal("this network is not known to the agent; remove it and make it anew") from None
            why = self._world.problem or "see the agent's log"
            raise Refusal(f"network {network.name or network.subnet} is not known to the controller: {why}") from None
        return self._registry.networks[network_id]

    def _is_known(self, network_id: str) -> bool:
        network = self._registry.networks.get(network_id)
        return network is not None and network.registered and network.name is not None

    async def join(self, call: Join) -> dict[str, Any]:
        """Hand the container's end to Docker, with the gateway."""
        endpoint = self._registry.endpoints.get(call.endpoint_id)
        network = self._registry.networks.get(call.network_id)
        if endpoint is None or network is None:
            raise Refusal("this endpoint is not known to the agent; start the container again")
        return {
            "InterfaceName": {"SrcName": inner_name(endpoint.id), "DstPrefix": INTERFACE_PREFIX},
            # On an internal network too, or no query for a name would leave the container; the fabric lets nothing out.
            "Gateway": network.gateway,
            "DisableGatewayService": True,  # or Docker would lead a default route round the bridge
        }

    async def program_external_connectivity(self, call: EndpointCall) -> dict[str, Any]:
        """Publish the container's ports on this host."""
        endpoint = self._registry.endpoints.get(call.endpoint_id)
        if endpoint is not None and endpoint.mappings:
            await self._publisher.publish(endpoint.id, endpoint.ipv4, endpoint.mappings)
        return {}

    async def revoke_external_connectivity(self, call: EndpointCall) -> dict[str, Any]:
        """Publish them no more."""
        await self._publisher.unpublish(call.endpoint_id)
        return {}

    @staticmethod
    async def leave(_: EndpointCall) -> dict[str, Any]:
        """Let the container go; its interface goes with the endpoint."""
        return {}

    async def delete_endpoint(self, call: EndpointCall) -> dict[str, Any]:
        """Take the container's interface off the bridge and out of the fabric."""
        endpoint = self._registry.endpoints.get(call.endpoint_id)
        if endpoint is not None:
            await self._undo(endpoint)
            await self._told()
        return {}

    async def _told(self) -> None:
        """Wait a little for the controller to know: what follows may be the removal of a network by then unused."""
        if self._world.connected:
            with suppress(TimeoutError):
                async with asyncio.timeout(TOLD_TIMEOUT):
                    await self._endpoints.sent()

    async def forget(self, endpoint: Endpoint) -> None:
        """Undo an endpoint that Docker does not know any more."""
        self._registry.leases.pop(endpoint.ipv4, None)
        await self._undo(endpoint)

    async def _undo(self, endpoint: Endpoint) -> None:
        self._registry.endpoints.pop(endpoint.id, None)
        self.ended.add(endpoint.id)
        self._registry.save()
        self._endpoints.forget(endpoint.id)
        for work in (
            self._publisher.unpublish(endpoint.id),
            self._ports.del_port(endpoint.port),
            self._veths.delete(endpoint.port),
        ):
            try:
                await work
            except (LinkError, OvsError) as error:
                log.warning("endpoint_left_behind", endpoint=endpoint.id, port=endpoint.port, problem=str(error))

    @staticmethod
    async def endpoint_oper_info(_: EndpointCall) -> dict[str, Any]:
        """Tell nothing more of an endpoint than Docker knows."""
        return {"Value": {}}


def port_name(endpoint_id: str) -> str:
    """Name the OVS port of an endpoint."""
    return PORT_PREFIX + endpoint_id[:ID_DIGITS]


def inner_name(endpoint_id: str) -> str:
    """Name the container's end of the veth, as long as the container does not have it."""
    return INNER_PREFIX + endpoint_id[:ID_DIGITS]


def docker_mac(ipv4: str) -> str:
    """Give the MAC that Docker gives to an address: 02:42 and its four bytes."""
    return (b"\x02\x42" + IPv4Interface(ipv4).ip.packed).hex(":")
