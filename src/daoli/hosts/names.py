"""By which names containers find each other: what agents answer questions by, and explanations tell. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from daoli.routing.model import Endpoint, ipv4_text

SHORT_ID: Final = 12
"""Digits of a container's id that Docker takes for a name."""
ALSO_SHOWN: Final = 8


class Called(Protocol):
    """An endpoint, as far as its names go: a record, or its text."""

    @property
    def name(self) -> str | None:
        """Its container's name."""
        ...

    @property
    def network(self) -> str:
        """The network that it is on."""
        ...

    @property
    def container(self) -> str | None:
        """Docker's id of the container."""
        ...

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other names of the container on this network."""
        ...


@dataclass(frozen=True, slots=True)
class Resolution:
    """Whether one container finds another by name."""

    resolves: bool
    reason: str
    """Why, or why not."""
    names: tuple[str, ...] = ()
    """By which it finds it."""
    also: tuple[str, ...] = ()
    """Addresses of others that one of these names leads to as well, the first few."""


def names_of(endpoint: Called) -> set[str]:
    """List what an endpoint is called, in lower case."""
    plain = {endpoint.name, *endpoint.aliases}
    if endpoint.container is not None:
        plain.add(endpoint.container[:SHORT_ID])
    names = {name.lower() for name in plain if name}
    return names | {f"{name}.{endpoint.network.lower()}" for name in names}


def resolution(asker: Endpoint, sought: Endpoint, everybody: Iterable[Endpoint], *, answered: bool) -> Resolution:
    """Tell by which names an endpoint's container finds another's.

    `everybody` are all endpoints, or those that `glance` finds; `answered`: whether an agent answers on its host.
    """
    if not answered:
        why = f"no agent on host {asker.host} answers questions for names; Docker there knows its own containers only"
        return Resolution(False, why)
    known = everybody if asker.container is not None else ()
    networks = {asker.network, *(e.network for e in known if e.container == asker.container)}
    if sought.network not in networks:
        return Resolution(False, f"{asker.name} is not on network {sought.network}, and sees names of its own only")
    names = names_of(_told(sought))
    if not names:
        return Resolution(False, f"endpoint {sought.id} has no name")
    others = (e for e in everybody if e.network in networks and e.id != sought.id)
    also = sorted(ipv4_text(other.ipv4) for other in others if not names.isdisjoint(names_of(_told(other))))
    reason = f"both are on network {sought.network}"
    return Resolution(True, reason, tuple(sorted(names)), tuple(also[:ALSO_SHOWN]))


def glance(asker: Endpoint, sought: Endpoint) -> Callable[[Endpoint], bool]:
    """Make what tells at a glance which endpoints may matter to `resolution`: there may be very many."""
    names = names_of(_told(sought))
    plain = names | {".".join(name.split(".")[:n]) for name in names for n in range(1, name.count(".") + 1)}
    container = asker.container

    def matters(endpoint: Endpoint) -> bool:
        own = endpoint.container or ""
        return (
            (container is not None and own == container)
            or endpoint.name.lower() in plain
            or own[:SHORT_ID] in plain
            or any(alias.lower() in plain for alias in endpoint.aliases)
        )

    return matters


def _told(endpoint: Endpoint) -> Endpoint:
    """Show an endpoint as agents are told of it: one that is called by its id alone has no name."""
    return replace(endpoint, name="") if endpoint.name == endpoint.id else endpoint
