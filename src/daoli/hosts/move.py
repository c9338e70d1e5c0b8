"""Moves of containers as text, and which state follows which: the whole of it is the table below.

Each state is one agent's work. That agent reports the state which the move should go to; reporting the present state
again is a sign of life.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final, Literal

from pydantic import Field

from daoli.hosts.publication import Target
from daoli.hosts.spec import ContainerId, ContainerName, Id, Ipv4, Mac, Name, Spec

State = Literal["preparing", "checking", "stopping", "starting", "removing", "restoring", "done", "failed"]

WORKER: Final = MappingProxyType[State, Literal["source", "target"]](
    {
        "preparing": "source",  # looks at the container, and writes the blueprint or refuses
        "checking": "target",  # looks whether the image, the name, the networks and the ports can be had
        "stopping": "source",  # stops the container
        "starting": "target",  # makes and starts the new one, with the addresses of the old one
        "removing": "source",  # removes the old one
        "restoring": "source",  # starts the old one again, since the new one did not start
    }
)
"""Whose work a state is; those that are not here are the end."""

NEXT: Final = MappingProxyType[tuple[State, State], State](
    {
        ("preparing", "preparing"): "preparing",
        ("preparing", "checking"): "checking",
        ("preparing", "failed"): "failed",
        ("checking", "checking"): "checking",
        ("checking", "stopping"): "stopping",
        ("checking", "failed"): "failed",
        ("stopping", "stopping"): "stopping",
        ("stopping", "starting"): "starting",
        ("stopping", "restoring"): "restoring",
        ("stopping", "failed"): "failed",
        ("starting", "starting"): "starting",
        ("starting", "removing"): "removing",
        ("starting", "restoring"): "restoring",
        ("removing", "removing"): "removing",
        ("removing", "done"): "done",
        ("restoring", "restoring"): "restoring",
        ("restoring", "failed"): "failed",
    }
)
"""The state after a report, by (state, report); what is not here does not fit."""

HELD: Final = frozenset[State]({"stopping", "starting", "restoring"})
"""While a move is in one of these, nobody can give up its addresses: the container that has them is not running."""

PATIENCE: Final = MappingProxyType[State, float]({"preparing": 30.0, "checking": 60.0, "starting": 60.0})
"""Seconds without a word from the agent after which a move fails, or the source starts its container again.

Other states wait for the source: nobody else can know whether its container runs, or start it again.
"""


class MoveRequest(Spec):
    """A container to be recreated elsewhere."""

    container: Target
    to: Name
    without_volumes: bool = False
    """Leave behind the volumes that cannot follow, where the move would be refused."""


class MoveReport(Spec):
    """What an agent says of its part: the state that the move should go to."""

    host: Name
    state: State
    detail: str | None = Field(default=None, max_length=4096)
    """A sentence for people: why it failed, or what is going on."""
    blueprint: dict[str, Any] | None = None
    """What the target makes the container from; only the agents read it."""
    container: ContainerId | None = None
    """The id of the new container."""


class MovedAddress(Spec):
    """An address that moves with the container."""

    network: Name
    ipv4: Ipv4
    mac: Mac


class Move(Spec):
    """A move, under way or over."""

    id: Id
    container: ContainerId
    name: ContainerName
    source: Name
    to: Name
    without_volumes: bool = False
    state: State = "preparing"
    detail: str | None = None
    blueprint: dict[str, Any] | None = None
    """Forgotten when the move is over: it holds the container's environment."""
    addresses: tuple[MovedAddress, ...] = Field(default=(), strict=False)
    new_container: ContainerId | None = None
    created: float
    """Seconds since 1970, as is `updated`: when an agent was last heard."""
    updated: float
