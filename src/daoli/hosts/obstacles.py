"""What keeps allowed packets from arriving, a sentence each, and what to do about it. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from typing import NamedTuple

from daoli.hosts.reports import EndState, PublishedPort
from daoli.ofproto import PortNo
from daoli.routing.model import ipv4_text
from daoli.routing.verdict import absence, unknown
from daoli.routing.view import End, Place, PortInfo, Switch


class Obstacle(NamedTuple):
    """Something in the way."""

    said: str
    advice: str


def end_state(end: End, settled: Container[int]) -> EndState:
    """Tell how things are at one end; `settled` has the datapaths whose flow tables are in order."""
    endpoint, switch, port = end.endpoint, end.switch, _port(end)
    host = switch.host
    return EndState(
        id=endpoint.id if endpoint else None,
        name=endpoint.name if endpoint else None,
        address=ipv4_text(end.ipv4),
        network=endpoint.network if endpoint else None,
        host=host.name,
        connected=switch.connected,
        settled=switch.connected and switch.dpid in settled,
        port=endpoint.port if endpoint else port.name if port else None,
        port_no=port.number if port else None,
        link=_link(port),
        uplink=host.uplink,
        uplink_link=_link(switch.ports.get(host.uplink)),
        gateway=host.gateway,
    )


def obstacles(source: End, destination: End, settled: Container[int]) -> list[Obstacle]:
    """List what keeps packets from passing between two ends; empty when nothing does."""
    if source is destination:
        return [Obstacle("an endpoint does not reach itself by the network", "use 127.0.0.1 there; no policy helps")]
    found = [*_at(source, settled), *_at(destination, settled), *internal(source, destination)]
    if source.switch is not destination.switch:
        found += [*_uplink(source.switch), *_uplink(destination.switch)]
    return list(dict.fromkeys(found))


def internal(source: End, destination: End) -> list[Obstacle]:
    """Say that what leaves an internal network is dropped by its host, where that has an agent; no rule changes it."""
    if not isinstance(source, Place) or destination.endpoint is not None:
        return []
    host, network = source.switch.host.name, source.network
    if not network.internal or source.switch.names is None:
        return []
    said = f"network {network.name} is internal: an agent on host {host} drops what leaves it, whatever the rules are"
    return [Obstacle(said, "connect the container to another network too")]


def doubts(source: End, destination: End, published: Iterable[PublishedPort]) -> list[Obstacle]:
    """Say where a host may not let in what comes from outside; `published` leads to where it goes.

    An agent has its host drop all but what is for published ports. Docker's own, of ``docker run -p``, nobody tells the
    controller of. What the host itself sends is not let in, but there already.
    """
    switch = source.switch
    host = switch.host
    if source.endpoint is not None or switch.names is None or source.ipv4 == host.address:
        return []
    if destination.endpoint is None or any(port.host in (None, host.name) for port in published):
        return []
    name = host.name
    said = f"no published port that the controller knows leads there by host {name}, whose agent lets nothing else in"
    advice = f"daolictl publish makes one; of docker run -p the controller is not told: see docker port on host {name}"
    return [Obstacle(said, advice)]


def _port(end: End) -> PortInfo | None:
    ports = end.switch.ports
    if isinstance(end, Place):
        return ports.get(end.endpoint.port)
    return next((port for port in ports.values() if port.number == PortNo.LOCAL), None)


def _link(port: PortInfo | None) -> str | None:
    return None if port is None else "up" if port.up else "down"


def _at(end: End, settled: Container[int]) -> Iterator[Obstacle]:
    host, port = end.switch.host.name, _port(end)
    if end.endpoint is None and not end.switch.host.gateway:
        said = f"host {host} is no gateway: nothing leaves or enters by it"
        yield Obstacle(said, 'run daoli agent there, or post the host with "gateway": true; no policy helps')
    elif not end.switch.connected:
        yield Obstacle(absence(end), f"see daolictl host show {host}, and there ovs-vsctl show and the agent's log")
    elif end.switch.dpid not in settled:
        yield Obstacle(f"the flow table of host {host} is being read", "ask again in a moment")
    elif away := absence(end):
        yield Obstacle(away, _put_back(end))
    elif pending := unknown(end, end):
        yield Obstacle(pending, f"ask again in a moment; else see daoli doctor on host {host}")
    elif port is not None and not port.up:
        yield Obstacle(f"port {_whose(end, port)} on host {host} is down", _set_up(end, port))


def _whose(end: End, port: PortInfo) -> str:
    return f"{port.name} of {end.endpoint.id}" if end.endpoint else f"LOCAL ({port.name})"


def _put_back(end: End) -> str:
    if end.endpoint is None:
        return "its bridge has to have its own port: see ovs-vsctl show there"
    return f"is the container running? There ovs-vsctl add-port daoli {end.endpoint.port} puts the port back"


def _set_up(end: End, port: PortInfo) -> str:
    host = end.switch.host.name
    if end.endpoint is None:
        return f"on host {host}: ip link set {port.name} up"
    return f"on host {host}: ip link set {port.name} up; and the interface in the container likewise"


def _uplink(switch: Switch) -> Iterator[Obstacle]:
    host, port = switch.host, switch.ports.get(switch.host.uplink)
    if not switch.connected:
        return
    if port is None:
        advice = f"on host {host.name}: ovs-vsctl add-port daoli {host.uplink}"
        yield Obstacle(f"uplink {host.uplink} is not on host {host.name}", advice)
    elif not port.up:
        advice = f"on host {host.name}: ip link set {host.uplink} up; or see to its cable"
        yield Obstacle(f"uplink {host.uplink} of host {host.name} is down", advice)
