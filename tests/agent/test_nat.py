"""The host's nftables: what is written, and when."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from daoli.agent import nat, passing
from daoli.agent.commands import CommandError
from daoli.agent.links import Link
from daoli.agent.nat import Mapping, Nat, Rules, render

RULES = Rules(
    host="192.0.2.1",
    subnets=("10.1.0.0/24", "10.2.0.0/24"),
    ways_out=("10.1.0.0/24",),
    mappings=(Mapping("tcp", 8080, "10.1.0.5", 80, comment="web"), Mapping("udp", 53, "10.1.0.6", 53, "192.0.2.1")),
    names_port=1053,
)


class FakeHost:
    """A host with nft, and iptables without rules, of which only the text of our table is kept."""

    def __init__(self) -> None:
        self.table: str | None = None
        self.links = {"eth0": Link("eth0", "", 1500, up=True)}
        self.loads = 0
        self.cut: list[str] = []
        """UDP ports whose connections were forgotten."""
        self.conntrack = True
        self.sysctls = {nat._ROUTE_LOCALNET: "0"}

    async def run(self, *command: str, stdin: str | None = None) -> str:
        output, said, code = await self.attempt(*command, stdin=stdin)
        if code:
            raise CommandError(command, said)
        return output

    async def attempt(self, *command: str, stdin: str | None = None) -> tuple[str, str, int]:
        match command:
            case ("nft", "-f", "-"):
                self.table = stdin
                self.loads += 1
            case ("nft", "-s", "list", *_):
                return (self.table or "", "", 0 if self.table is not None else 1)
            case ("nft", "delete", *_):
                self.table = None
            case ("conntrack", *_) if not self.conntrack:
                raise CommandError(command, "no such file or directory")
            case ("conntrack", "-D", "-p", "udp", "--orig-port-dst", port):
                self.cut.append(port)
        return "", "", 0

    async def get_links(self) -> dict[str, Link]:
        return self.links


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    fake = FakeHost()
    take_over(monkeypatch, fake)
    return fake


def take_over(monkeypatch: pytest.MonkeyPatch, fake: FakeHost) -> None:
    monkeypatch.setattr(nat, "run", fake.run)
    monkeypatch.setattr(nat, "attempt", fake.attempt)
    monkeypatch.setattr(passing, "attempt", fake.attempt)
    monkeypatch.setattr(nat, "links", fake.get_links)
    monkeypatch.setattr(nat, "sysctl", fake.sysctls.get)
    monkeypatch.setattr(nat, "set_sysctl", fake.sysctls.__setitem__)


def test_table_replaces_what_there_was() -> None:
    """One transaction makes the table, deletes it and makes it anew, so that it works the first time too."""
    lines = render(RULES).splitlines()
    assert lines[:3] == ["table ip daoli", "delete table ip daoli", "table ip daoli {"]


def test_published_ports_lead_in_from_outside_and_from_the_host() -> None:
    """A port stands in the chains of both, for all addresses of the host or for one."""
    text = render(RULES)
    assert text.count("fib daddr type local tcp dport 8080 dnat to 10.1.0.5:80") == 2
    assert text.count("ip daddr 192.0.2.1 udp dport 53 dnat to 10.1.0.6:53") == 2


def test_containers_come_in_by_the_address_that_policy_knows() -> None:
    """What containers send to another address than the host's own in the fabric is led nowhere."""
    chain = render(RULES).partition("chain prerouting {")[2].partition("}")[0]
    kept = 'iifname "daoli" ip daddr != 192.0.2.1 accept'
    assert 0 < chain.index("dport 53 dnat to 127.0.0.1") < chain.index(kept) < chain.index("dnat to 10.1.0.5:80")


def test_way_out_is_for_networks_that_have_one() -> None:
    """Only networks that are not internal are masqueraded."""
    text = render(RULES)
    assert re.search(r"set ways_out \{[^}]*elements = \{ 10\.1\.0\.0/24 \}", text)
    assert "ip saddr @ways_out ip daddr != @containers masquerade" in text


def test_nothing_else_comes_in_by_the_host() -> None:
    """What is forwarded to containers was published, or is an answer."""
    forward = render(Rules("192.0.2.1")).partition("chain forward {")[2]
    assert [line.strip() for line in forward.splitlines() if 'oifname "daoli"' in line] == [
        'oifname "daoli" ct state established,related accept',
        'oifname "daoli" ct status dnat accept',
        'oifname "daoli" drop comment "not published"',
    ]


def test_docker_networks_are_apart() -> None:
    """What containers open goes to the outside, or by a port that Docker publishes; not straight into its networks."""
    forward = render(Rules("192.0.2.1", outside=("eth0",))).partition("chain forward {")[2]
    assert [line.strip() for line in forward.splitlines() if 'iifname "daoli"' in line] == [
        'iifname "daoli" ip saddr != @ways_out ct state new drop comment "internal"',
        'iifname "daoli" ct status dnat accept comment "to a port that somebody here publishes"',
        'iifname "daoli" oifname != @outside ct state new drop comment "networks of Docker are apart"',
    ]


def test_kernel_leaves_the_uplink_to_the_bridge() -> None:
    """What comes by the uplink is dropped before connection tracking could see it a second time."""
    text = render(Rules("192.0.2.1", uplink="dlup"))
    chain = text.partition("chain uplink {")[2].partition("}")[0]
    assert "hook prerouting priority -310" in chain
    assert 'iifname "dlup" drop' in chain
    assert "chain uplink" not in render(Rules("192.0.2.1"))


@given(st.text(max_size=200))
def test_comment_cannot_leave_its_quotes(comment: str) -> None:
    """Whatever a comment holds, it stays a comment."""
    text = render(Rules("192.0.2.1", mappings=(Mapping("tcp", 1, "10.1.0.5", 1, comment=comment),)))
    lines = [line for line in text.splitlines() if "dport 1 " in line]
    assert len(lines) == 2
    assert all(re.fullmatch(r'[^"]* comment "[A-Za-z0-9 ._:/>-]*"', line) for line in lines)


async def test_rules_are_put_in_place_once(host: FakeHost) -> None:
    """The same rules again change nothing."""
    assert await (here := Nat()).apply(RULES)
    assert not await here.apply(RULES)
    assert host.loads == 1
    assert host.sysctls[nat._ROUTE_LOCALNET] == "1"


async def test_flushed_rules_come_back(host: FakeHost) -> None:
    """Another program that flushes or changes the table is made good."""
    here = Nat()
    await here.apply(RULES)
    host.table = None
    assert await here.apply(RULES)
    host.table = "table ip daoli { }"
    assert await here.apply(RULES)
    assert host.loads == 3


async def test_udp_follows_its_port(host: FakeHost) -> None:
    """Where a UDP port leads elsewhere, or nowhere, its connections are forgotten; an agent that starts cuts none."""
    here = Nat()
    await here.apply(RULES)
    assert host.cut == []
    await here.apply(Rules("192.0.2.1", mappings=(RULES.mappings[1], Mapping("tcp", 8080, "10.1.0.9", 80))))
    assert host.cut == []
    moved = Mapping("udp", 53, "10.1.0.7", 53, "192.0.2.1")
    await here.apply(Rules("192.0.2.1", mappings=(moved, Mapping("udp", 54, "10.1.0.7", 54))))
    assert host.cut == ["53", "54"]
    await here.apply(Rules("192.0.2.1", mappings=(moved,)))
    assert host.cut == ["53", "54", "54"]
    await here.apply(Rules("192.0.2.1"))
    await here.apply(Rules("192.0.2.1", mappings=(moved,)))
    assert host.cut == ["53", "54", "54", "53", "53"]


async def test_udp_clients_that_stay_are_told(host: FakeHost) -> None:
    """Where connections cannot be forgotten the rules hold all the same, and the log says so."""
    here = Nat()
    await here.apply(RULES)
    host.conntrack = False
    with capture_logs() as logs:
        assert await here.apply(Rules("192.0.2.1", mappings=(Mapping("udp", 53, "10.1.0.7", 53),)))
    assert [(entry["event"], entry["port"]) for entry in logs] == [("udp_clients_stay", 53)]


async def test_the_outside_is_what_the_host_has(host: FakeHost) -> None:
    """The interfaces that lead to the outside are looked up, so that a new one is one of them."""
    here = Nat()
    await here.apply(RULES)
    assert 'set outside {\n    type ifname;\n    elements = { "eth0" }' in (host.table or "")
    host.links["tun0"] = Link("tun0", "", 1500, up=True)
    assert await here.apply(RULES)
    assert '{ "eth0", "tun0" }' in (host.table or "")


async def test_removal_leaves_nothing(host: FakeHost) -> None:
    """The table goes, and a second time is fine."""
    here = Nat()
    await here.apply(RULES)
    await here.remove()
    await here.remove()
    assert host.table is None


@pytest.mark.usefixtures("host")
async def test_refused_rules_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nft says is in the error."""

    async def refuse(*command: str, **_: str | None) -> str:
        raise CommandError(command, "syntax error")

    monkeypatch.setattr(nat, "run", refuse)
    with pytest.raises(CommandError, match="syntax error"):
        await Nat().apply(RULES)


def test_fields_of_a_mapping_sort() -> None:
    """The order of the rules does not depend on who came first."""
    other = Rules(**{**vars_of(RULES), "mappings": RULES.mappings[::-1]})
    assert render(other) == render(RULES)


def vars_of(rules: Rules) -> dict[str, Any]:
    return {name: getattr(rules, name) for name in Rules.__dataclass_fields__}
