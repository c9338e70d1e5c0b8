"""What a container is made from, taken from what Docker shows of it: enough to make the same one elsewhere. Pure.

What cannot go elsewhere is named: volumes and folders of the host, other containers' namespaces, and networks that no
other host has.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, Field

SHORT_ID: Final = 12
STOP_TIMEOUT: Final = 10
"""Seconds that Docker gives a container which says nothing else."""
_OTHERS_MODES: Final = ("container:", "host", "none")
_SHARED: Final = {"PidMode": "processes", "IpcMode": "shared memory"}
_MEMORY_ONLY: Final = "tmpfs"
_VOLUME_KEYS: Final = ("Binds", "VolumesFrom")
_ANONYMOUS: Final = re.compile(r"[0-9a-f]{64}")
"""The names that Docker gives to volumes."""


class Refused(Exception):
    """The container cannot be made elsewhere; the text says why."""


class NetworkPart(BaseModel):
    """The container on one network."""

    network: str
    ipv4: str
    mac: str
    aliases: list[str]
    driver_options: dict[str, str] | None = None


class Blueprint(BaseModel):
    """What `POST /containers/create` takes, and what comes after it."""

    name: str
    image: str
    image_id: str = ""
    image_digests: list[str] = Field(default_factory=list)
    """As registries know the image."""
    config: dict[str, Any]
    host: dict[str, Any]
    """Docker's HostConfig, without the volumes."""
    volumes: dict[str, Any] = Field(default_factory=dict)
    """The part of the HostConfig that stays at the source: for making the container there again."""
    networks: list[NetworkPart]
    """In the order in which they are connected: the first is the container's own network mode."""
    stop_timeout: int = STOP_TIMEOUT


class HostPorts(NamedTuple):
    """Ports of the host of which the container wants any one."""

    address: str
    protocol: str
    ports: range

    def __str__(self) -> str:
        """Write it as `docker run -p` has it, with the protocol."""
        first, last = self.ports[0], self.ports[-1]
        where = f"{self.address}:" if self.address else ""
        return f"{where}{first}{'' if first == last else f'-{last}'}/{self.protocol}"


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
    _check_ties(shown)
    _check_mounts(shown, without_volumes=without_volumes)
    networks = _networks(shown, mode)
    foreign = sorted(part.network for part in networks if part.network not in fabric)
    if foreign:
        raise Refused(f"it is on networks that only its host has: {', '.join(foreign)}. Disconnect it first")
    if not networks:
        raise Refused("it is on no network of the fabric")
    if config.get("Hostname") == str(shown["Id"])[:SHORT_ID]:
        del config["Hostname"]  # it was Docker's choice, and is its own again
    host.pop("ContainerIDFile", None)
    volumes = {key: host.pop(key) for key in (*_VOLUME_KEYS, "Mounts") if host.get(key)}
    if kept := [mount for mount in volumes.get("Mounts", ()) if mount.get("Type") == _MEMORY_ONLY]:
        host["Mounts"] = kept
    timeout = config.get("StopTimeout")
    return Blueprint(
        name=str(shown["Name"]).removeprefix("/"),
        image=str(config["Image"]),
        image_id=str(shown.get("Image", "")),
        config=config,
        host=host,
        volumes=volumes,
        networks=networks,
        stop_timeout=STOP_TIMEOUT if timeout is None else int(timeout),
    )


def _check_ties(shown: Mapping[str, Any]) -> None:
    """Refuse what lives together with other containers of its host."""
    host = shown["HostConfig"]
    for key, what in _SHARED.items():
        if (mode := str(host.get(key) or "")).startswith("container:"):
            raise Refused(f"it shares its {what} with another container of its host ({mode})")
    links = [*(host.get("Links") or ()), *(link for part in _attached(shown).values() for link in part["Links"] or ())]
    if links:
        names = ", ".join(sorted({str(link).partition(":")[0].removeprefix("/") for link in links}))
        raise Refused(f"it is linked to other containers of its host (--link), which cannot follow: {names}")


def _check_mounts(shown: Mapping[str, Any], *, without_volumes: bool) -> None:
    """Refuse to leave volumes behind unasked; and to lose them."""
    kept = [mount for mount in shown.get("Mounts") or () if mount.get("Type") != _MEMORY_ONLY]
    if kept and not without_volumes:
        names = ", ".join(map(_mount_name, kept))
        raise Refused(f"its volumes cannot follow: {names}. Say --without-volumes to leave them behind")
    doomed = [mount for mount in kept if _ANONYMOUS.fullmatch(str(mount.get("Name")))]
    if doomed and shown["HostConfig"].get("AutoRemove"):
        names = ", ".join(map(_mount_name, doomed))
        raise Refused(f"it was started with --rm, so that Docker would delete its volumes when it stops: {names}")


def _mount_name(mount: Mapping[str, Any]) -> str:
    return f"{mount.get('Name') or mount.get('Source')} at {mount.get('Destination')}"


def _attached(shown: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    networks = (shown.get("NetworkSettings") or {}).get("Networks") or {}
    return {str(name): {"Links": None, **settings} for name, settings in networks.items()}


def _networks(shown: Mapping[str, Any], mode: str) -> list[NetworkPart]:
    attached = _attached(shown)
    # A network can be named by its id, or the beginning of that.
    first = next(
        (name for name, part in attached.items() if mode and str(part.get("NetworkID")).startswith(mode)), mode
    )
    parts = [
        NetworkPart(
            network=name,
            ipv4=str(settings.get("IPAddress", "")),
            mac=str(settings.get("MacAddress", "")),
            aliases=[alias for alias in settings.get("Aliases") or () if alias != str(shown["Id"])[:SHORT_ID]],
            driver_options=settings.get("DriverOpts") or None,
        )
        for name, settings in attached.items()
    ]
    return sorted(parts, key=lambda part: part.network != first)


def creation(blueprint: Blueprint, *, with_volumes: bool = False) -> dict[str, Any]:
    """Write the body of `POST /containers/create`: with its first network, address and MAC."""
    first = blueprint.networks[0]
    volumes = blueprint.volumes if with_volumes else {}
    return {
        **blueprint.config,
        "MacAddress": first.mac,
        "HostConfig": {**blueprint.host, **volumes, "NetworkMode": first.network},
        "NetworkingConfig": {"EndpointsConfig": {first.network: endpoint_settings(first)}},
    }


def connection(part: NetworkPart, container: str) -> dict[str, Any]:
    """Write the body of `POST /networks/{name}/connect`."""
    return {"Container": container, "EndpointConfig": endpoint_settings(part)}


def endpoint_settings(part: NetworkPart) -> dict[str, Any]:
    """Write Docker's EndpointSettings; releases before 25 take the MAC from elsewhere, and only that of the first."""
    settings = {"IPAMConfig": {"IPv4Address": part.ipv4}, "Aliases": part.aliases, "MacAddress": part.mac}
    return settings | ({"DriverOpts": part.driver_options} if part.driver_options else {})


def unpinned(blueprint: Blueprint, shown: Mapping[str, Any]) -> list[NetworkPart]:
    """List the networks on which a container that does not run would not come back with the blueprint's address."""
    attached = _attached(shown)
    return [part for part in blueprint.networks if pinned_address(attached.get(part.network)) != part.ipv4]


def pinned_address(settings: Mapping[str, Any] | None) -> str | None:
    """Tell the address that a container must have on a network; None if it may have any."""
    return (((settings or {}).get("IPAMConfig")) or {}).get("IPv4Address") or None


def pinned_addresses(shown: Mapping[str, Any]) -> set[str]:
    """Tell all addresses that a container must have."""
    return {address for part in _attached(shown).values() if (address := pinned_address(part)) is not None}


def is_attached(part: NetworkPart, shown: Mapping[str, Any]) -> bool:
    """Tell whether a container is on a network, running or not."""
    return part.network in _attached(shown)


def host_ports(blueprint: Blueprint) -> list[HostPorts]:
    """List the ports of the host that the container wants; those that Docker chooses are left out."""
    wanted = [
        (str(binding.get("HostIp") or ""), key.partition("/")[2] or "tcp", _range(str(binding.get("HostPort") or "")))
        for key, bindings in (blueprint.host.get("PortBindings") or {}).items()
        for binding in bindings or ()
    ]
    return [HostPorts(address, protocol, ports) for address, protocol, ports in wanted if ports]


def _range(text: str) -> range:
    first, _, last = text.partition("-")
    if not first.isdecimal() or (last and not last.isdecimal()) or int(first) == 0:
        return range(0)
    return range(int(first), int(last or first) + 1)
