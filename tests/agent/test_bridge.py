"""The bridge and all that leads to it: what is missing is made, what is wrong is corrected, what is right stays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from daoli.agent import links
from daoli.agent.bridge import Bridge, Wanted, derived_mac
from daoli.agent.links import Link, LinkError, Way
from daoli.agent.ovs import Ovs
from daoli.agent.state import State

WANTED = Wanted("0000966abab1b28c", "netdev", "tcp:192.0.2.9:6653", "eth0", whole=False, address="192.0.2.1")


class FakeHost(Ovs):
    """A host's interfaces, switches and Open vSwitch, as far as the repair looks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.links = {"eth0": Link("eth0", "02:00:00:00:00:01", 1500, up=True, addresses=("192.0.2.1/24",))}
        self.bridge_row: dict[str, Any] | None = None
        self.on_bridge: list[str] = []
        self.errors: set[str] = set()
        self.late: set[str] = set()
        """Ports that the switch opens only once it is waited for."""
        self.targets: list[str] = []
        self.mtu_request: Any = []
        self.routes: dict[str, str] = {}
        self.sysctls = {"net.ipv4.ip_forward": "0"}
        self.runs: list[str] = []
        for name in ("ip", "delete", "add_macvlan", "set_sysctl"):
            monkeypatch.setattr(links, name, getattr(self, f"do_{name}"))
        monkeypatch.setattr(links, "links", self.get_links)
        monkeypatch.setattr(links, "link", self.get_link)
        monkeypatch.setattr(links, "routes", self.get_routes)
        monkeypatch.setattr(links, "ways", self.get_ways)
        monkeypatch.setattr(links, "sysctl", lambda name: self.sysctls.get(name, ""))
        monkeypatch.setattr(links, "silence", lambda _: False)

    # -- the kernel

    async def get_links(self) -> dict[str, Link]:
        return dict(self.links)

    async def get_link(self, name: str) -> Link:
        if name not in self.links:
            raise LinkError(f"no {name}")
        return self.links[name]

    async def get_routes(self, _: str) -> dict[str, str]:
        return dict(self.routes)

    async def get_ways(self) -> list[Way]:
        return [Way(IPv4Network(subnet), "daoli", gateway=False) for subnet in self.routes]

    def do_set_sysctl(self, name: str, value: str) -> None:
        self.sysctls[name] = value

    async def do_delete(self, name: str) -> bool:
        return self.links.pop(name, None) is not None

    async def do_add_macvlan(self, name: str, nic: str, mac: str) -> None:
        self.links[name] = Link(
            name, mac, self.links[nic].mtu, up=False, arp=False, kind="macvlan", parent=nic, mode="private"
        )

    async def do_ip(self, *words: str) -> str:
        match words:
            case ("link", "set", name, "up"):
                self.links[name] = replace(self.links[name], up=True)
            case ("link", "set", name, "mtu", mtu):
                self.links[name] = replace(self.links[name], mtu=int(mtu))
            case ("route", "add", subnet, *_):
                if subnet == "10.9.0.0/24":
                    raise LinkError("File exists")
                self.routes[subnet] = words[-1]
            case ("route", "del", subnet, *_):
                del self.routes[subnet]
        return ""

    # -- Open vSwitch

    async def run(self, *words: str, wait: bool = True) -> str:
        line = " ".join(words)
        if line == "get-controller daoli":
            return "\n".join(self.targets)
        self.runs.append(line)
        if words[0] in ("add-br", "set") and "bridge" in words:
            self.bridge_row = self.bridge_row or {"name": "daoli", "controller": [], "other_config": {}}
            for word in words[words.index("bridge") + 2 :]:
                self._set(word)
            self.links.setdefault("daoli", Link("daoli", WANTED.local_mac, 1500, up=False))
        elif words[0] == "set-controller":
            self.targets = [words[2]]
        elif words[:3] == ("set", "interface", "daoli"):
            self.mtu_request = int(words[3].partition("=")[2])
        return ""

    def _set(self, word: str) -> None:
        assert self.bridge_row is not None
        name, _, value = word.partition("=")
        column, _, key = name.partition(":")
        if key:
            self.bridge_row[column] = {**self.bridge_row[column], key: value.strip('"')}
        else:
            self.bridge_row[column] = value.strip('"')

    async def rows(self, table: str, columns: Iterable[str], *_: str) -> list[dict[str, Any]]:
        if table == "Bridge":
            return [self.bridge_row] if self.bridge_row else []
        local = {"name": "daoli", "error": [], "ofport": 65534, "mtu_request": self.mtu_request}
        ports = [{"name": port, "error": "gone" if port in self.errors else [], "ofport": 1} for port in self.on_bridge]
        return [local, *ports]

    async def ports(self) -> set[str]:
        return set(self.on_bridge)

    async def settle(self) -> None:
        for port in self.late:
            self.links[port] = replace(self.links[port], promiscuous=True)

    async def add_port(self, port: str, **options: Any) -> None:
        self.errors.discard(port)
        if port in self.on_bridge:
            return
        self.on_bridge.append(port)
        if options.get("type") == "internal":
            self.links[port] = Link(port, "", 1500, up=False)
        self.links[port] = replace(self.links[port], promiscuous=True)

    async def del_port(self, port: str) -> None:
        self.on_bridge = [other for other in self.on_bridge if other != port]


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    """A host that has a NIC and nothing else."""
    return FakeHost(monkeypatch)


@pytest.fixture
def bridge(host: FakeHost, tmp_path: Path) -> Bridge:
    """Its bridge, with one container's port and one network."""
    host.links["dl1"] = Link("dl1", "", 1500, up=True)
    return Bridge(WANTED, host, State(tmp_path), lambda: ["dl1", "dl-gone"], lambda: {"blue": "10.1.0.0/24"})


async def test_everything_is_made_once(host: FakeHost, bridge: Bridge) -> None:
    """A host without anything gets everything; the second look changes nothing."""
    await bridge.repair()
    assert bridge.problems == []
    assert (host.links["dlup"].parent, host.links["dlup"].up) == ("eth0", True)
    assert set(host.on_bridge) == {"dlup", "dldns", "dl1"}
    assert host.targets == [WANTED.target]
    assert host.links["daoli"].up
    assert host.links["dldns"].up
    assert host.mtu_request == 1500
    assert host.routes == {"10.1.0.0/24": "192.0.2.1"}
    assert host.sysctls["net.ipv4.ip_forward"] == "1"
    runs = len(host.runs)
    await bridge.repair()
    assert (bridge.done, bridge.problems, len(host.runs)) == ([], [], runs)


async def test_notes_say_how_it_was(bridge: Bridge) -> None:
    """What was made and what was changed is noted for leaving."""
    await bridge.repair()
    assert bridge._state.joined == {"bridge": "made", "controllers": [], "ip_forward": "0", "macvlan": "dlup"}


async def test_a_bridge_that_was_there(host: FakeHost, bridge: Bridge) -> None:
    """Somebody else's bridge of our name is corrected, and noted as it was."""
    host.bridge_row = {"name": "daoli", "controller": [], "other_config": {"hwaddr": "02:01"}}
    host.bridge_row |= {"datapath_type": "netdev", "fail_mode": [], "protocols": ["OpenFlow13"]}
    host.links["daoli"] = Link("daoli", "", 1500, up=True)
    host.on_bridge, host.targets = ["dldns"], ["tcp:192.0.2.7:6653"]
    host.links["dldns"] = Link("dldns", "", 1500, up=True)
    await bridge.repair()
    noted = bridge._state.joined
    assert noted["bridge"]["fail_mode"] == ""
    assert noted["bridge"]["other_config:hwaddr"] == "02:01"
    assert "protocols" not in noted["bridge"]
    assert (noted["controllers"], noted["ports"]) == (["tcp:192.0.2.7:6653"], ["dldns"])
    assert host.bridge_row["fail_mode"] == "secure"


async def test_damage(host: FakeHost, bridge: Bridge) -> None:
    """Each thing that is lost or changed comes back, and nothing else is touched."""
    await bridge.repair()
    host.on_bridge.remove("dl1")
    await bridge.repair()
    assert bridge.done == ["put dl1 on the bridge"]
    host.errors.add("dlup")
    await bridge.repair()
    assert bridge.done == ["put dlup on the bridge"]
    host.links["dlup"] = replace(host.links["dlup"], mac="06:00:00:00:00:09")
    await bridge.repair()
    assert bridge.done[:2] == ["deleted dlup, which was not a macvlan of ours on eth0", "made dlup, a macvlan on eth0"]
    host.targets = ["tcp:192.0.2.7:6653"]
    await bridge.repair()
    assert bridge.done == ["set the bridge's controller to tcp:192.0.2.9:6653"]
    host.routes = {"10.1.0.0/24": "192.0.2.5", "10.2.0.0/24": "192.0.2.1"}
    await bridge.repair()
    assert host.routes == {"10.1.0.0/24": "192.0.2.1"}
    host.links["eth0"] = replace(host.links["eth0"], mtu=9000)
    await bridge.repair()
    assert (bridge.mtu, host.links["dlup"].mtu, host.mtu_request) == (9000, 9000, 9000)


@pytest.mark.parametrize("name", ["dlup", "dl1"])
async def test_a_link_that_was_made_anew(host: FakeHost, bridge: Bridge, name: str) -> None:
    """Where another link has a port's name, whoever made it, the port is put on again, once."""
    await bridge.repair()
    host.links[name] = replace(host.links[name], promiscuous=False)
    await bridge.repair()
    assert bridge.done == [f"put {name} on the bridge"]
    assert host.links[name].promiscuous
    await bridge.repair()
    assert bridge.done == []


async def test_a_lost_macvlan_is_put_on_the_bridge_again(host: FakeHost, bridge: Bridge) -> None:
    """The port of a macvlan that was deleted is taken off, so that Open vSwitch opens the new one."""
    await bridge.repair()
    del host.links["dlup"]
    await bridge.repair()
    assert bridge.done == ["made dlup, a macvlan on eth0", "set dlup up", "put dlup on the bridge"]
    bridge.wanted = replace(WANTED, nic="eth1")
    host.links["eth1"] = Link("eth1", "02:00:00:00:00:02", 1500, up=True)
    await bridge.repair()
    assert bridge.done[-1] == "put dlup on the bridge"
    assert (host.links["dlup"].parent, host.links["dlup"].promiscuous) == ("eth1", True)


async def test_a_port_that_is_just_being_opened(host: FakeHost, bridge: Bridge) -> None:
    """A port that the switch is about to open is not touched."""
    await bridge.repair()
    host.late = {"dl1"}
    host.links["dl1"] = replace(host.links["dl1"], promiscuous=False)
    await bridge.repair()
    assert bridge.done == []


async def test_a_nic_that_is_gone(host: FakeHost, bridge: Bridge) -> None:
    """Without the NIC it is said, and the rest is kept right all the same."""
    await bridge.repair()
    del host.links["eth0"]
    host.targets = []
    await bridge.repair()
    assert bridge.problems == ["eth0, which leads to the other hosts, does not exist"]
    assert host.targets == [WANTED.target]


async def test_what_is_wrong_is_said_during_the_next_repair_too(host: FakeHost, bridge: Bridge) -> None:
    """Who asks while a repair goes on hears what the last one found, not that all is well."""
    await bridge.repair()
    del host.links["eth0"]
    await bridge.repair()
    found = bridge.problems
    said: list[list[str]] = []
    bridge._subnets = lambda: said.append(bridge.problems)
    await bridge.repair()
    assert said == [found] == [["eth0, which leads to the other hosts, does not exist"]]


async def test_a_route_of_the_hosts_own_is_not_replaced(host: FakeHost, bridge: Bridge) -> None:
    """Where the host has a route to a network's subnet already, that one stays, and it is said."""
    bridge._subnets = lambda: {"green": "10.9.0.0/24"}
    await bridge.repair()
    assert bridge.problems == ["this host cannot reach the network 10.9.0.0/24: File exists"]
    bridge._subnets = lambda: None
    host.routes = {"10.7.0.0/24": "192.0.2.1"}
    await bridge.repair()
    assert host.routes == {"10.7.0.0/24": "192.0.2.1"}


@pytest.mark.parametrize(
    ("subnet", "own"),
    [
        ("192.0.2.128/25", "192.0.2.0/24, on eth0"),
        ("172.17.0.0/16", "172.17.0.0/16, on docker0"),
        ("198.51.0.0/16", "198.51.100.9/32, on eth0"),
    ],
)
async def test_a_network_that_would_take_what_is_the_hosts_own(
    host: FakeHost, bridge: Bridge, subnet: str, own: str
) -> None:
    """A network in the LAN, on a bridge of Docker's or over the controller gets no route, and loses one; it is said."""
    bridge.wanted = replace(WANTED, target="tcp:198.51.100.9:6653")
    host.links["docker0"] = Link("docker0", "", 1500, up=True, addresses=("172.17.0.1/16",))
    host.routes = {subnet: "192.0.2.1", "10.1.0.0/24": "192.0.2.1"}
    bridge._subnets = lambda: {"blue": "10.1.0.0/24", "evil": subnet}
    for done in ([f"removed the route to {subnet}"], []):
        await bridge.repair()
        assert [each for each in bridge.done if "route" in each] == done
        assert host.routes == {"10.1.0.0/24": "192.0.2.1"}
        said = (
            f"this host cannot reach the network evil: a route to {subnet} would take {own}, from it; make the network"
        )
        assert bridge.problems == [f"{said} anew with another subnet"]


async def test_a_larger_network_than_the_hosts_own(host: FakeHost, bridge: Bridge) -> None:
    """A route that leaves the host's own, more exact ones in force takes nothing from it, and stays."""
    host.routes = {"192.0.0.0/16": "192.0.2.1"}
    bridge._subnets = lambda: {"wide": "192.0.0.0/16"}
    bridge.wanted = replace(WANTED, target="tcp:192.0.2.9:6653")
    await bridge.repair()
    assert (bridge.problems, host.routes) == ([], {"192.0.0.0/16": "192.0.2.1"})


async def test_an_interface_given_whole(host: FakeHost, bridge: Bridge) -> None:
    """Instead of a macvlan the interface itself is the port; with an address of its own it is not taken."""
    host.links["eth1"] = Link("eth1", "02:00:00:00:00:02", 1400, up=False)
    bridge.wanted = replace(WANTED, nic="eth1", whole=True)
    await bridge.repair()
    assert "eth1" in host.on_bridge
    assert "dlup" not in host.links
    assert bridge._state.joined["uplink_port"] == {"name": "eth1", "up": False, "disable_ipv6": ""}
    bridge.wanted = replace(WANTED, nic="eth0", whole=True)
    await bridge.repair()
    assert bridge.problems == ["eth0 has the address 192.0.2.1/24, and belongs to the bridge whole"]


async def test_measuring_touches_nothing(host: FakeHost, bridge: Bridge) -> None:
    """The MTU is known before anything is made."""
    host.links["eth0"] = replace(host.links["eth0"], mtu=1450)
    await bridge.measure()
    assert bridge.mtu == 1450
    assert host.runs == []


def test_macs() -> None:
    """MACs are derived: always the same, locally administered, and different for each purpose and host."""
    other = replace(WANTED, dpid="0000966abab1b28d")
    macs = {WANTED.local_mac, WANTED.uplink_mac, other.local_mac, other.uplink_mac}
    assert len(macs) == 4
    assert all(mac.startswith("06:") for mac in macs)
    assert derived_mac("x") == derived_mac("x")
