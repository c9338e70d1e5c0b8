"""The host's nftables: what is written, and when."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from daoli.agent import nat
from daoli.agent.commands import CommandError
from daoli.agent.nat import Mapping, Nat, Rules, render

RULES = Rules(
    host="192.0.2.1",
    subnets=("10.1.0.0/24", "10.2.0.0/24"),
    ways_out=("10.1.0.0/24",),
    mappings=(Mapping("tcp", 8080, "10.1.0.5", 80, comment="web"), Mapping("udp", 53, "10.1.0.6", 53, "192.0.2.1")),
    names_port=1053,
)


class FakeHost:
    """A host with nft and iptables of which only the text of our table, and DOCKER-USER, are kept."""

    def __init__(self, *, docker: bool = True, policy: str = "ACCEPT") -> None:
        self.table: str | None = None
        self.chains: dict[str, list[tuple[str, ...]]] = {"FORWARD": []}
        if docker:
            self.chains["DOCKER-USER"] = []
        self.policy = policy
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
            case ("iptables", "-w", "5", *words):
                return self.iptables(tuple(words))
        return "", "", 0

    def iptables(self, words: tuple[str, ...]) -> tuple[str, str, int]:
        match words:
            case ("-n", "-L", chain):
                return "", "", 0 if chain in self.chains else 1
            case ("-S", "FORWARD"):
                return f"-P FORWARD {self.policy}\n", "", 0
            case ("-C", chain, *rule):
                return "", "", 0 if tuple(rule) in self.chains.get(chain, ()) else 1
            case ("-I", chain, *rule):
                self.chains[chain].insert(0, tuple(rule))
                return "", "", 0
            case ("-D", chain, *rule):
                if tuple(rule) in self.chains.get(chain, ()):
                    self.chains[chain].remove(tuple(rule))
                    return "", "", 0
        return "", "no such rule", 1


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    fake = FakeHost()
    take_over(monkeypatch, fake)
    return fake


def take_over(monkeypatch: pytest.MonkeyPatch, fake: FakeHost) -> None:
    monkeypatch.setattr(nat, "run", fake.run)
    monkeypatch.setattr(nat, "attempt", fake.attempt)
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


async def test_docker_is_asked_to_let_ours_pass(host: FakeHost) -> None:
    """Two rules stand in the chain that Docker keeps for others, and come back if they go."""
    here = Nat()
    await here.apply(RULES)
    wanted = {("-i", "daoli", "-j", "ACCEPT"), ("-o", "daoli", "-j", "ACCEPT")}
    assert set(host.chains["DOCKER-USER"]) == wanted
    host.chains["DOCKER-USER"].clear()
    assert await here.apply(RULES)
    assert set(host.chains["DOCKER-USER"]) == wanted
    assert host.chains["FORWARD"] == []


@pytest.mark.parametrize(("policy", "rules"), [("ACCEPT", 0), ("DROP", 2)])
async def test_without_docker_only_a_dropping_filter_is_passed(
    monkeypatch: pytest.MonkeyPatch, policy: str, rules: int
) -> None:
    """Where Docker keeps no chain, FORWARD is touched only if it drops."""
    fake = FakeHost(docker=False, policy=policy)
    take_over(monkeypatch, fake)
    await Nat().apply(RULES)
    assert len(fake.chains["FORWARD"]) == rules


async def test_removal_leaves_nothing(host: FakeHost) -> None:
    """Table and rules go, however often the rules stand there, and a second time is fine."""
    here = Nat()
    await here.apply(RULES)
    host.chains["DOCKER-USER"] *= 2
    await here.remove()
    await here.remove()
    assert host.table is None
    assert host.chains["DOCKER-USER"] == []


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
