"""What a host must have before it can join, checked before anything is touched; a sentence for each thing missing."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

import aiodocker
import aiohttp

from daoli.agent import links
from daoli.agent.bridge import DNS_PORT, MACVLAN, Wanted
from daoli.agent.commands import CommandError, attempt, run
from daoli.agent.links import DOCKER_BRIDGE, Link, LinkError
from daoli.agent.ovs import BRIDGE, Ovs, OvsError
from daoli.agent.settings import OPENFLOW_PORT, AgentSettings
from daoli.hosts.spec import LARGEST_MTU
from daoli.sources import SettingError

PROGRAMS: Final = {
    "openvswitch-switch": ("ovs-vsctl", "ovsdb-client", "ovs-appctl"),
    "iproute2": ("ip",),
    "nftables": ("nft",),
    "conntrack": ("conntrack",),
    "util-linux": ("setpriv",),
}
"""Debian package -> its programs that the agent runs."""
OLDEST_DOCKER: Final = (1, 41)
"""Docker's API version of release 20.10."""
DOCKER_TIMEOUT: Final = 5.0
_KERNEL_SWITCH: Final = Path("/sys/module/openvswitch")
_SOMEWHERE: Final = "192.0.2.1"
"""An address that nobody has (RFC 5737): the way to it is the default route."""
_SYSTEM_PATH: Final = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


class Unfit(Exception):
    """This host cannot join as it is; `problems` are sentences that say what to do."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


class NoDocker(Unfit):
    """Docker does not answer, or not yet; nothing else is missing."""


async def check_host(settings: AgentSettings) -> None:
    """Check all that does not need the controller; Unfit with everything that is missing."""
    if problems := [*_check_rights(), *_check_programs()]:
        raise Unfit(problems)
    found = await _collect(_check_ovs, lambda: check_docker(settings), lambda: _check_nic(settings))
    if found:
        kind = NoDocker if all(isinstance(each, NoDocker) for each in found) else Unfit
        raise kind([problem for each in found for problem in each.problems])


async def _collect(*checks: Callable[[], Awaitable[object]]) -> list[Unfit]:
    results = await asyncio.gather(*(check() for check in checks), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, Unfit):
            raise result
    return [result for result in results if isinstance(result, Unfit)]


def _check_rights() -> list[str]:
    return [] if os.geteuid() == 0 else ["the agent makes network interfaces: run it as root"]


def _check_programs() -> list[str]:
    missing = [
        package
        for package, programs in PROGRAMS.items()
        if not all(shutil.which(program, path=_SYSTEM_PATH) for program in programs)
    ]
    return [f"programs are missing: apt install {' '.join(missing)}"] if missing else []


async def _check_ovs() -> None:
    start = "systemctl start openvswitch-switch (apt install openvswitch-switch if there is no such service)"
    try:
        await Ovs().run("get", "Open_vSwitch", ".", "ovs_version", wait=False)
    except OvsError as error:
        raise Unfit([f"Open vSwitch's database does not run: {start}; {error}"]) from error
    _, said, code = await attempt("ovs-appctl", "--timeout=3", "-t", "ovs-vswitchd", "version")
    if code:
        raise Unfit([f"Open vSwitch's switch does not run: {start}; {said}"])


async def check_docker(settings: AgentSettings) -> str:
    """Give Docker's version; NoDocker if it does not answer, Unfit if it is too old."""
    try:
        async with asyncio.timeout(DOCKER_TIMEOUT), aiodocker.Docker(url=settings.docker) as docker:
            found = await docker.version()
    except (aiohttp.ClientError, aiodocker.DockerError, TimeoutError, OSError, ValueError) as error:
        raise NoDocker([_docker_fault(settings.docker, error)]) from error
    api = str(found.get("ApiVersion", "0.0"))
    if tuple(map(int, api.split("."))) < OLDEST_DOCKER:
        raise Unfit([f"Docker {found.get('Version')} is too old: daoli needs 20.10 or later"])
    return str(found.get("Version"))


def _docker_fault(url: str, error: Exception) -> str:
    path = url.removeprefix("unix://")
    if path == url:
        return f"no Docker engine answers at {url}: {str(error) or 'no answer in time'}"
    if not Path(path).exists():
        others = [str(other) for other in (Path("/run/docker.sock"), Path("/var/run/docker.sock")) if other.exists()]
        where = f"say --docker unix://{others[0]}" if others else "say where it is with --docker unix://PATH"
        return f"there is no Docker socket {path}: start Docker (apt install docker.io), or {where}"
    if isinstance(error, PermissionError) or "Permission denied" in str(error):
        return f"the Docker socket {path} may not be used: run the agent as root"
    return f"Docker does not answer at {path}: systemctl start docker"


async def _check_nic(settings: AgentSettings) -> None:
    nic, _ = await way_out(settings)
    found = await links.links()
    check_uplink(nic, found, whole=bool(settings.uplink_port))


def check_uplink(nic: str, found: dict[str, Link], *, whole: bool) -> None:
    """Refuse an interface that cannot lead to the other hosts."""
    flag = "--uplink-port" if whole else "--uplink"
    if nic not in found:
        raise Unfit([f"{flag}: there is no interface {nic}; this host has {_nics(found)}"])
    link = found[nic]
    if whole and link.addresses:
        raise Unfit([f"{flag}: {nic} has the address {link.addresses[0]}, which would be cut off: use --uplink {nic}"])
    if whole and link.master not in ("", "ovs-system"):
        raise Unfit([f"{flag}: {nic} is a port of {link.master} already"])
    if nic == "lo" or nic in (BRIDGE, DNS_PORT, MACVLAN) or not link.ethernet:
        raise Unfit([f"{flag}: {nic} leads to no other host; this host has {_nics(found)}"])
    if link.kind == "bridge" and DOCKER_BRIDGE.fullmatch(nic):
        raise Unfit([f"{flag}: {nic} is a bridge of Docker's and leads to no other host; this host has {_nics(found)}"])
    if link.mtu > LARGEST_MTU:
        raise Unfit([f"{flag}: {nic} has MTU {link.mtu}, more than {LARGEST_MTU}: ip link set {nic} mtu 1500"])
    if not whole and Path(f"/sys/class/net/{nic}/phy80211").exists():
        raise Unfit([f"{flag}: {nic} is Wi-Fi, which takes frames from its own MAC only: use a wired NIC"])
    if not link.up:
        raise Unfit([f"{flag}: {nic} is down: ip link set {nic} up"])
    if not link.carrier:
        raise Unfit([f"{flag}: {nic} has no link to anything: is its cable in?"])


async def check_other_uplink(settings: AgentSettings, kept: Wanted) -> None:
    """Refuse another uplink than this host joined with, if it is unfit; that one may be away for now."""
    nic, whole = settings.uplink or settings.uplink_port, bool(settings.uplink_port)
    if nic and (nic, whole) != (kept.nic, kept.whole):
        check_uplink(nic, await links.links(), whole=whole)


def _nics(found: dict[str, Link]) -> str:
    ours = (BRIDGE, DNS_PORT, MACVLAN, "lo", "ovs-system", "ovs-netdev")
    others = [name for name in found if name not in ours and not name.startswith("dl")]
    return ", ".join(name for name in others if not DOCKER_BRIDGE.fullmatch(name)) or "none"


async def way_out(settings: AgentSettings) -> tuple[str, str]:
    """Find the interface that leads to the other hosts, and this host's own address."""
    nic, address = settings.uplink or settings.uplink_port, settings.address
    if nic and address:
        return nic, address
    route = await _route(settings)
    if route is None and not nic:
        raise Unfit(
            ["no NIC leads to the controller or to the outside: say which one leads to the hosts, --uplink NIC"]
        )
    if route is None and not address:
        found = (await links.links()).get(nic)
        if found is None or not found.addresses:
            raise Unfit([f"{nic} has no address, and no route tells this host's: say it with --address"])
        return nic, found.addresses[0].partition("/")[0]
    return nic or (route.nic if route else ""), address or (route.source if route else "")


async def _route(settings: AgentSettings) -> links.Route | None:
    """Find the way to the controller, or, where that one is on this host, the default route."""
    endpoint = settings.endpoint() if settings.controller else None
    for host in (endpoint[0] if endpoint else None, _SOMEWHERE):
        if host is None:
            continue
        try:
            route = await links.route_to(await resolve(host))
        except LinkError:
            continue
        if route.nic != "lo":
            return route
    return None


async def resolve(host: str) -> str:
    """Give a host's IPv4 address; Unfit if it has none."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, family=socket.AF_INET)
    except OSError as error:
        raise Unfit(
            [f"the controller's name {host} cannot be resolved to an IPv4 address: {error.strerror}"]
        ) from error
    return str(found[0][4][0])


async def target(settings: AgentSettings, port: int) -> str:
    """Say where Open vSwitch finds the controller; it takes addresses, not names."""
    if settings.openflow:
        return settings.openflow
    endpoint = settings.endpoint()
    return f"tcp:{await resolve(endpoint[0]) if endpoint else IPv4Address('127.0.0.1')}:{port or OPENFLOW_PORT}"


async def datapath_type(settings: AgentSettings) -> str:
    """Choose where the bridge forwards: in the kernel where it can, else in user space."""
    if settings.datapath_type != "auto":
        return settings.datapath_type
    known = await Ovs().run("get", "Open_vSwitch", ".", "datapath_types", wait=False)
    if "system" not in known:
        return "netdev"
    if _KERNEL_SWITCH.exists():
        return "system"
    try:
        await run("modprobe", "openvswitch")
    except CommandError:
        return "netdev"
    return "system"


async def wanted(settings: AgentSettings, openflow: str) -> Wanted:
    """Say what the bridge of this host is to be."""
    nic, address = await way_out(settings)
    return Wanted(
        dpid=_dpid(settings),
        datapath_type=await datapath_type(settings),
        target=openflow,
        nic=nic,
        whole=bool(settings.uplink_port),
        address=address,
    )


def _dpid(settings: AgentSettings) -> str:
    try:
        return settings.datapath_id()
    except SettingError as error:
        raise Unfit([str(error)]) from error
