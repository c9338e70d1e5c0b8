"""Interfaces, routes and kernel switches of a host."""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from daoli.agent import links
from daoli.agent.commands import CommandError
from daoli.agent.links import Link, LinkError, Route, Way

SHOWN = {
    "ifindex": 4,
    "link": "eth0",
    "ifname": "dlup",
    "flags": ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"],
    "mtu": 1450,
    "address": "06:8a:ae:30:c6:72",
    "linkinfo": {"info_kind": "macvlan", "info_data": {"mode": "private"}},
    "addr_info": [
        {"family": "inet", "local": "192.0.2.1", "prefixlen": 24},
        {"family": "inet6", "local": "fe80::1", "prefixlen": 64},
    ],
}


class FakeIp:
    """Answers ip's command lines by their beginnings."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.runs: list[str] = []
        self.answers: dict[str, str] = {}
        monkeypatch.setattr(links, "run", self.run)

    async def run(self, *command: str) -> str:
        line = " ".join(command)
        self.runs.append(line)
        for start, answer in self.answers.items():
            if line.startswith(start):
                if answer.startswith("!"):
                    raise CommandError(command, answer[1:])
                return answer
        return ""


@pytest.fixture
def ip(monkeypatch: pytest.MonkeyPatch) -> FakeIp:
    """Stand in for ip."""
    return FakeIp(monkeypatch)


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        ({}, (True, True, False)),
        ({"flags": ["UP", "NO-CARRIER"]}, (False, True, False)),
        ({"link_type": "none"}, (True, False, False)),
        ({"promiscuity": 1}, (True, True, True)),
    ],
)
def test_what_is_at_a_link(shown: dict[str, Any], wanted: tuple[bool, bool, bool]) -> None:
    """It is read whether anything is at the other end, whether it is Ethernet, and whether all of it is taken."""
    link = Link.of(SHOWN | shown)
    assert (link.carrier, link.ethernet, link.promiscuous) == wanted


async def test_links(ip: FakeIp) -> None:
    """What ip shows of an interface is read: kind, parent, mode, IPv4 addresses."""
    ip.answers["ip -json -details address show"] = json.dumps([SHOWN, {"ifname": "lo", "mtu": 65536, "flags": []}])
    found = await links.links()
    assert found["dlup"] == Link(
        "dlup", "06:8a:ae:30:c6:72", 1450, True, True, "macvlan", "eth0", "private", addresses=("192.0.2.1/24",)
    )
    assert found["lo"] == Link("lo", "", 65536, up=False)


async def test_ways(ip: FakeIp) -> None:
    """The routes that lead by one interface are read, the default one left out."""
    ip.answers["ip -json -4 route show"] = json.dumps(
        [
            {"dst": "default", "gateway": "192.0.2.254", "dev": "eth0"},
            {"dst": "192.0.2.0/24", "dev": "eth0", "protocol": "kernel", "scope": "link"},
            {"dst": "10.8.0.0/24", "gateway": "192.0.2.7", "dev": "eth0"},
            {"dst": "10.9.0.1", "via": {"family": "inet6", "host": "fe80::1"}, "dev": "eth1"},
            {"type": "blackhole", "dst": "10.10.0.0/16"},
        ]
    )
    assert await links.ways() == [
        Way(IPv4Network("192.0.2.0/24"), "eth0", gateway=False),
        Way(IPv4Network("10.8.0.0/24"), "eth0", gateway=True),
        Way(IPv4Network("10.9.0.1"), "eth1", gateway=True),
    ]


async def test_routes(ip: FakeIp) -> None:
    """The way to an address tells interface and source; routes that came with addresses are not listed."""
    ip.answers["ip -json route get"] = '[{"dst":"192.0.2.9","dev":"eth0","prefsrc":"192.0.2.1"}]'
    assert await links.route_to("192.0.2.9") == Route("eth0", "192.0.2.1")
    kernel = {"dst": "192.0.2.0/24", "protocol": "kernel", "prefsrc": "192.0.2.1"}
    ours = {"dst": "10.1.0.0/24", "protocol": "boot", "prefsrc": "192.0.2.1"}
    ip.answers["ip -json -4 route show dev daoli"] = json.dumps([kernel, ours])
    assert await links.routes("daoli") == {"10.1.0.0/24": "192.0.2.1"}
    ip.answers["ip -json route get"] = "!RTNETLINK answers: Network is unreachable"
    with pytest.raises(LinkError, match=r"ip -json route get 198\.51\.100\.1: RTNETLINK answers: Network"):
        await links.route_to("198.51.100.1")


async def test_delete(ip: FakeIp) -> None:
    """Deleting what is gone is fine; any other failure is told."""
    assert await links.delete("dl1")
    ip.answers["ip link delete"] = '!Cannot find device "dl1"'
    assert not await links.delete("dl1")
    ip.answers["ip link delete"] = "!RTNETLINK answers: Operation not permitted"
    with pytest.raises(LinkError, match="not permitted"):
        await links.delete("dl1")


async def test_veth_is_made_wholly_or_not(ip: FakeIp, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pair has its MAC and MTU, and no checksum offload; if that cannot be, it is deleted again."""
    silenced: list[str] = []
    monkeypatch.setattr(links, "tx_checksum_off", silenced.append)
    await links.add_veth("dl1", "dc1", "02:42:0a:01:00:02", 1450)
    mac = "02:42:0a:01:00:02"
    made = f"ip link add dl1 mtu 1450 type veth peer name dc1 address {mac} mtu 1450"
    assert ip.runs == [made, "ip link set dl1 up"]
    assert silenced == ["dc1"]
    ip.answers["ip link set dl1 up"] = "!no"
    with pytest.raises(LinkError):
        await links.add_veth("dl1", "dc1", mac, 1450)
    assert ip.runs[-1] == "ip link delete dl1"


async def test_macvlan_is_private(ip: FakeIp) -> None:
    """The macvlan leaves the NIC's own address on the network, and does not answer for it."""
    await links.add_macvlan("dlup", "eth0", "06:00:00:00:00:01")
    made = "ip link add link eth0 name dlup address 06:00:00:00:00:01 type macvlan mode private"
    assert ip.runs == [made, "ip link set dlup arp off"]


def test_offload_of_nothing() -> None:
    """The error names the interface."""
    with pytest.raises(LinkError, match="the checksum offload of nothing cannot be switched off"):
        links.tx_checksum_off("nothing")


def test_kernel_switches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Switches are read and set; one that is not there is empty, and cannot be set."""
    monkeypatch.setattr(links, "_SYSCTL", tmp_path)
    folder = tmp_path / "net/ipv6/conf/dl1"
    folder.mkdir(parents=True)
    (folder / "disable_ipv6").write_text("0\n")
    assert links.silence("dl1")
    assert not links.silence("dl1")
    assert not links.silence("dl2")
    assert links.sysctl("net.ipv6.conf.dl1.disable_ipv6") == "1"
    links.set_sysctl("net.ipv6.conf.dl1.disable_ipv6", "0")
    assert links.sysctl("net.ipv6.conf.dl1.disable_ipv6") == "0"
    assert links.sysctl("net.none") == ""
    with pytest.raises(LinkError, match=r"sysctl net\.none\.such cannot be set to 1"):
        links.set_sysctl("net.none.such", "1")
