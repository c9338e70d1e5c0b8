"""Publications as text: a port on a host, or on all, that leads to a container anywhere."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Annotated, Final, Literal

from pydantic import Field

from daoli.hosts.spec import TRANSPORTS, ContainerId, ContainerName, Id, Ipv4, Name, Spec, TransportPort
from daoli.routing.model import Lead, Published

Target = Annotated[str, Field(min_length=1, max_length=253)]
"""A container, by its id, the beginning of its id, its name, or the id of one of its endpoints."""


MOST: Final = 1000
"""How many publications a host may report on."""
LONGEST: Final = 300
"""Characters of a sentence."""


class PublicationRequest(Spec):
    """A port to be published."""

    host: Name | None = None
    """By default on every host."""
    address: Ipv4 | None = None
    """By default on every address of the host."""
    protocol: Literal["tcp", "udp"] = "tcp"
    port: TransportPort
    target: Target
    target_port: TransportPort | None = None
    """By default the same port."""
    network: Name | None = None
    """By which of its networks the container is to be reached; by default any."""


class Publication(Spec):
    """A published port. The container's endpoints change each time it starts, its id does not."""

    id: Id
    host: Name | None = None
    address: Ipv4 | None = None
    protocol: Literal["tcp", "udp"] = "tcp"
    port: TransportPort
    container: ContainerId
    name: ContainerName
    target_port: TransportPort
    network: Name | None = None

    def record(self) -> Lead:
        """Convert to what the routing core knows."""
        address = IPv4Address(self.address).packed if self.address else b""
        published = Published(TRANSPORTS[self.protocol], self.port, self.target_port, address)
        return Lead(self.id, self.host, self.container, self.network, published)


class HostReport(Spec):
    """All that an agent has to say of its host."""

    publications: Annotated[
        dict[Id, Annotated[str, Field(min_length=1, max_length=LONGEST)] | None], Field(max_length=MOST)
    ]
    """By the id of each that holds there: why it is not in place, or null if it is."""
