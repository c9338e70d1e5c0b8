"""The way of containers' packets through a filter of iptables that drops the rest."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from daoli.agent import passing
from daoli.agent.commands import CommandError
from daoli.agent.links import Link
from daoli.agent.passing import CHAIN, JUMP, let_pass, listing, outside, withdraw

USER = "-A FORWARD -j DOCKER-USER"
LAST = "-A FORWARD -j REJECT"
OURS = [
    f"-A {CHAIN} -i daoli -o daoli -j ACCEPT",
    f"-A {CHAIN} -i daoli -o eth0 -j ACCEPT",
    f"-A {CHAIN} -i eth0 -o daoli -j ACCEPT",
]


class FakeFilter:
    """The filter table, as far as we change it."""

    def __init__(self, *forward: str, policy: str = "DROP") -> None:
        self.policy = policy
        self.forward = list(forward)
        self.chain: list[str] | None = None
        self.changes = 0

    def lines(self) -> list[str]:
        head = [f"-P FORWARD {self.policy}", *([] if self.chain is None else [f"-N {CHAIN}"])]
        return [*head, *(self.chain or []), *self.forward]

    async def attempt(self, *command: str) -> tuple[str, str, int]:
        assert command == ("iptables", "-w", "5", "-S")
        return "\n".join(self.lines()), "", 0

    async def run(self, *command: str, stdin: str = "") -> str:
        self.changes += 1
        match command:
            case ("iptables-restore", "-w", "5", "--noflush"):
                assert stdin.startswith(f"*filter\n:{CHAIN} - [0:0]\n")
                assert stdin.endswith("\nCOMMIT\n")
                self.chain = stdin.splitlines()[2:-1]
            case (*_, "-I", "FORWARD", place, "-j", chain):
                assert chain == CHAIN
                self.forward.insert(int(place) - 1, JUMP)
            case (*_, "-D", "FORWARD", "-j", chain):
                assert chain == CHAIN
                self.forward.remove(JUMP)
            case (*_, "-F", chain):
                assert chain == CHAIN
                self.chain = []
            case (*_, "-X", chain):
                assert (chain, self.chain) == (CHAIN, [])
                self.chain = None
        return ""


def take(monkeypatch: pytest.MonkeyPatch, fake: FakeFilter) -> FakeFilter:
    monkeypatch.setattr(passing, "attempt", fake.attempt)
    monkeypatch.setattr(passing, "run", fake.run)
    return fake


@pytest.mark.parametrize(
    ("forward", "wanted"),
    [
        ([USER, LAST], [USER, JUMP, LAST]),
        ([LAST, USER], [LAST, USER, JUMP]),
        ([JUMP, USER, LAST], [USER, JUMP, LAST]),
        ([USER, LAST, JUMP], [USER, LAST, JUMP]),
        ([LAST], [LAST, JUMP]),
        ([], [JUMP]),
    ],
)
async def test_place(monkeypatch: pytest.MonkeyPatch, forward: Sequence[str], wanted: Sequence[str]) -> None:
    """Ours come behind the admin's rules, in Docker's chain for them or without Docker, and are put there once."""
    fake = take(monkeypatch, FakeFilter(*forward))
    assert await let_pass(await listing(), ["eth0"])
    assert (fake.forward, fake.chain) == (wanted, OURS)
    changes = fake.changes
    assert not await let_pass(await listing(), ["eth0"])
    assert fake.changes == changes


async def test_other_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another interface, and a rule that somebody took away, change the chain in one go, and not the jump."""
    fake = take(monkeypatch, FakeFilter(USER))
    await let_pass(await listing(), [])
    assert await let_pass(await listing(), ["eth0"])
    assert fake.chain == OURS
    del fake.chain[1]
    assert await let_pass(await listing(), ["eth0"])
    assert (fake.chain, fake.forward) == (OURS, [USER, JUMP])


@pytest.mark.parametrize(("policy", "forward"), [("ACCEPT", []), ("DROP", [JUMP])])
async def test_without_docker_only_a_dropping_filter_is_passed(
    monkeypatch: pytest.MonkeyPatch, policy: str, forward: list[str]
) -> None:
    """Where Docker keeps no chain, the filter is touched only if it drops."""
    fake = take(monkeypatch, FakeFilter(policy=policy))
    await let_pass(await listing(), ["eth0"])
    assert fake.forward == forward


async def test_withdrawal_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chain and jumps go, however often they stand there, and a second time is fine."""
    fake = take(monkeypatch, FakeFilter(USER))
    await let_pass(await listing(), ["eth0"])
    fake.forward.append(JUMP)
    await withdraw()
    await withdraw()
    assert (fake.forward, fake.chain) == ([USER], None)


async def test_no_iptables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no iptables there are no rules of it."""

    async def attempt(*command: str) -> tuple[str, str, int]:
        raise CommandError(command, "no such file or directory")

    monkeypatch.setattr(passing, "attempt", attempt)
    assert await listing() == []


def test_outside() -> None:
    """Interfaces of the host lead outside, a bridge of its own too; ours, containers' and Docker's bridges do not."""

    def link(name: str, kind: str = "", master: str = "", *addresses: str) -> Link:
        return Link(name, "", 1500, up=True, kind=kind, master=master, addresses=addresses)

    found = [
        link("lo", "", "", "127.0.0.1/8"),
        link("eth0", "veth", "", "192.0.2.1/24"),
        link("eth1", "", "br-lan"),
        link("br-lan", "bridge", "", "198.51.100.1/24"),
        link("tun0", "tun"),
        link("docker0", "bridge", "", "172.17.0.1/16"),
        link("br-0123456789ab", "bridge"),
        link("shop", "bridge"),
        link("veth12", "veth", "docker0"),
        link("dl1234", "veth"),
        link("daoli"),
    ]
    rules = [
        "-A DOCKER-ISOLATION-STAGE-1 -i shop ! -o shop -j DOCKER-ISOLATION-STAGE-2",
        "-A DOCKER-USER -i br-lan -j DROP",
    ]
    assert outside(found, rules) == ("br-lan", "eth0", "tun0")
