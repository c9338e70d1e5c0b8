"""A packet that somebody asks about: between which ends, and what it carries."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from daoli.hosts.inventory import Inventory
from daoli.hosts.question import Question


class AskedPacket(BaseModel):
    """Endpoints are told by id, by name if only one has it, or by IPv4 address.

    One end may be an IPv4 address outside all networks.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    destination: str
    protocol: Literal["tcp", "udp", "icmp"] | None = None
    port: int | None = Field(default=None, ge=1, le=65535)
    """Destination port."""
    via: str | None = None
    """The host by which a source that is outside enters; by default the destination's own."""

    @field_validator("port")
    @classmethod
    def _has_protocol(cls, port: int | None, info: ValidationInfo) -> int | None:
        # A faulty protocol is absent here, and is a fault of its own.
        if port is not None and info.data.get("protocol", "tcp") not in ("tcp", "udp"):
            raise ValueError("only tcp and udp have ports; say which with protocol")
        return port

    def question(self, inventory: Inventory) -> Question:
        """Find the ends. NotFound, Clash or Invalid, naming the field, where there is none or more than one."""
        source = inventory.find_end(self.source, "source")
        destination = inventory.find_end(self.destination, "destination")
        return Question(source, destination, self.protocol, self.port, self.via)
