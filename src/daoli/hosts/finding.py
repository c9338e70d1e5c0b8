"""Records by what people call them; NotFound says what was looked for."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address
from typing import Final, TypeVar

from daoli.hosts.errors import Invalid, NotFound
from daoli.routing.model import Endpoint, Host, Network, ipv4_text
from daoli.routing.view import View

NAMED: Final = 5
"""How many things an error names before it only counts them."""
_NO_ONES: Final = (0, 127)
_MULTICAST_FROM: Final = 224
"""First bytes of addresses that no router forwards (RFC 1812, 4.2.2.11 and 5.3.7)."""

T = TypeVar("T")


def find_host(view: View, name: str, field: str | None = None) -> Host:
    """Find a host by its name; `field` is named in errors."""
    return _found(view.hosts.get(name), f"there is no host {name}", field)


def find_network(view: View, name: str) -> Network:
    """Find a network by its name."""
    return _found(view.networks.get(name), f"there is no network {name}")


def find_endpoint(view: View, endpoint_id: str) -> Endpoint:
    """Find an endpoint by its id."""
    return _found(view.endpoints.get(endpoint_id), f"there is no endpoint {endpoint_id}")


def search_endpoint(view: View, text: str, field: str | None = None) -> Endpoint:
    """Find an endpoint by its id, its IPv4 address or its name, in this order; `field` is named in errors.

    Raises:
        NotFound: nothing is called so.
        Invalid: several endpoints have this name.
    """
    if text in view.endpoints:
        return view.endpoints[text]
    try:
        place = view.by_ipv4.get(IPv4Address(text).packed)
    except AddressValueError:
        pass
    else:
        return _found(place, f"no endpoint has the address {text}", field).endpoint
    named = sorted((e for e in view.endpoints.values() if e.name == text), key=lambda endpoint: endpoint.id)
    if len(named) > 1:
        candidates = ", ".join(f"{e.id} ({ipv4_text(e.ipv4)} on host {e.host})" for e in named[:NAMED])
        raise Invalid(f"{len(named)} endpoints are named {text}: {candidates}", field)
    return _found(next(iter(named), None), f"nothing that runs has the id, name or address {text}", field)


def search_end(view: View, text: str, field: str | None = None) -> Endpoint | IPv4Address:
    """Find an endpoint as `search_endpoint` does, or take an address that is outside all networks.

    Raises:
        NotFound: nothing is called so, or nobody has this address inside a network.
        Invalid: several endpoints have this name, or nobody outside can have this address.
    """
    try:
        address = IPv4Address(text)
    except AddressValueError:
        return search_endpoint(view, text, field)
    network = view.network_of(address.packed)
    if network is None:
        if address.packed[0] in _NO_ONES or address.packed[0] >= _MULTICAST_FROM:
            raise Invalid(f"no packet is routed from or to {text}: it is no single machine's on a network", field)
        return address
    if network.gateway == address.packed:
        raise NotFound(f"{text} is the gateway of network {network.name}: it answers pings, and nothing else", field)
    return search_endpoint(view, text, field)


def search_container(view: View, text: str, field: str | None = None) -> list[Endpoint]:
    """Find a container by its id, its name, an endpoint's id, or the beginning of its id; give its endpoints by id.

    Raises:
        NotFound: nothing is called so.
        Invalid: several containers are.
    """
    known = [endpoint for endpoint in view.endpoints.values() if endpoint.container is not None]
    exact = {e.container for e in known if text in {e.container, e.name, e.id}}
    found = exact or {e.container for e in known if e.container is not None and e.container.startswith(text)}
    chosen = sorted((e for e in known if e.container in found), key=lambda endpoint: endpoint.id)
    if len(found) > 1:
        candidates = ", ".join(sorted({f"{e.name} on {e.host} ({(e.container or '')[:12]})" for e in chosen})[:NAMED])
        raise Invalid(f"{len(found)} containers are called {text}: {candidates}", field)
    if not chosen:
        raise NotFound(f"no running container has the id or name {text}", field)
    return chosen


def _found(thing: T | None, otherwise: str, field: str | None = None) -> T:
    if thing is None:
        raise NotFound(otherwise, field)
    return thing
