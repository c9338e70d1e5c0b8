"""Leases as text: an address that a host may give to a container, and nobody else."""

from __future__ import annotations

from daoli.hosts.spec import Ipv4, Mac, Name, Spec, Subnet


class LeaseRequest(Spec):
    """What a host asks for: an address of a network, which it tells by name or by subnet; any by default."""

    host: Name
    network: Name | None = None
    subnet: Subnet | None = None
    ipv4: Ipv4 | None = None
    mac: Mac | None = None
    """Of the interface that is to have it; kept for those who look."""


class Lease(Spec):
    """An address that a host has; its text is the lease's name."""

    ipv4: Ipv4
    network: Name
    host: Name
    mac: Mac | None = None
