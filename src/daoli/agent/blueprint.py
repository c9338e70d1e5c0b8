"""What a container is made from, taken from what Docker shows of it: enough to make the same one elsewhere. Pure.

What cannot go elsewhere is named: volumes and folders of the host, other containers' namespaces, and networks that no
other host has.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from pydantic import BaseModel

SHORT_ID: Final = 12
_OTHERS_MODES: Final = ("container:", "host", "none")
_LEFT_BEHIND: Final = ("Binds", "Mounts", "VolumesFrom")
_RUNTIME: Final = ("ContainerIDFile", "Cgroup", "CgroupParent")


class Refused(Exception):
    """The container cannot be made elsewhere; the text says why."""


class NetworkPart(BaseModel):
    """The container on one network."""

    network: str
    ipv4: str
    mac: str
    aliases: list[str]


class Blueprint(BaseModel):
    """What `POST /containers/create` takes, and what comes after it."""

    name: str
    image: str
    config: dict[str, Any]
    host: dict[str, Any]
    """Docker's HostConfig."""
    networks: list[NetworkPart]
    """In the order in which they are connected: the first is the container's own network mode."""
    stop_timeout: int = 10


def blueprint_of(shown: Mapping[str, Any], fabric: Collection[str], *, without_volumes: bool) -> Blueprint:
    """Take a running container's blueprint (`GET /containers/{id}/json`).

    `fabric` are the names of the networks that every host has.

    Raises:
        Refused: it cannot be made elsewhere.
    """
    config, host = dict(shown["Config"]), dict(shown["HostConfig"])
    mode = str(host.get("NetworkMode", "default"))
    if mode.startswith(_OTHERS_MODES):
        raise Refused(f"it has the network mode {mode}, and no address that could move")
    if mounts := _mounts(shown):
        if not without_volumes:
            names = ", ".join(mounts)
            raise Refused(f"its volumes cannot follow: {names}. Say --without-volumes to leave them behind")
        host = {key: value for key, value in host.items() if key not in _LEFT_BEHIND}
    if host.get("Links"):
        raise Refused("it is linked to other containers of its host (--link), which cannot follow")
    networks = _networks(shown, mode)
    foreign = sorted(part.network for part in networks if part.network not in fabric)
    if foreign:
        raise Refused(f"it is on networks that only its host has: {', '.join(foreign)}. Disconnect it first")
    if not networks:
        raise Refused("it is on no network of the fabric")
    if config.get("Hostname") == str(shown["Id"])[:SHORT_ID]:
        del config["Hostname"]  # it was Docker's choice, and is its own again
    for key in _RUNTIME:
        host.pop(key, None)
    return Blueprint(
        name=str(shown["Name"]).removeprefix("/"),
        image=str(config["Image"]),
        config=config,
        host=host,
        networks=networks,
        stop_timeout=int(config.get("StopTimeout") or 10),
    )


def _mounts(shown: Mapping[str, Any]) -> list[str]:
    """Name what the container keeps on its host."""
    kept = [mount for mount in shown.get("Mounts") or () if mount.get("Type") in ("bind", "volume")]
    return [f"{mount.get('Name') or mount.get('Source')} at {mount.get('Destination')}" for mount in kept]


def _networks(shown: Mapping[str, Any], mode: str) -> list[NetworkPart]:
    networks = (shown.get("NetworkSettings") or {}).get("Networks") or {}
    parts = [
        NetworkPart(
            network=name,
            ipv4=str(settings.get("IPAddress", "")),
            mac=str(settings.get("MacAddress", "")),
            aliases=[alias for alias in settings.get("Aliases") or () if alias != str(shown["Id"])[:SHORT_ID]],
        )
        for name, settings in networks.items()
    ]
    return sorted(parts, key=lambda part: part.network != mode)


def creation(blueprint: Blueprint) -> dict[str, Any]:
    """Write the body of `POST /containers/create`: with its first network, address and MAC."""
    first = blueprint.networks[0]
    return {
        **blueprint.config,
        "MacAddress": first.mac,
        "HostConfig": {**blueprint.host, "NetworkMode": first.network},
        "NetworkingConfig": {"EndpointsConfig": {first.network: _settings(first)}},
    }


def connections(blueprint: Blueprint, container: str) -> list[tuple[str, dict[str, Any]]]:
    """List the further networks, each with the body of `POST /networks/{name}/connect`."""
    return [
        (part.network, {"Container": container, "EndpointConfig": _settings(part)}) for part in blueprint.networks[1:]
    ]


def _settings(part: NetworkPart) -> dict[str, Any]:
    return {"IPAMConfig": {"IPv4Address": part.ipv4}, "Aliases": part.aliases}


def host_ports(blueprint: Blueprint) -> list[tuple[str, str, int]]:
    """List the ports of the host that the container wants: address, protocol, number."""
    wanted = [
        (str(binding.get("HostIp") or ""), key.partition("/")[2] or "tcp", str(binding.get("HostPort") or ""))
        for key, bindings in (blueprint.host.get("PortBindings") or {}).items()
        for binding in bindings or ()
    ]
    return [(address, protocol, int(port)) for address, protocol, port in wanted if port.isdecimal()]
