"""Leases in the inventory: what comes at once is written at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from daoli.hosts.gathered import Gathered
from daoli.hosts.inventory import Inventory
from daoli.hosts.lease import Lease, LeaseRequest
from daoli.hosts.leasing import (
    Cursors,
    Granted,
    LeaseDifference,
    Release,
    Released,
    plan_lease_list,
    plan_leases,
)
from daoli.hosts.mirror import Mirror
from daoli.hosts.plans import Plan

Answer = Granted | Released


class Leases:
    """The addresses that hosts have. Which one is next is known to the process only; what is leased is stored."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._cursors: Cursors = {}
        self._requests: Gathered[LeaseRequest | Release, Answer] = Gathered(self._serve)

    def of(self, host: str | None = None, network: str | None = None) -> list[Lease]:
        """List leases, of one host or network if asked; NotFound where there is no such thing."""
        hosts = None if host is None else self._inventory.host(host).name
        networks = None if network is None else self._inventory.network(network).name
        found = self._inventory.mirror.leases.values()
        return [lease for lease in found if hosts in (None, lease.host) and networks in (None, lease.network)]

    async def grant(self, request: LeaseRequest) -> Granted:
        """Lease an address; Clash names who has it."""
        return cast("Granted", await self._requests.ask(request))

    async def release(self, ipv4: str, host: str) -> Released:
        """Give an address back; NotFound where it is not leased, Clash where another host has it."""
        return cast("Released", await self._requests.ask(Release(ipv4, host)))

    async def replace(self, host: str, addresses: Sequence[str]) -> LeaseDifference:
        """Take the whole list of a host's leases; what others have is refused, and the rest is done."""
        difference = LeaseDifference()

        def plan(mirror: Mirror) -> Plan:
            nonlocal difference
            made, difference = plan_lease_list(mirror, host, addresses, self._cursors)
            return made

        await self._inventory.write(plan)
        return difference

    async def _serve(self, requests: Sequence[LeaseRequest | Release]) -> Sequence[Answer | Exception]:
        answers: Sequence[Answer | Exception] = ()

        def plan(mirror: Mirror) -> Plan:
            nonlocal answers
            made, answers = plan_leases(mirror, requests, self._cursors)
            return made

        await self._inventory.write(plan)
        return answers
