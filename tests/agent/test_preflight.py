"""What a host must have before it can join."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from daoli.agent import links, preflight
from daoli.agent.bridge import Wanted
from daoli.agent.links import Link, LinkError, Route
from daoli.agent.preflight import NoDocker, Unfit
from daoli.agent.serve import serving
from daoli.agent.settings import AgentSettings

NIC = Link("eth0", "02:00:00:00:00:01", 1500, up=True, addresses=("192.0.2.1/24",))
SPARE = Link("eth1", "02:00:00:00:00:02", 1500, up=True)
FOUND = {link.name: link for link in (NIC, SPARE, Link("lo", "", 65536, up=True), Link("dlup", "", 1500, up=True))}


@pytest.mark.parametrize(
    ("nic", "whole", "words"),
    [
        ("eth7", False, "--uplink: there is no interface eth7; this host has eth0, eth1$"),
        ("eth0", True, "--uplink-port: eth0 has the address 192.0.2.1/24, which would be cut off: use --uplink eth0"),
        ("lo", False, "lo leads to no other host"),
        ("dlup", False, "dlup leads to no other host"),
    ],
)
def test_uplinks(nic: str, whole: bool, words: str) -> None:
    """An interface that cannot lead to the other hosts is refused with what to do instead."""
    with pytest.raises(Unfit, match=words):
        preflight.check_uplink(nic, FOUND, whole=whole)
    preflight.check_uplink("eth0", FOUND, whole=False)
    preflight.check_uplink("eth1", FOUND, whole=True)


def test_uplinks_that_are_down_or_taken() -> None:
    """One that is down, or a port of another bridge, is refused."""
    down = {"eth0": Link("eth0", "", 1500, up=False)}
    with pytest.raises(Unfit, match="eth0 is down: ip link set eth0 up"):
        preflight.check_uplink("eth0", down, whole=False)
    taken = {"eth0": Link("eth0", "", 1500, up=True, master="br0")}
    with pytest.raises(Unfit, match="eth0 is a port of br0 already"):
        preflight.check_uplink("eth0", taken, whole=True)


@pytest.mark.parametrize(
    ("link", "words"),
    [
        (Link("docker0", "", 1500, up=True, kind="bridge"), "docker0 is a bridge of Docker's and leads to no other"),
        (Link("br-0123456789ab", "", 1500, up=True, kind="bridge"), "is a bridge of Docker's"),
        (Link("wg0", "", 1420, up=True, ethernet=False), "wg0 leads to no other host"),
        (Link("eth0", "", 65536, up=True), "eth0 has MTU 65536, more than 65535: ip link set eth0 mtu 1500"),
        (Link("eth0", "", 1500, up=True, carrier=False), "eth0 has no link to anything: is its cable in?"),
    ],
)
def test_uplinks_that_lead_nowhere(link: Link, words: str) -> None:
    """A bridge of Docker's, a tunnel without Ethernet, one without a cable, or with an impossible MTU is refused."""
    with pytest.raises(Unfit, match=re.escape(words)):
        preflight.check_uplink(link.name, {link.name: link}, whole=False)


@pytest.mark.usefixtures("kernel")
async def test_another_uplink_on_a_host_that_has_joined() -> None:
    """Another uplink is checked before anything is changed; the one that the host has may be away for now."""
    kept = Wanted("0000966abab1b28c", "netdev", "tcp:192.0.2.9:6653", "eth9", whole=False, address="192.0.2.1")
    for fit in (AgentSettings(), AgentSettings(uplink="eth9"), AgentSettings(uplink="eth0")):
        await preflight.check_other_uplink(fit, kept)
    with pytest.raises(Unfit, match="lo leads to no other host"):
        await preflight.check_other_uplink(AgentSettings(uplink="lo"), kept)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> dict[str, Route]:
    """Routes by destination; there is none to anything else."""
    routes: dict[str, Route] = {}

    async def route_to(address: str) -> Route:
        if address not in routes:
            raise LinkError("Network is unreachable")
        return routes[address]

    async def found() -> dict[str, Link]:
        return FOUND

    monkeypatch.setattr(links, "route_to", route_to)
    monkeypatch.setattr(links, "links", found)
    return routes


async def test_way_out(kernel: dict[str, Route]) -> None:
    """NIC and address are those of the way to the controller, or of the default route where it is on this host."""
    kernel |= {"192.0.2.9": Route("eth0", "192.0.2.1"), "127.0.0.1": Route("lo", "127.0.0.1")}
    far, near = AgentSettings(controller="http://192.0.2.9:8653"), AgentSettings(controller="http://127.0.0.1:8653")
    assert await preflight.way_out(far) == ("eth0", "192.0.2.1")
    with pytest.raises(Unfit, match="say which one leads to the hosts, --uplink NIC"):
        await preflight.way_out(near)
    kernel["192.0.2.1"] = Route("eth1", "198.51.100.1")
    assert await preflight.way_out(near) == ("eth1", "198.51.100.1")
    assert await preflight.way_out(AgentSettings(controller="unix:/run/c.sock")) == ("eth1", "198.51.100.1")
    given = AgentSettings(controller="http://192.0.2.9:8653", uplink="eth1", address="198.51.100.7")
    assert await preflight.way_out(given) == ("eth1", "198.51.100.7")


@pytest.mark.usefixtures("kernel")
async def test_address_without_a_route() -> None:
    """Without any route the address is that of the NIC; if it has none, it must be told."""
    assert await preflight.way_out(AgentSettings(uplink="eth0")) == ("eth0", "192.0.2.1")
    with pytest.raises(Unfit, match="eth1 has no address, and no route tells this host's: say it with --address"):
        await preflight.way_out(AgentSettings(uplink="eth1"))


async def test_target() -> None:
    """Open vSwitch is given the controller's address, or what the operator says."""
    controller = "http://127.0.0.1:8653"
    assert await preflight.target(AgentSettings(controller=controller), 7653) == "tcp:127.0.0.1:7653"
    assert await preflight.target(AgentSettings(controller="unix:/run/c.sock"), 6653) == "tcp:127.0.0.1:6653"
    said = AgentSettings(controller=controller, openflow="ssl:192.0.2.9:6653")
    assert await preflight.target(said, 7653) == "ssl:192.0.2.9:6653"
    with pytest.raises(Unfit, match=r"nowhere\.invalid cannot be resolved"):
        await preflight.resolve("nowhere.invalid")


class Engine:
    """Tells its version, at a socket file."""

    def __init__(self, path: Path) -> None:
        self.url = f"unix://{path}"
        self.api = "1.41"

    async def version(self, _: web.Request) -> web.StreamResponse:
        found: dict[str, Any] = {"Version": "20.10.24", "ApiVersion": self.api}
        return web.json_response(found)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    """Serve."""
    engine = Engine(tmp_path / "docker.sock")
    app = web.Application()
    app.router.add_get("/{version:.*}version", engine.version)
    async with serving(app, tmp_path / "docker.sock"):
        yield engine


async def test_docker(engine: Engine) -> None:
    """Docker is asked for its version, and may be too old."""
    assert await preflight.check_docker(AgentSettings(docker=engine.url)) == "20.10.24"
    engine.api = "1.40"
    with pytest.raises(Unfit, match=r"Docker 20\.10\.24 is too old: daoli needs 20\.10 or later"):
        await preflight.check_docker(AgentSettings(docker=engine.url))


async def test_no_docker(tmp_path: Path) -> None:
    """Without Docker at the socket it is said where it was looked for, and how to say otherwise."""
    path = tmp_path / "docker.sock"
    with pytest.raises(Unfit, match=f"there is no Docker socket {path}: .*--docker unix://"):
        await preflight.check_docker(AgentSettings(docker=f"unix://{path}"))
    path.touch()
    with pytest.raises(Unfit, match=f"Docker does not answer at {path}"):
        await preflight.check_docker(AgentSettings(docker=f"unix://{path}"))
    with pytest.raises(Unfit, match=r"no Docker engine answers at tcp://127\.0\.0\.1:9"):
        await preflight.check_docker(AgentSettings(docker="tcp://127.0.0.1:9"))


async def test_rights_and_programs_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without root and programs nothing else is looked at, and both are said."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(preflight, "PROGRAMS", {"some-package": ("no-such-program",), "python3": (sys.executable,)})
    with pytest.raises(Unfit) as unfit:
        await preflight.check_host(AgentSettings())
    assert unfit.value.problems == [
        "the agent makes network interfaces: run it as root",
        "programs are missing: apt install some-package",
    ]


@pytest.mark.parametrize("others", [True, False])
async def test_only_docker_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, others: bool) -> None:
    """A host on which nothing but Docker is missing is told from one that will not do with it either."""

    async def check(*_: object) -> None:
        if others:
            raise Unfit(["no NIC"])

    async def switch() -> None:
        """Find nothing wrong."""

    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(preflight, "PROGRAMS", {})
    monkeypatch.setattr(preflight, "_check_ovs", switch)
    monkeypatch.setattr(preflight, "_check_nic", check)
    with pytest.raises(Unfit, match="there is no Docker socket") as unfit:
        await preflight.check_host(AgentSettings(docker=f"unix://{tmp_path}/docker.sock"))
    assert isinstance(unfit.value, NoDocker) is not others
    assert len(unfit.value.problems) == 1 + others


async def test_datapath_type(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The kernel forwards where it can; else, and where the operator says so, user space."""
    known = "[netdev, system]"

    async def run(*_: object, **__: object) -> str:
        return known

    monkeypatch.setattr("daoli.agent.ovs.Ovs.run", run)
    monkeypatch.setattr(preflight, "_KERNEL_SWITCH", tmp_path)
    assert await preflight.datapath_type(AgentSettings()) == "system"
    assert await preflight.datapath_type(AgentSettings(datapath_type="netdev")) == "netdev"
    known = "[netdev]"
    assert await preflight.datapath_type(AgentSettings()) == "netdev"
