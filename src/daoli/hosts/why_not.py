"""What would have to change for a packet to arrive: changes of policy, each tried before it is told. Pure.

The smallest is one rule about these two ends and what was asked, just above the denials. Others are told where they are
as natural: the one denial goes, or both networks are put into a group.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from daoli.hosts.obstacles import Obstacle, doubts, internal
from daoli.hosts.question import Question, judged, probes
from daoli.hosts.reports import Remedy, Step, WhyNot
from daoli.hosts.rule import PROTOCOLS, GroupSpec, RuleRequest, SelectorSpec
from daoli.hosts.ruling import tried
from daoli.hosts.stored import Record, key_of
from daoli.routing.census import Census
from daoli.routing.doors import Door
from daoli.routing.model import ipv4_text
from daoli.routing.named import Party
from daoli.routing.policy import Judgement, Policy
from daoli.routing.routes import Connection
from daoli.routing.rules import Kind, Rule, Selector
from daoli.routing.verdict import closed_door
from daoli.routing.view import End, View

TOP: Final = 65535
"""The highest priority: above it there is none."""
_NAME_LENGTH: Final = 63
_NAMES: Final = {number: name for name, number in PROTOCOLS.items()}


@dataclass(frozen=True, slots=True)
class Search:
    """Where remedies are looked for: a policy, whom selectors match, and what is asked."""

    policy: Policy
    census: Census
    source: Party
    destination: Party
    protocol: int | None = None
    port: int | None = None

    def judge(self) -> Judgement | None:
        """Judge by the policy as it is now, tried changes included."""
        return judged(self.policy.between(self.source, self.destination), self.protocol, self.port)

    @property
    def allowed(self) -> bool:
        """Whether policy allows all that is asked."""
        judgement = self.judge()
        return judgement is not None and judgement.allowed

    def denials(self) -> list[Rule]:
        """List the rules that deny something of what is asked, those that are asked first before the others."""
        rules = self.policy.between(self.source, self.destination).forth.rules
        deciding: dict[str, Rule] = {}
        for probe in probes(rules, self.protocol, self.port):
            first = next((rule for rule in rules if rule.covers(*probe)), None)
            if first is not None and not first.allow:
                deciding[first.id] = first
        return sorted(deciding.values(), key=lambda rule: (-rule.priority, rule.id))


def why_not(view: View, question: Question, a: End, b: End, obstacles: Sequence[Obstacle]) -> WhyNot:
    """Say what would have to change for what is asked to arrive."""
    search = Search(view.policy, view.census, a, b, question.number, question.port)
    doubted = doubts(a, b, question.published)
    besides = [f"{said}: {advice}" for said, advice in (*obstacles, *doubted)]
    if a is b:
        return WhyNot("no policy can change that", besides=tuple(besides))
    judgement = search.judge()
    if judgement is not None and judgement.allowed:
        if (door := _closed_door(view, question, a, b)) is not None:
            behind = replace(question, port=door.target_port)
            return why_not(view, behind, a, view.place_of(door.endpoint.id), obstacles)
        way = "but something is" if obstacles else "but something may be" if doubted else "and nothing is"
        return WhyNot(f"policy allows it, {way} in the way", besides=tuple(besides))
    said = f"policy denies it: {judgement.reason}" if judgement else "policy denies some of what was asked"
    found = () if internal(a, b) else tuple(remedies(search))  # no rule helps what its host drops all the same
    return WhyNot(said, found, tuple(besides))


def _closed_door(view: View, question: Question, a: End, b: End) -> Door | None:
    """Find the host's port that is asked about, and leads to a container which policy denies."""
    if b.endpoint is not None or question.number is None or question.port is None:
        return None
    closed = closed_door(view, a, b, Connection(question.number, 0, question.port))
    return None if closed is None else closed[0]


def remedies(search: Search) -> list[Remedy]:
    """List changes that would allow what is asked, the smallest first; none where it is allowed."""
    if search.allowed:
        return []
    found = (_by_rule(search), _by_removal(search), _by_group(search))
    return [remedy for remedy in found if remedy is not None]


# -- one rule, and those at the top that are in its way


def _by_rule(search: Search) -> Remedy | None:
    gone = _at_the_top(search)
    changes: dict[str, Record | None] = {f"rules/{rule.id}": None for rule in gone}
    steps, said = [_removal(rule) for rule in gone], "a rule for just this"
    with tried(search.policy, changes):
        allowed, denials = search.allowed, search.denials()
    if not allowed:
        body = _rule(search, max((rule.priority for rule in denials), default=-1) + 1)
        rule = RuleRequest.model_validate(body).called(_free_id(search.policy))
        changes[key_of(rule)] = rule
        steps.append(Step(_rule_command(body), "POST", "/rules", body))
    with tried(search.policy, changes):
        if not search.allowed:
            return None
    if not gone:
        return Remedy(said, "nothing else", tuple(steps))
    names = " and ".join(rule.id for rule in gone)
    said = f"no rule stands above priority {TOP}: {names} must go, or be narrowed not to speak of this"
    return Remedy(said, "; ".join(_reach(search, rule) for rule in gone), tuple(steps))


def _at_the_top(search: Search) -> list[Rule]:
    """List the denials above which no rule can stand, also those that come to light when others go."""
    gone: list[Rule] = []
    while True:
        with tried(search.policy, {f"rules/{rule.id}": None for rule in gone}):
            more = [rule for rule in search.denials() if rule.priority == TOP]
        if not more:
            return gone
        gone += more


def _rule(search: Search, priority: int) -> dict[str, Any]:
    body: dict[str, Any] = {"action": "allow", "priority": priority}
    body["source"] = _narrowest(search, search.source)
    body["destination"] = _narrowest(search, search.destination)
    if search.protocol is not None:
        body["protocol"] = _NAMES[search.protocol]
    if search.port is not None:
        body["ports"] = [search.port]
    return body


def _narrowest(search: Search, party: Party) -> dict[str, str]:
    """Name one end and no other: by its name, which lasts, else its id, else its address."""
    endpoint = party.endpoint
    for name in (endpoint.name, endpoint.id) if endpoint is not None else ():
        if search.census.count(Selector(Kind.ENDPOINT, name), search.policy.groups) == 1:
            return {"endpoint": name}
    return {"cidr": f"{ipv4_text(party.ipv4)}/32"}


def _rule_command(body: Mapping[str, Any]) -> str:
    words = ["daolictl", "rule", "add", "allow"]
    for flag, side in (("--from", "source"), ("--to", "destination")):
        ((kind, name),) = body[side].items()
        words += [flag, f"{kind}:{name}"]
    words += ["--proto", body["protocol"]] if "protocol" in body else []
    for port in body.get("ports", ()):
        words += ["--port", str(port)]
    return shlex.join([*words, "--priority", str(body["priority"])])


def _free_id(policy: Policy) -> str:
    return next(name for n in range(len(policy.rules) + 1) if (name := f"tried-{n}") not in policy.rules)


# -- the denial goes


def _by_removal(search: Search) -> Remedy | None:
    """Remove the one rule that denies, where that is enough."""
    denials = search.denials()
    if len(denials) != 1 or denials[0].priority == TOP:
        return None  # of one at the top it is said before
    (denial,) = denials
    with tried(search.policy, {f"rules/{denial.id}": None}):
        if not search.allowed:
            return None
    return Remedy(f"without rule {denial.id}, which denies it", _reach(search, denial), (_removal(denial),))


def _removal(rule: Rule) -> Step:
    return Step(shlex.join(["daolictl", "rule", "rm", rule.id]), "DELETE", f"/rules/{rule.id}")


def _reach(search: Search, rule: Rule) -> str:
    one, other = (_counted(search, selector) for selector in (rule.source, rule.destination))
    return f"rule {rule.id} speaks of {one} and {other}"


def _counted(search: Search, selector: Selector) -> str:
    count = search.census.count(selector, search.policy.groups)
    called = "anything" if selector.kind is Kind.ANY else str(SelectorSpec.of(selector))
    return f"{called} ({count} endpoint{'s' if count != 1 else ''} now)"


# -- a group


def _by_group(search: Search) -> Remedy | None:
    """Put both networks into a group, where no rule denies."""
    one, other = search.source.endpoint, search.destination.endpoint
    if one is None or other is None or one.network == other.network or search.denials():
        return None
    networks = sorted((one.network, other.network))
    name = "-".join(networks)
    if name in search.policy.groups or len(name) > _NAME_LENGTH:
        return None
    group = GroupSpec(name=name, networks=tuple(networks))
    with tried(search.policy, {key_of(group): group}):
        if not search.allowed:
            return None
    command = shlex.join(["daolictl", "group", "put", name, *networks])
    step = Step(command, "PUT", f"/groups/{name}", {"networks": networks})
    first, second = (_counted(search, Selector(Kind.NETWORK, network)) for network in networks)
    return Remedy("both networks in a group", f"all of {first} may then talk to all of {second}", (step,))
