"""Thirty containers started and ended at once on three hosts leave the hosts and the controller as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import pytest
from tests.e2e.docker_rig import Container, DockerRig

from daoli.lab import DockerHost, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

T = TypeVar("T")
R = TypeVar("R")

NETWORK = "storm"
CONTAINERS = 30
AT_ONCE = 10
FIRST_PORT = 20_000
PATIENCE = 60.0
"""Seconds in which a busy machine has caught up with a storm."""


@dataclass(frozen=True)
class Found:
    """What there is of containers; compared before and after.

    Docker's own /run/docker/netns is left out: Docker sweeps it once a minute.
    """

    bridge_ports: frozenset[str]
    links: frozenset[str]
    sockets: frozenset[str]
    rules: str
    flows: frozenset[str]

    @classmethod
    def on(cls, host: DockerHost) -> Found:
        """Look at a host."""

        def lines(command: str) -> frozenset[str]:
            return frozenset(host.exec(["sh", "-c", command]).stdout.split("\n")) - {""}

        return cls(
            bridge_ports=lines("ovs-vsctl list-ports daoli"),
            links=lines("ip -o link | cut -d: -f2"),
            sockets=lines("ss -Hltun | awk '{print $1, $5}'"),
            rules=host.exec(["nft", "--stateless", "list", "table", "ip", "daoli"]).stdout,
            flows=frozenset(host.flows()),
        )


def known(rig: DockerRig) -> dict[str, int]:
    """How much the controller knows of containers."""
    return {kind: len(rig.get(f"/{kind}")[found]) for kind, found in KINDS.items()}


KINDS = {"endpoints": "endpoints", "leases": "leases", "routes": "routes", "publish": "publications"}


def start(rig: DockerRig, number: int) -> Container:
    """Start a container of the storm, with a published port of its own."""
    host = list(rig.lab.hosts)[number % len(rig.lab.hosts)]
    return rig.run(host, f"s{number}", "--network", NETWORK, "-p", f"{FIRST_PORT + number}:80")


def at_once(action: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Do something to all items, side by side."""
    with ThreadPoolExecutor(AT_ONCE) as workers:
        return list(workers.map(action, items))


def unheard(probe: Container, names: Iterable[str]) -> list[str]:
    """Those that do not answer to their name."""
    loop = f"for name in {' '.join(names)}; do ping -c1 -W5 $name >/dev/null 2>&1 || echo $name; done"
    return probe.exec("sh", "-c", loop, timeout=PATIENCE).stdout.split()


def test_storm_leaves_nothing(docker_rig: DockerRig) -> None:
    """All have addresses of their own and are found by name; then nothing of them is left."""
    rig = docker_rig
    hosts = rig.lab.hosts
    rig["h1"].docker("network", "create", "-d", "daoli", "--ipam-driver", "daoli", NETWORK)
    wait_until(lambda: all(NETWORK in rig.networks(host) for host in hosts), PATIENCE)
    probes = [rig.run(host, f"probe-{host}", "--network", NETWORK) for host in hosts]
    wait_until(lambda: known(rig)["routes"] == 0, PATIENCE)
    before = {name: Found.on(host) for name, host in hosts.items()}
    known_before = known(rig)

    storm = at_once(lambda number: start(rig, number), range(CONTAINERS))
    names = {container.name for container in storm}
    listed = rig.get("/endpoints")["endpoints"]
    assert len({each["ipv4"] for each in listed}) == len(listed) == CONTAINERS + len(probes)
    assert {address(each) for each in storm} < {each["ipv4"] for each in listed}
    wait_until(lambda: names < {each["name"] for each in rig.get("/endpoints")["endpoints"]}, PATIENCE)
    assert [unheard(probe, sorted(names)) for probe in probes] == [[], [], []]

    # Every other one goes and comes again while the rest ends: starts and stops at the same time.
    halves = [("again", number) if number % 2 else ("end", number) for number in range(CONTAINERS)]
    at_once(lambda job: storm[job[1]].remove() if job[0] == "end" else again(rig, storm[job[1]], job[1]), halves)
    listed = rig.get("/endpoints")["endpoints"]
    assert len({each["ipv4"] for each in listed}) == len(listed) == CONTAINERS // 2 + len(probes)
    at_once(Container.remove, [storm[number] for number in range(1, CONTAINERS, 2)])

    wait_until(lambda: known(rig) == known_before, PATIENCE, what="the controller to know as little as before")
    for name, host in hosts.items():
        settled(host, before[name])


def again(rig: DockerRig, container: Container, number: int) -> None:
    """End a container, and start one of the same name and port."""
    container.remove()
    start(rig, number)


def address(container: Container) -> str:
    """Its address."""
    return container.address(NETWORK)


def settled(host: DockerHost, before: Found) -> None:
    """Wait until a host is as it was, and show what differs if it does not come to that."""
    found = before

    def same() -> bool:
        nonlocal found
        found = Found.on(host)
        return found == before

    try:
        wait_until(same, PATIENCE)
    except TimeoutError:
        assert found == before, host.name
