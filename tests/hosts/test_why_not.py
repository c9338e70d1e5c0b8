"""What would have to change, tried on random worlds."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import hypothesis.strategies as st
import pytest
from click.testing import CliRunner
from hypothesis import given
from tests.hosts.rig import Rig, port
from tests.routing.frames import ICMP, TCP, UDP
from tests.routing.rulebook import GROUPINGS, LABELLINGS, OUTSIDE, PORTS, rules

from daoli.cli.__main__ import daolictl
from daoli.cli.client import Unreachable
from daoli.hosts.question import Question
from daoli.hosts.reports import Remedy, Step
from daoli.hosts.rule import GroupSpec, RuleRequest
from daoli.hosts.ruling import tried
from daoli.hosts.stored import Record, key_of
from daoli.hosts.why_not import TOP, Search, remedies
from daoli.ofproto import PortNo
from daoli.routing.census import Census
from daoli.routing.model import Endpoint, Network
from daoli.routing.pipeline import NAMES_PORT
from daoli.routing.policy import Packet, Policy, Subject, judge
from daoli.routing.rules import Group, Kind, Rule, Selector
from daoli.routing.view import PortInfo

NETWORKS = {
    f"n{n}": Network(f"n{n}", IPv4Network(f"10.{n}.0.0/24"), bytes((10, n, 0, 1)), internal=n == 1) for n in range(3)
}
NAMES = ("e0", "web", "web", "e2", "e4", "e5")
"""Some are others' ids, or others' too."""


def changes_of(steps: Sequence[Step]) -> dict[str, Record | None]:
    """Read what requests change, as the API reads them."""
    changes: dict[str, Record | None] = {}
    for step in steps:
        match step.method, step.path:
            case "DELETE", path:
                changes[path.removeprefix("/")] = None
            case "PUT", path:
                group = GroupSpec.model_validate({**(step.body or {}), "name": path.removeprefix("/groups/")})
                changes[key_of(group)] = group
            case _:
                rule = RuleRequest.model_validate(step.body).called("the-suggested")
                changes[key_of(rule)] = rule
    return changes


class World:
    """Six endpoints on three networks, who is outside, and a policy."""

    def __init__(self, labels: Sequence[Mapping[str, str]], found: Sequence[Rule], groups: Sequence[Group]) -> None:
        self.policy, self.census = Policy(NETWORKS), Census()
        self.ends = [Subject(address) for address in OUTSIDE]
        for n, (name, own) in enumerate(zip(NAMES, labels, strict=True)):
            ipv4 = bytes((10, n % 3, 0, 10 + n))
            endpoint = Endpoint(f"e{n}", name, "h1", f"n{n % 3}", bytes(5) + bytes((n,)), ipv4, f"p{n}", own)
            self.census.add(endpoint)
            self.ends.append(Subject(ipv4, endpoint))
        for rule in found:
            self.policy.put_rule(rule)
        for group in groups:
            self.policy.put_group(group)

    def search(self, one: int, other: int, protocol: int | None, port: int | None) -> Search:
        """Ask for what would allow something."""
        return Search(self.policy, self.census, self.ends[one], self.ends[other], protocol, port)

    def allowed(self) -> dict[tuple[int, int, int, int | None], bool]:
        """Judge what each may open with each."""
        traffic: list[tuple[int, int | None]] = [(p, port) for p in (TCP, UDP) for port in (*PORTS, 1024)]
        pairs = [(a, b) for a in range(len(self.ends)) for b in range(len(self.ends)) if a != b and max(a, b) > 1]
        return {
            (a, b, protocol, port): judge(
                self.policy.between(self.ends[a], self.ends[b]), Packet(protocol, 50000, port)
            ).allowed
            for a, b in pairs
            for protocol, port in (*traffic, (ICMP, None), (47, None))
        }


WORLDS = st.builds(
    World,
    st.lists(LABELLINGS, min_size=len(NAMES), max_size=len(NAMES)),
    st.lists(rules(), max_size=7),
    st.lists(GROUPINGS, max_size=2),
)
PAIRS = st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda pair: pair[0] != pair[1] and max(pair) > 1)
TRAFFIC = st.one_of(
    st.tuples(st.sampled_from((TCP, UDP)), st.sampled_from(PORTS)),
    st.sampled_from(((ICMP, None), (TCP, None), (None, None))),
)


@given(WORLDS, PAIRS, TRAFFIC)
def test_the_suggested_rule_is_the_smallest_change(
    world: World, pair: tuple[int, int], traffic: tuple[int | None, int | None]
) -> None:
    """The rule allows what was asked and nothing between any two others; with a lower priority it would not do."""
    search = world.search(*pair, *traffic)
    found, before = remedies(search), world.allowed()
    asked = {key for key in before if key[:2] == pair and traffic[0] in (None, key[2]) and traffic[1] in (None, key[3])}
    if search.allowed:
        assert found == []
        assert all(before[key] for key in asked)
        return
    steps = found[0].steps
    if len(steps) > 1 or steps[0].method != "POST":
        return
    with tried(world.policy, changes_of(steps)):
        after = world.allowed()
    assert all(after[key] for key in asked)
    assert {key for key in before if after[key] is not before[key]} <= asked
    (step,) = steps
    assert step.body is not None
    if step.body["priority"]:
        lower = replace(step, body=step.body | {"priority": step.body["priority"] - 1})
        with tried(world.policy, changes_of([lower])):
            assert not search.allowed


@given(WORLDS, PAIRS, TRAFFIC)
def test_every_remedy_is_enough(world: World, pair: tuple[int, int], traffic: tuple[int | None, int | None]) -> None:
    """Each change that is told would allow what was asked; there is always one, and nothing is left behind."""
    search = world.search(*pair, *traffic)
    rules_before, groups_before, before = dict(world.policy.rules), dict(world.policy.groups), world.allowed()
    found = remedies(search)
    assert (world.policy.rules, world.policy.groups, world.allowed()) == (rules_before, groups_before, before)
    assert bool(found) is not search.allowed
    for remedy in found:
        with tried(world.policy, changes_of(remedy.steps)):
            assert search.allowed
            for (a, b, protocol, port), allowed in world.allowed().items():
                if (a, b) == pair and traffic[0] in (None, protocol) and traffic[1] in (None, port):
                    assert allowed


def plain(*found: Rule, groups: Sequence[Group] = ()) -> World:
    """Make a world without labels."""
    return World([{}] * len(NAMES), found, groups)


def told(remedy: Remedy) -> list[str]:
    """Give a remedy's commands."""
    return [step.command for step in remedy.steps]


def test_different_networks() -> None:
    """Where a default denies, a rule of the lowest priority does, or a group of both networks."""
    rule, group = remedies(plain().search(2, 6, TCP, 5432))
    assert told(rule) == [
        "daolictl rule add allow --from endpoint:e0 --to endpoint:e4 --proto tcp --port 5432 --priority 0"
    ]
    assert told(group) == ["daolictl group put n0-n1 n0 n1"]
    assert group.touches == "all of network n0 (2 endpoints now) may then talk to all of network n1 (2 endpoints now)"


def test_ends_are_named_by_what_only_they_have() -> None:
    """A name that one endpoint has is taken, else its id, else its address."""
    sides = {}
    for number in (2, 3, 4, 5, 6, 7, 0):
        other = 6 if number != 6 else 7
        world = plain(Rule("no", allow=False))
        steps = remedies(world.search(number, other, ICMP, None))[0].steps
        sides[number] = (steps[0].body or {})["source"]
    assert sides[6] == {"endpoint": "e4"}
    assert sides[3] == {"endpoint": "e1"}
    assert sides[4] == {"cidr": "10.2.0.12/32"}
    assert sides[0] == {"cidr": "198.51.100.7/32"}


def test_one_denial() -> None:
    """Above a denial a rule is enough; or that one goes, and it is said of whom else it speaks."""
    denial = Rule("no", allow=False, source=Selector(Kind.NETWORK, "n0"), priority=300)
    rule, removal = remedies(plain(denial).search(2, 5, TCP, 80))
    assert rule.steps[0].body is not None
    assert rule.steps[0].body["priority"] == 301
    assert told(removal) == ["daolictl rule rm no"]
    assert removal.touches == "rule no speaks of network n0 (2 endpoints now) and anything (6 endpoints now)"


def test_denial_at_the_top() -> None:
    """What stands at the highest priority has to go, and what then denies is overruled."""
    denials = [Rule(name, allow=False, priority=TOP) for name in ("a", "b")]
    (remedy,) = remedies(plain(*denials, Rule("c", allow=False, priority=7)).search(2, 5, TCP, 80))
    assert told(remedy)[:2] == ["daolictl rule rm a", "daolictl rule rm b"]
    assert told(remedy)[2].endswith("--priority 8")
    assert "a and b must go, or be narrowed" in remedy.said


def test_commands_are_daolictls() -> None:
    """What is told can be typed: daolictl takes it, up to where it would ask the controller."""
    denial = Rule("no", allow=False, priority=5)
    searches = [
        plain(denial).search(2, 6, TCP, 80),
        plain().search(2, 6, None, None),
        plain(denial).search(0, 3, 17, 53),
    ]
    for remedy in (remedy for search in searches for remedy in remedies(search)):
        for command in told(remedy):
            words = [*shlex.split(command)[1:], "--dry-run"]
            done = CliRunner().invoke(daolictl, words, env={"DAOLI_CONTROLLER": "unix:///nowhere"})
            assert isinstance(done.exception, Unreachable), done.output


# -- what no policy changes


async def ask(
    rig: Rig, source: Any, destination: Any, protocol: Any = None, port: Any = None
) -> tuple[str, int, tuple[str, ...]]:
    """Ask why not; give what is said, how many remedies there are, and what else there is to do."""
    said = (await rig.fabric.explain(Question(source, destination, protocol, port, why_not=True))).why_not
    assert said is not None
    return said.said, len(said.remedies), said.besides


async def test_what_no_policy_changes(rig: Rig) -> None:
    """What is allowed and not delivered is told with what to do; as is what policy cannot change."""
    await rig.ready()
    one, other, outside = rig.endpoints[1], rig.endpoints[2], IPv4Address("198.51.100.7")
    assert await ask(rig, one, other) == ("policy allows it, and nothing is in the way", 0, ())
    assert (await rig.explain(one, other)).why_not is None
    said, count, besides = await ask(rig, one, one)
    assert (said, count) == ("no policy can change that", 0)
    assert besides[0].startswith("an endpoint does not reach itself by the network: ")
    rig.remove(other)
    rig.post(replace(other, port="elsewhere"))
    said, count, besides = await ask(rig, one, rig.view.endpoints["e2"])
    assert (said, count) == ("policy allows it, but something is in the way", 0)
    assert besides[0].startswith("port elsewhere of e2 is not on host h2: is the container running?")
    rig.post(replace(rig.network, internal=True))
    said, count, besides = await ask(rig, one, outside, "tcp", 443)
    assert (said, count) == ("policy denies it: internal network", 1)
    assert any("no gateway" in each and "no policy helps" in each for each in besides)
    rig.view.put_port(1, PortInfo(9, NAMES_PORT, bytes(6)))
    said, count, besides = await ask(rig, one, outside, "tcp", 443)
    assert (said, count) == ("policy denies it: internal network", 0)
    assert any("network n is internal" in each for each in besides)


async def test_what_may_be_in_the_way(rig: Rig) -> None:
    """That a host's agent is not known to let something in is told, and not for certain."""
    for n in (1, 2):
        rig.hosts[n] = replace(rig.hosts[n], gateway=True)
        rig.datapaths[n].ports += [port(PortNo.LOCAL, "daoli"), port(9, NAMES_PORT)]
    await rig.ready()
    said, count, besides = await ask(rig, IPv4Address("198.51.100.7"), rig.endpoints[2], "tcp", 443)
    assert (said, count) == ("policy allows it, but something may be in the way", 0)
    assert besides[0].startswith("no published port that the controller knows leads there by host h2")


@pytest.mark.parametrize(
    ("traffic", "said"),
    [((), "policy denies some of what was asked"), (("tcp", 80), "policy denies it: denied by rule no")],
)
async def test_what_depends(rig: Rig, traffic: tuple[Any, ...], said: str) -> None:
    """What is asked about everything is denied if some of it is, and the rule then allows all of it."""
    await rig.ready()
    rig.view.policy.put_rule(Rule("no", allow=False, protocol=TCP, ports=((80, 80),)))
    assert (await ask(rig, rig.endpoints[1], rig.endpoints[2], *traffic))[:2] == (said, 2)
