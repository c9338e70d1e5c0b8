"""What a request comes to: checked against what is known, the records to write; nothing where all is so already.

Pure: a plan is made anew from the mirror each time that another controller's commit was faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network
from typing import Any, NamedTuple

from daoli.hosts.claims import Claim, claims
from daoli.hosts.errors import Clash, InUse, Invalid, InventoryError
from daoli.hosts.finding import NAMED, find_endpoint, find_host, find_network
from daoli.hosts.mirror import Mirror
from daoli.hosts.move import HELD, WORKER
from daoli.hosts.occupied import occupied, overlap, unfit
from daoli.hosts.pool import free_subnet
from daoli.hosts.spec import EndpointSpec, HostSpec, ListedEndpoint, NetworkRequest, NetworkSpec
from daoli.hosts.stored import Record, endpoint_key, host_key, key_of, network_key
from daoli.routing.model import CALLED, Endpoint, Host, Network, dpid_text, ipv4_text


class Difference(NamedTuple):
    """The ids of the endpoints that a write concerned."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a write wants: records by key, None to remove."""

    changes: dict[str, Record | None]
    created: bool = False
    endpoints: Difference = field(default_factory=Difference)


def plan_host(mirror: Mirror, spec: HostSpec) -> Plan:
    """Register a host, or change what may change of it; Clash where another has its name, dpid or address.

    So too where a network overlaps what the host has of its own, and did not say before.
    """
    host, old = spec.record(), mirror.view.hosts.get(spec.name)
    if old == host:
        return Plan({})
    if old is not None and old.dpid != host.dpid:
        raise Clash(f"{host.name} is another machine, with dpid {dpid_text(old.dpid)}", "name")
    _check(mirror, host, {host_key(host.name)})
    _check_own(mirror, host, old)
    return Plan({host_key(host.name): host}, created=old is None)


def plan_host_removal(mirror: Mirror, name: str) -> Plan:
    """Remove a host with its endpoints, its leases, and the ports published there or of containers there."""
    find_host(mirror.view, name)
    gone = tuple(endpoint.id for endpoint in mirror.view.endpoints_of(name))
    keys = [host_key(name), *map(endpoint_key, gone)]
    keys += [key_of(lease) for lease in mirror.leases.values() if lease.host == name]
    containers = {endpoint.container for endpoint in mirror.view.endpoints_of(name)}
    keys += [key_of(p) for p in mirror.publications.values() if p.host == name or p.container in containers]
    ended = {"state": "failed", "detail": f"host {name} has left", "blueprint": None}
    moves = [m for m in mirror.moves.values() if m.state in WORKER and name in {m.source, m.to}]
    changes: dict[str, Record | None] = dict.fromkeys(keys)
    changes |= {key_of(move): move.model_copy(update=ended) for move in moves}
    return Plan(changes, endpoints=Difference(removed=gone))


def plan_network(mirror: Mirror, request: NetworkRequest, pool: IPv4Network, draw: int) -> Plan:
    """Make a network, of the pool where it has no subnet; Clash where it is not as the one there is, or overlaps.

    It may overlap neither another network nor what a host has of its own. What the request does not say is as it is;
    new labels take the place of the old ones.
    """
    old = mirror.view.networks.get(request.name)
    if old is None:
        subnet = IPv4Network(request.subnet) if request.subnet else free_subnet(mirror.view, pool, draw)
        network = request.inside(subnet).record()
        _check(mirror, network, {network_key(network.name)})
        _check_free(mirror, network)
        return Plan({network_key(network.name): network}, created=True)
    known = NetworkSpec.of(old)
    _check_same(known, request)
    if "labels" not in request.model_fields_set or request.labels == known.labels:
        return Plan({})
    return Plan({network_key(old.name): replace(old, labels=request.labels)})


def _check_own(mirror: Mirror, host: Host, old: Host | None) -> None:
    known = set(occupied([old] if old is not None else []))
    news = [place for place in occupied([host]) if place not in known]
    for network in mirror.view.networks.values():
        if (place := overlap(network.subnet, news)) is not None:
            raise Clash(f"{place}, overlaps {network.subnet}, which is network {network.name}", place.field)


def _check_free(mirror: Mirror, network: Network) -> None:
    if why := unfit(network.subnet):
        raise Invalid(why, "subnet")
    if (place := overlap(network.subnet, occupied(mirror.view.hosts.values()))) is not None:
        raise Clash(f"{network.subnet} overlaps {place}", "subnet")


def _check_same(known: NetworkSpec, request: NetworkRequest) -> None:
    for name, text in (("subnet", "subnet"), ("gateway", "gateway"), ("range", "range"), ("reserved", "reserved list")):
        wanted, is_so = getattr(request, name), getattr(known, name)
        if name in request.model_fields_set and wanted is not None and wanted != is_so:
            shown = ", ".join(is_so) if isinstance(is_so, tuple) else is_so
            raise Clash(f"network {known.name} has the {text} {shown or '(none)'}", name)
    if "internal" in request.model_fields_set and request.internal != known.internal:
        raise Clash(f"network {known.name} is {'' if known.internal else 'not '}internal", "internal")


def plan_network_removal(mirror: Mirror, name: str) -> Plan:
    """Remove a network; InUse while it has endpoints."""
    find_network(mirror.view, name)
    users = sorted(f"{e.name} on {e.host}" for e in mirror.view.endpoints.values() if e.network == name)
    held = (m for m in mirror.moves.values() if m.state in HELD and name in {a.network for a in m.addresses})
    users += sorted(f"{m.name} on its way to {m.to}" for m in held)
    if users:
        more = f" and {len(users) - NAMED} more" if len(users) > NAMED else ""
        raise InUse(f"network {name} has endpoints: {', '.join(users[:NAMED])}{more}")
    leases = [key_of(lease) for lease in mirror.leases.values() if lease.network == name]
    return Plan(dict.fromkeys([network_key(name), *leases]))


def plan_endpoint(mirror: Mirror, spec: EndpointSpec) -> Plan:
    """Put an endpoint where it is now; Clash where another has its address, MAC or port."""
    endpoint, old = _as_known(mirror, spec.record()), mirror.view.endpoints.get(spec.id)
    if old == endpoint:
        return Plan({})
    _check(mirror, endpoint, {endpoint_key(endpoint.id)})
    _check_lease(mirror, endpoint)
    ids = (endpoint.id,)
    difference = Difference(added=ids) if old is None else Difference(changed=ids)
    changes = {endpoint_key(endpoint.id): endpoint, **_renamed(mirror, [endpoint])}
    return Plan(changes, created=old is None, endpoints=difference)


def plan_endpoint_removal(mirror: Mirror, endpoint_id: str) -> Plan:
    """Remove an endpoint."""
    find_endpoint(mirror.view, endpoint_id)
    return Plan({endpoint_key(endpoint_id): None}, endpoints=Difference(removed=(endpoint_id,)))


def plan_list(mirror: Mirror, host: str, specs: Sequence[ListedEndpoint]) -> Plan:
    """Take the whole list of a host's endpoints, all or nothing; an endpoint of another host moves here."""
    find_host(mirror.view, host)
    listed = [_as_known(mirror, spec.at(host).record()) for spec in specs]
    known = mirror.view.endpoints
    removed = {endpoint.id for endpoint in mirror.view.endpoints_of(host)} - {endpoint.id for endpoint in listed}
    released = {endpoint_key(endpoint_id) for endpoint_id in removed}
    released |= {endpoint_key(endpoint.id) for endpoint in listed}
    seen: dict[str, int] = {}
    for index, endpoint in enumerate(listed):
        try:
            _check_listed(endpoint, index, host, seen)
            _check(mirror, endpoint, released)
            if endpoint != known.get(endpoint.id):
                _check_lease(mirror, endpoint)
        except InventoryError as error:
            raise error.within(f"endpoints[{index}]") from None
    difference = Difference(
        tuple(endpoint.id for endpoint in listed if endpoint.id not in known),
        tuple(endpoint.id for endpoint in listed if endpoint != known.get(endpoint.id, endpoint)),
        tuple(sorted(removed)),
    )
    changes: dict[str, Record | None] = dict.fromkeys(map(endpoint_key, difference.removed))
    changes |= {endpoint_key(e.id): e for e in listed if e != known.get(e.id)} | _renamed(mirror, listed)
    return Plan(changes, endpoints=difference)


def _as_known(mirror: Mirror, endpoint: Endpoint) -> Endpoint:
    """Keep what an endpoint is called if who tells of it does not know that now: ids are never another container's."""
    known = mirror.view.endpoints.get(endpoint.id)
    if not endpoint.pending or known is None:
        return endpoint
    called: dict[str, Any] = {field: getattr(known, field) for field in CALLED}
    return replace(endpoint, **called)


def _renamed(mirror: Mirror, endpoints: Sequence[Endpoint]) -> dict[str, Record | None]:
    """Have the publications of these containers tell the names that these have now."""
    names = {endpoint.container: endpoint.name for endpoint in endpoints if endpoint.name != endpoint.id}
    return {
        key_of(publication): publication.model_copy(update={"name": names[publication.container]})
        for publication in mirror.publications.values()
        if names.get(publication.container, publication.name) != publication.name
    }


def _check_listed(endpoint: Endpoint, index: int, host: str, seen: dict[str, int]) -> None:
    if endpoint.host != host:
        raise Invalid(f"this is the list of host {host}", "host")
    for claim in (Claim("id", f"id {endpoint.id}"), *claims(endpoint)):
        first = seen.setdefault(claim.what, index)
        if first != index:
            raise Invalid(f"{claim.what} is in this list twice, first at endpoints[{first}]", claim.field)


def _check_lease(mirror: Mirror, endpoint: Endpoint) -> None:
    lease = mirror.leases.get(ipv4_text(endpoint.ipv4))
    if lease is not None and lease.host != endpoint.host:
        raise Clash(f"address {lease.ipv4} is leased by host {lease.host}", "ipv4")


def _check(mirror: Mirror, record: Record, released: set[str]) -> None:
    fault = mirror.fault(record, released)
    if fault is not None:
        raise fault
