"""Takes this host out of the fabric: undoes, step by step, what the notes say that joining did, and nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import aiodocker
import aiohttp

from daoli.agent import links
from daoli.agent.bridge import DNS_PORT, MACVLAN
from daoli.agent.client import Client, Refused, Unreachable
from daoli.agent.links import LinkError
from daoli.agent.networks import DRIVER, FABRIC_OPTION
from daoli.agent.ovs import BRIDGE, Ovs, OvsError
from daoli.agent.preflight import Unfit
from daoli.agent.state import State

FILES: Final = ("world.json", "driver.json", "published.json", "state.json")

Say = Callable[[str], Awaitable[None]]
"""Takes a sentence for the person who wants to leave."""


@dataclass(slots=True)
class Leaving:
    """What is needed to leave. `failures` counts the steps that could not be done."""

    state: State
    ovs: Ovs
    client: Client
    docker_url: str
    clear_nat: Callable[[], Awaitable[None]]
    say: Say
    failures: int = 0

    async def check(self, *, force: bool) -> None:
        """Look whether this host may leave; Unfit while containers are on the fabric's networks, unless forced."""
        networks = await self._networks()
        in_use = [f"{name} on {network['Name']}" for network in networks for name in _names(network)]
        if in_use and not force:
            raise Unfit([f"containers are on the fabric's networks: {', '.join(in_use)}. Stop them first, or --force"])

    async def run(self) -> None:
        """Leave, as far as it can be."""
        self.failures = 0
        for network in await self._networks():
            await self._step(partial(self._remove_network, network))
        await self._step(self._unregister)
        await self.undo()

    async def undo(self) -> None:
        """Put the host itself back to what it was."""
        for step in (self._nat, self._bridge, self._uplink, self._forwarding, self._files):
            await self._step(step)

    async def _step(self, step: Callable[[], Awaitable[str | None]]) -> None:
        try:
            said = await step()
        except (
            OvsError,
            LinkError,
            OSError,
            aiohttp.ClientError,
            aiodocker.DockerError,
            Unreachable,
            Refused,
        ) as error:
            self.failures += 1
            said = f"FAILED: {error}"
        if said is not None:
            await self.say(said)

    # -- Docker --------------------------------------------------------------------------------------------------

    async def _networks(self) -> list[Mapping[str, Any]]:
        try:
            async with aiodocker.Docker(url=self.docker_url) as docker:
                listed = await docker.networks.list(filters={"driver": [DRIVER]})
                return [await (await docker.networks.get(entry["Id"])).show() for entry in listed]
        except (aiohttp.ClientError, aiodocker.DockerError, OSError, ValueError) as error:
            self.failures += 1
            await self.say(f"FAILED: Docker cannot be asked, so that its networks stay: {error}")
            return []

    async def _remove_network(self, network: Mapping[str, Any]) -> str:
        name = network["Name"]
        async with aiodocker.Docker(url=self.docker_url) as docker:
            found = await docker.networks.get(network["Id"])
            for container in network.get("Containers") or {}:
                await found.disconnect({"Container": container, "Force": True})
                await self.say(f"disconnected container {container[:12]} from the Docker network {name}")
            if (network.get("Options") or {}).get(FABRIC_OPTION) != "true":
                return f"left the Docker network {name}, which somebody made here: docker network rm {name}"
            await found.delete()
        return f"removed the Docker network {name}"

    # -- the controller ------------------------------------------------------------------------------------------

    async def _unregister(self) -> str | None:
        host = self.state.joined.get("host")
        if host is None:
            return None
        try:
            await self.client.request("DELETE", f"/hosts/{host}")
        except Refused as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return f"the controller did not know {host} any more"
        except Unreachable as error:
            self.failures += 1
            return f"FAILED: {error}. Tell it later: daolictl host remove {host}"
        return f"removed {host} from the controller"

    # -- the host ------------------------------------------------------------------------------------------------

    async def _nat(self) -> str:
        await self.clear_nat()
        return "removed the nftables table of published ports and masquerading, if there was one"

    async def _bridge(self) -> str | None:
        before, controllers = self.state.joined.get("bridge"), self.state.joined.get("controllers")
        if before == "made":
            await self.ovs.run("--if-exists", "del-br", BRIDGE)
            self.state.forget("bridge")
            return f"deleted the bridge {BRIDGE}"
        if not await self.ovs.rows("Bridge", ["name"], BRIDGE):
            return None
        for subnet in await links.routes(BRIDGE):
            await links.ip("route", "del", subnet, "dev", BRIDGE)
        wanted = self.state.joined.get("wanted", {})
        for port in (DNS_PORT, wanted.get("nic") if wanted.get("whole") else MACVLAN):
            if port and port not in self.state.joined.get("ports", []):
                await self.ovs.del_port(port)
        for column, value in (before or {}).items():
            await self._restore(column, value)
        if controllers is not None:
            await self.ovs.run("set-controller", BRIDGE, *controllers) if controllers else await self.ovs.run(
                "del-controller", BRIDGE
            )
        return f"left the bridge {BRIDGE}, which was there before, as it was"

    async def _restore(self, column: str, value: str) -> None:
        name, _, key = column.partition(":")
        if value:
            await self.ovs.run("set", "bridge", BRIDGE, f'{column}="{value}"')
        elif key:
            await self.ovs.run("remove", "bridge", BRIDGE, name, key)
        else:
            await self.ovs.run("clear", "bridge", BRIDGE, name)

    async def _uplink(self) -> str | None:
        if (macvlan := self.state.joined.get("macvlan")) is not None:
            await links.delete(macvlan)
            self.state.forget("macvlan")
            return f"deleted {macvlan}; the NIC is as it was"
        if (port := self.state.joined.get("uplink_port")) is None:
            return None
        if port["disable_ipv6"] == "0":
            links.set_sysctl(f"net.ipv6.conf.{port['name']}.disable_ipv6", "0")
        if not port["up"]:
            await links.ip("link", "set", port["name"], "down")
        self.state.forget("uplink_port")
        return f"gave {port['name']} back"

    async def _forwarding(self) -> str | None:
        if (before := self.state.joined.get("ip_forward")) is None:
            return None
        links.set_sysctl("net.ipv4.ip_forward", before)
        self.state.forget("ip_forward")
        return f"set net.ipv4.ip_forward back to {before}"

    async def _files(self) -> str | None:
        if self.failures:
            return "kept the notes of what is not undone: say daoli agent --leave again"
        self.state.joined.clear()
        _remove(self.state.path.parent)
        return f"removed what was kept in {self.state.path.parent}"


def _names(network: Mapping[str, Any]) -> list[str]:
    return [str(entry.get("Name") or name[:12]) for name, entry in (network.get("Containers") or {}).items()]


def _remove(folder: Path) -> None:
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
    with suppress(OSError):  # somebody keeps something there, or it is a mount point
        folder.rmdir()
