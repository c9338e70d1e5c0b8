"""What Docker has asked of the driver and takes for granted from then on: pools, networks and endpoints by its ids.

Docker never tells a driver of them again, not even when the driver or Docker itself restarts, so they are kept in a
file. Losing power loses the containers too, and Docker's own records say the rest: nothing waits for the disk.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import structlog
from pydantic import BaseModel, Field, ValidationError

from daoli.agent.driver.messages import PortMapping

FILE: Final = "driver.json"

log = structlog.get_logger(__name__)


class Pool(BaseModel):
    """A subnet that Docker asked for. It has an id of its own however often the same subnet is asked for."""

    id: str
    subnet: str
    range: str | None = None
    gateway: str | None = None
    reserved: list[str] = Field(default_factory=list)
    network: str | None = None
    """Docker's id of the network that was made with it."""


class Network(BaseModel):
    """A network of this Docker engine."""

    id: str
    pool: str
    subnet: str
    gateway: str
    internal: bool = False
    name: str | None = None
    """Its name, once Docker has told it."""
    registered: bool = False
    """Whether the fabric has known it: one that is registered and no longer in the fabric was removed there."""


class Endpoint(BaseModel):
    """A container's interface."""

    id: str
    network: str
    """Docker's id of its network."""
    ipv4: str
    mac: str
    port: str
    """Name of the OVS port, the veth's end on the host."""
    mappings: list[PortMapping] = Field(default_factory=list)
    made: float = 0.0
    """When, in seconds since 1970."""
    seen: bool = False
    """Whether Docker has shown it at a running container: without one it has ended."""


class _File(BaseModel):
    pools: dict[str, Pool] = Field(default_factory=dict)
    networks: dict[str, Network] = Field(default_factory=dict)
    endpoints: dict[str, Endpoint] = Field(default_factory=dict)
    leases: dict[str, str] = Field(default_factory=dict)
    removals: set[str] = Field(default_factory=set)


class Registry:
    """The driver's memory. Whoever changes something of it calls `save`."""

    def __init__(self, folder: Path) -> None:
        """Read what was kept in the folder; a damaged file counts as none, and Docker is asked instead."""
        self._path = folder / FILE
        kept = self._read()
        self.pools = kept.pools
        self.networks = kept.networks
        self.endpoints = kept.endpoints
        self.leases = kept.leases
        """The addresses that Docker was given and has not given back, each with its subnet."""
        self.removals = kept.removals
        """Names of networks that were removed here while the controller could not be told."""

    def _read(self) -> _File:
        try:
            return _File.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return _File()
        except (OSError, ValidationError) as error:
            log.warning("driver_state_unreadable", path=str(self._path), reason=str(error))
            return _File()

    def save(self) -> None:
        """Write everything, as a whole or not at all."""
        kept = _File.model_construct(
            pools=self.pools,
            networks=self.networks,
            endpoints=self.endpoints,
            leases=self.leases,
            removals=self.removals,
        )
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(f".{os.getpid()}")
        draft.write_text(kept.model_dump_json(by_alias=True))
        draft.replace(self._path)

    def network_of_subnet(self, subnet: str) -> Network | None:
        """Find the network with this subnet."""
        return next((network for network in self.networks.values() if network.subnet == subnet), None)

    def network_named(self, name: str) -> Network | None:
        """Find the network of this name."""
        return next((network for network in self.networks.values() if network.name == name), None)

    def endpoint_at(self, ipv4: str) -> Endpoint | None:
        """Find the endpoint with this address."""
        return next((endpoint for endpoint in self.endpoints.values() if endpoint.ipv4 == ipv4), None)
