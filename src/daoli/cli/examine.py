"""What `daolictl doctor` looks at: a judgement of what the API told, check by check. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from daoli.cli.following import OVER
from daoli.cli.output import count, duration
from daoli.cli.publish import leads_to, problems, published_at
from daoli.cli.rule import idle_sides
from daoli.cli.rules import rule_text

LARGEST_SKEW: Final = 5.0
"""Seconds that two clocks may differ before logs of two machines cannot be read side by side."""
ID_LENGTH: Final = 64
"""Characters of the ids that Docker makes."""
STUCK: Final = 60.0
"""Seconds without a word from an agent after which a move waits for one that is away."""


class Finding(NamedTuple):
    """The result of a check: a sentence, and if something is wrong, what to do."""

    check: str
    text: str
    remedy: str | None = None


Items = list[dict[str, Any]]


def hosts(found: Items) -> Iterator[Finding]:
    """Tell which hosts are away, and what troubles the others."""
    away = [host for host in found if not host["status"]["connected"]]
    for host in away:
        yield Finding("hosts", f"{host['name']} ({host['address']}) is not connected", "run daoli doctor on that host")
    troubled = [(host["name"], text) for host in found if host not in away for text in host["status"]["problems"]]
    for name, text in troubled:
        yield Finding("hosts", f"{name}: {text}", f"daolictl host show {name}, and daoli doctor on that host")
    if not away and not troubled:
        yield Finding("hosts", f"{count(len(found), 'host')}, all connected")


def refused(controller: dict[str, Any]) -> Iterator[Finding]:
    """Tell who was not let in lately; a controller of old does not say."""
    knocks = controller.get("refused", ())
    for knock in knocks:
        who = f"{knock['host']} ({knock['address']})" if knock["host"] else knock["address"]
        last = duration(knock["last_seconds"])
        yield Finding(
            "refused",
            f"{who} was refused {count(knock['count'], 'time')}, the last {last} ago: {knock['reason']}",
            "give the agent there the controller's token: --token-file, and daoli doctor on that host",
        )
    if not knocks:
        yield Finding("refused", "nobody lately")


def ledger(controller: dict[str, Any]) -> Iterator[Finding]:
    """Tell whether the ledger's file has all that it should have; a controller of old does not say."""
    state = controller.get("ledger") or {"dropped": 0, "problem": None}
    if state["problem"]:
        text = f"the ledger's file cannot be written: {state['problem']}; it lacks {_entries(state)}"
        yield Finding("ledger", text, "make room, or let the controller write there")
    elif state["dropped"]:
        remedy = "see its lines of kind dropped for when; a faster disk, or ledger = memory"
        yield Finding("ledger", f"the ledger's file lacks {_entries(state)}, which could not be written", remedy)
    else:
        yield Finding("ledger", "nothing is missing")


def _entries(state: dict[str, Any]) -> str:
    return f"{state['dropped']} {'entry' if state['dropped'] == 1 else 'entries'}"


def datapaths(unregistered: Items) -> Iterator[Finding]:
    """Tell which datapaths belong to nobody."""
    for datapath in unregistered:
        yield Finding(
            "datapaths",
            f"{datapath['dpid']} at {datapath['peer']} is connected, but belongs to no host: it gets no flows",
            "run daoli agent there, or take its controller setting away",
        )
    if not unregistered:
        yield Finding("datapaths", "each that is connected belongs to a host")


def endpoints(found: Items, known_hosts: Items) -> Iterator[Finding]:
    """Tell which endpoints of connected hosts have no port."""
    connected = {host["name"] for host in known_hosts if host["status"]["connected"]}
    lost = [e for e in found if e["host"] in connected and not e["reachable"]]
    for endpoint in lost:
        name = endpoint.get("name") or endpoint["id"]
        yield Finding(
            "endpoints",
            f"{name} on {endpoint['host']} has no port {endpoint['port']}",
            "restart the container, or see the log of the host's agent",
        )
    if not lost:
        yield Finding("endpoints", f"{count(len(found), 'endpoint')}, each with its port where the host is connected")


def moves(found: Items, now: float) -> Iterator[Finding]:
    """Tell which moves wait for an agent; `now` is by the controller's clock."""
    stuck = [move for move in found if move["state"] not in OVER and now - move["updated"] > STUCK]
    for move in stuck:
        yield Finding(
            "moves",
            f"the move of {move['name']} from {move['source']} to {move['to']} waits in {move['state']}",
            f"see that the agents of both hosts run; daolictl move follow {move['id']}",
        )
    if not stuck:
        yield Finding("moves", "none is stuck")


def publications(found: Items, known_endpoints: Items) -> Iterator[Finding]:
    """Tell which ports lead to containers that do not run, and which are not in place on a host."""
    running = {endpoint.get("container") for endpoint in known_endpoints}
    idle = [publication for publication in found if publication["container"] not in running]
    for publication in idle:
        yield Finding(
            "published ports",
            f"{published_at(publication)} leads to {leads_to(publication)}, which does not run",
            f"docker start {publication['name']} on its host, or daolictl publish rm {publication['id']}",
        )
    failing = [(publication, problem) for publication in found for problem in problems(publication)]
    for publication, problem in failing:
        yield Finding(
            "published ports",
            f"{published_at(publication)} does not lead to {leads_to(publication)} on {problem}",
            f"free the port there, or daolictl publish rm {publication['id']}",
        )
    if not idle and not failing:
        yield Finding("published ports", f"{count(len(found), 'port')}, each leads to a running container")


def rules(found: Items) -> Iterator[Finding]:
    """Tell which rules name an endpoint that is not there: a denial that was meant for a container does not hold it."""
    idle = [(rule, rule[side]["endpoint"]) for rule in found for side in idle_sides(rule) if rule[side].get("endpoint")]
    for rule, name in idle:
        remedy = "start that container"
        if len(name) == ID_LENGTH:
            remedy = "an endpoint's id ends with the container's run: make the rule by the container's name"
        yield Finding(
            "rules",
            f"rule {rule['id']} ({rule_text(rule)}) does nothing: nobody has the id or name {name}",
            f"{remedy}, or daolictl rule rm {rule['id']}",
        )
    if not idle:
        yield Finding("rules", f"{count(len(found), 'rule')}, none for an endpoint that is not there")


def clock(skew: float | None) -> Iterator[Finding]:
    """Tell whether the controller's clock and ours agree."""
    if skew is None:
        return
    if abs(skew) > LARGEST_SKEW:
        side = "ahead" if skew > 0 else "behind"
        text = f"the controller's is {abs(skew):.0f} s {side} of this machine's"
        yield Finding("clock", text, "have both set by NTP: timedatectl set-ntp true")
    else:
        yield Finding("clock", "the controller's and this machine's agree")


def examined(told: dict[str, Any], skew: float | None, now: float) -> Iterable[Finding]:
    """Judge all that the controller told."""
    yield from clock(skew)
    yield from hosts(told["hosts"])
    yield from datapaths(told["unregistered"])
    yield from endpoints(told["endpoints"], told["hosts"])
    yield from publications(told["publications"], told["endpoints"])
    yield from rules(told["rules"])
    yield from moves(told["moves"], now)
    yield from refused(told)
    yield from ledger(told)
