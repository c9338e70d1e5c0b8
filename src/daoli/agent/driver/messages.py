"""What libnetwork sends to a remote driver, as it names it; fields that we do not read are left out.

Source: libnetwork's `docs/remote.md` and `docs/ipam.md`, and the calls of Docker 20.10 as they arrive.
"""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_pascal

from daoli.hosts.spec import PublishedPort

PROTOCOLS: Final[dict[int, Literal["tcp", "udp"]]] = {6: "tcp", 17: "udp"}
"""What can be published, by IP's number of it."""
GENERIC: Final = "com.docker.network.generic"
"""Where `docker network create -o` puts its options."""
INTERNAL: Final = "com.docker.network.internal"
PORT_MAP: Final = "com.docker.network.portmap"
GATEWAY_REQUEST: Final = "com.docker.network.gateway"
REQUEST_TYPE: Final = "RequestAddressType"


class Call(BaseModel):
    """What all calls have in common: what newer releases of Docker add is not refused."""

    model_config = ConfigDict(extra="ignore", frozen=True, alias_generator=to_pascal, populate_by_name=True)


class Nothing(Call):
    """A call without arguments."""


class RequestPool(Call):
    """Ask for a pool of addresses: `--subnet`, `--ip-range` and `--ipam-opt`."""

    pool: str = ""
    sub_pool: str = ""
    options: dict[str, str] | None = None
    v6: bool = Field(default=False, alias="V6")


class ReleasePool(Call):
    """Give a pool back."""

    pool_id: str = Field(alias="PoolID")


class RequestAddress(Call):
    """Ask for an address of a pool: any, or this one."""

    pool_id: str = Field(alias="PoolID")
    address: str = ""
    options: dict[str, str] | None = None

    @property
    def for_gateway(self) -> bool:
        """Whether the address is to be the network's gateway."""
        return (self.options or {}).get(REQUEST_TYPE) == GATEWAY_REQUEST


class ReleaseAddress(Call):
    """Give an address back."""

    pool_id: str = Field(alias="PoolID")
    address: str = ""


class IpamData(Call):
    """A network's addresses as its IPAM driver gave them."""

    address_space: str = ""
    pool: str = ""
    gateway: str = ""
    aux_addresses: dict[str, str] | None = None


class CreateNetwork(Call):
    """Make a network; its name is not told."""

    network_id: str = Field(alias="NetworkID")
    options: dict[str, Any] | None = None
    ipv4: list[IpamData] | None = Field(default=None, alias="IPv4Data")
    ipv6: list[IpamData] | None = Field(default=None, alias="IPv6Data")

    @property
    def internal(self) -> bool:
        """Whether the network was made with `--internal`."""
        return (self.options or {}).get(INTERNAL) is True

    @property
    def generic(self) -> dict[str, Any]:
        """The driver's own options."""
        generic = (self.options or {}).get(GENERIC)
        return generic if isinstance(generic, dict) else {}


class DeleteNetwork(Call):
    """Remove a network."""

    network_id: str = Field(alias="NetworkID")


class PortMapping(BaseModel):
    """One `-p`: protocol numbers of IP, a host port range of which any one will do; 0 for any at all."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    proto: int = Field(alias="Proto")
    port: int = Field(alias="Port")
    host_ip: str = Field(default="", alias="HostIP")
    host_port: int = Field(default=0, alias="HostPort")
    host_port_end: int = Field(default=0, alias="HostPortEnd")

    def known(self) -> PublishedPort | None:
        """Tell it as the controller wants it; None while the host's port is not chosen, and for what is no way in."""
        protocol = PROTOCOLS.get(self.proto)
        if protocol is None or not self.host_port or self.host_port_end not in (0, self.host_port):
            return None
        try:
            address = IPv4Address(self.host_ip or 0)
        except AddressValueError:
            return None
        if address.is_loopback:
            return None
        where = None if address.is_unspecified else str(address)
        return PublishedPort(protocol=protocol, port=self.host_port, target_port=self.port, address=where)


class Interface(Call):
    """An endpoint's interface as far as it is known."""

    address: str = ""
    address_ipv6: str = Field(default="", alias="AddressIPv6")
    mac_address: str = ""


class EndpointCall(Call):
    """A call about one endpoint; the container is not told."""

    network_id: str = Field(alias="NetworkID")
    endpoint_id: str = Field(alias="EndpointID")
    options: dict[str, Any] | None = None

    @property
    def ports(self) -> list[PortMapping]:
        """The ports to publish."""
        return [PortMapping.model_validate(mapping) for mapping in (self.options or {}).get(PORT_MAP) or []]


class CreateEndpoint(EndpointCall):
    """Make an endpoint."""

    interface: Interface | None = None


class Join(EndpointCall):
    """Put an endpoint into a sandbox, which is a container's network namespace."""

    sandbox_key: str = ""
