"""What policy costs: setups with and without rules, changes of rules, and finding what they cut.

python bench/policy.py [--json FILE]

100,000 endpoints in 1,000 networks, 1,000 groups and 10,000 rules; CPU time of the thread, no sockets.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import statistics
import sys
from collections.abc import Callable
from ipaddress import IPv4Network
from pathlib import Path
from time import thread_time

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from daoli.ofproto import NO_BUFFER
from daoli.ofproto.shapes import Punt
from daoli.routing import model
from daoli.routing.packet import TCP
from daoli.routing.policy import Policy
from daoli.routing.router import Router, RouterSettings
from daoli.routing.rules import Group, Kind, Rule, Selector
from daoli.routing.view import PortInfo, View
from fleet import UPLINK, Endpoint, syn, uplink_mac

NETWORKS, PER_NETWORK = 1000, 100
GROUPS, RULES = 1000, 10_000
TALKING = 100
"""Networks whose endpoints have ports, and talk."""
PORTS = 10
"""Of each such network on each of the two hosts."""
ROUNDS = 15
LIVE = 1000
UNBOUNDED = RouterSettings(punt_rate=1e9, punt_burst=1e9, icmp_rate=1e9, icmp_burst=1e9)
DRAW = random.Random(5)


def world() -> tuple[View, list[tuple[Punt, int]]]:
    """Make two connected hosts with all endpoints, and the first packets of 10,000 pairs."""
    view = View()
    fleet: dict[tuple[int, int], list[tuple[int, Endpoint]]] = {}
    ports = {dpid: [PortInfo(UPLINK, "up", uplink_mac(dpid))] for dpid in (1, 2)}
    for dpid in (1, 2):
        view.put_host(model.Host(f"h{dpid}", dpid, bytes((192, 168, 0, dpid)), "up"))
    for n in range(NETWORKS):
        high, low = divmod(n, 250)
        view.put_network(
            model.Network(f"n{n}", IPv4Network((bytes((10, high, low, 0)), 24)), bytes((10, high, low, 1)))
        )
        for k in range(PER_NETWORK):
            dpid = 1 + k % 2
            number = n * PER_NETWORK + k
            mac = b"\x02\x42" + number.to_bytes(4, "big")
            ipv4 = bytes((10, high, low, 2 + k))
            labels = {"app": f"a{number % 997}", "tier": f"t{number % 7}"}
            view.put_endpoint(
                model.Endpoint(f"e{number}", f"c{number}", f"h{dpid}", f"n{n}", mac, ipv4, f"p{number}", labels)
            )
            if n < TALKING and k < 2 * PORTS:
                port = len(ports[dpid]) + UPLINK
                ports[dpid].append(PortInfo(port, f"p{number}", mac))
                fleet.setdefault((n, dpid), []).append((port, Endpoint(dpid, port, mac, ipv4)))
    for dpid in (1, 2):
        view.set_ports(dpid, ports[dpid])
    punts = []
    for n in range(TALKING):
        for port, here in fleet[n, 1]:
            for _, there in fleet[n, 2]:
                data = syn(here, there)
                punts.append((Punt(0, NO_BUFFER, len(data), 0, 0, 0, port, data), port))
    return view, punts


def selector() -> Selector:
    """Draw what a rule may name."""
    kind = DRAW.choice((Kind.ENDPOINT, Kind.NETWORK, Kind.GROUP, Kind.LABEL, Kind.CIDR))
    n = DRAW.randrange(NETWORKS)
    values = {
        Kind.ENDPOINT: f"e{DRAW.randrange(NETWORKS * PER_NETWORK)}",
        Kind.NETWORK: f"n{n}",
        Kind.GROUP: f"g{DRAW.randrange(GROUPS)}",
        Kind.LABEL: f"app=a{DRAW.randrange(997)}",
        Kind.CIDR: f"10.{n // 250}.{n % 250}.0/{DRAW.choice((24, 26))}",
    }
    return Selector(kind, values[kind])


def rule(number: int) -> Rule:
    """Draw a rule that does not forbid what the measured setups need."""
    ports = ((DRAW.randrange(1, 60_000), 60_000),)
    return Rule(f"r{number}", allow=True, source=selector(), destination=selector(), protocol=TCP, ports=ports)


def fill(policy: Policy) -> None:
    """Have all the groups and rules."""
    for n in range(GROUPS):
        policy.put_group(Group(f"g{n}", tuple(f"n{DRAW.randrange(NETWORKS)}" for _ in range(4))))
    for n in range(RULES):
        policy.put_rule(rule(n))


def setups_us(view: View, punts: list[tuple[Punt, int]]) -> float:
    """Time one cross-host setup, from the punt to the bytes that answer it."""
    router = Router(view, UNBOUNDED)
    began = thread_time()
    for punt, _ in punts:
        assert len(router.punted(1, punt, 1.0).writes) == 3  # noqa: S101  both ends' flows, the packet
    return (thread_time() - began) / len(punts) * 1e6


def times_ms(work: Callable[[], object]) -> float:
    """Time something once."""
    began = thread_time()
    work()
    return (thread_time() - began) * 1e3


def changes(view: View, punts: list[tuple[Punt, int]]) -> dict[str, list[float]]:
    """Time rules that come and go, with what finds the routes that they cut."""
    router, policy = Router(view, UNBOUNDED), view.policy
    for punt, _ in punts[:LIVE]:
        router.punted(1, punt, 1.0)
    one, other = (Selector(Kind.NETWORK, f"n{n}") for n in (0, 1))
    kinds = {
        "between two endpoints": (Selector(Kind.ENDPOINT, "e0"), Selector(Kind.ENDPOINT, "e1")),
        "within a network": (one, one),
        "between two networks": (one, other),
        "of a label": (Selector(Kind.LABEL, "tier=t1"), Selector()),
        "of everything": (Selector(), Selector()),
    }
    taken: dict[str, list[float]] = {}
    for name, (source, destination) in kinds.items():
        added = Rule("new", allow=False, source=source, destination=destination, protocol=TCP, ports=((9, 9),))

        rounds = [
            (
                times_ms(lambda rule=added: policy.put_rule(rule)),  # type: ignore[misc]  # mypy infers no lambda with a default
                times_ms(lambda rule=added: router.obsolete(router.affected([rule]))),  # type: ignore[misc]  # mypy infers no lambda with a default
                times_ms(lambda rule=added: policy.remove_rule(rule.id)),  # type: ignore[misc]  # mypy infers no lambda with a default
                times_ms(lambda rule=added: router.obsolete(router.affected([rule]))),  # type: ignore[misc]  # mypy infers no lambda with a default
            )
            for _ in range(ROUNDS)
        ]
        taken[name] = [f(times) for times in zip(*rounds, strict=True) for f in (statistics.median, max)]
        taken[name].append(len(router.affected([added])))
    return taken


def show(console: Console, times: dict[str, list[float]], cut: dict[str, list[float]], pairs: int) -> None:
    """Print both tables."""
    base = statistics.median(times["no rules"])
    table = Table(title=f"cross-host setups of {pairs} pairs: CPU microseconds, medians of {ROUNDS} rounds")
    for heading in ("policy", "a setup", "least", "times no rules"):
        table.add_column(heading, justify="left" if heading == "policy" else "right")
    for name, values in times.items():
        middle = statistics.median(values)
        table.add_row(name, f"{middle:.1f}", f"{min(values):.1f}", f"{middle / base:.2f}")
    console.print(table)
    table = Table(title=f"a rule among {RULES}, and which of {LIVE} routes it cuts: CPU milliseconds")
    headings = ("rule", "added", "worst", "cut found", "worst", "removed", "worst", "cut found", "worst", "routes")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "rule" else "right")
    for name, figures in cut.items():
        table.add_row(name, *(f"{figure:.2f}" for figure in figures[:-1]), str(figures[-1]))
    console.print(table)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    target = parser.parse_args().json
    view, punts = world()
    full, empty = view.policy, Policy(view.networks)
    fill(full)
    gc.collect()
    gc.freeze()  # as in the controller: what is loaded is not to be walked on anybody's account

    def restart(policy: Policy) -> None:
        policy._forget_all()  # noqa: SLF001  as it is after a restart

    def part(policy: Policy) -> None:
        for profile in policy._profiles.values():  # noqa: SLF001  as if each met the others for the first time
            profile.peers.clear()

    def keep(_policy: Policy) -> None:
        pass

    kinds = {
        "no rules": (empty, keep),
        "all rules, pairs like these are known": (full, keep),
        "all rules, each pair is the first of its kind": (full, part),
        "all rules, nothing known: each fifth setup meets an endpoint": (full, restart),
    }
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(ROUNDS):
        for name, (policy, before) in kinds.items():
            view.policy = policy
            before(policy)
            times[name].append(setups_us(view, punts))
    view.policy = full
    cut = changes(view, punts)
    show(Console(width=130), times, cut, len(punts))
    if target:
        Path(target).write_text(json.dumps({"setups_us": times, "changes_ms": cut}, indent=2) + "\n")


if __name__ == "__main__":
    main()
