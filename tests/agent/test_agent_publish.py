"""Published ports: of this host's containers, and of the fabric."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from tests.agent.fakes import CONTAINER_ID, NETWORK, make_world, tell

from daoli.agent.commands import CommandError
from daoli.agent.driver.messages import PortMapping
from daoli.agent.driver.refusal import Refusal
from daoli.agent.driver.registry import Endpoint, Registry
from daoli.agent.nat import Nat, Rules
from daoli.agent.publish import Publisher
from daoli.agent.world import World
from daoli.hosts.spec import PUBLISHED, PublishedPort

ENDPOINT = {
    "id": "e1",
    "name": "web",
    "host": "h2",
    "network": "dnet1",
    "mac": "02:42:0a:01:00:05",
    "ipv4": "10.1.0.5",
    "port": "dl1",
    "container": CONTAINER_ID,
}


class FakeNat:
    """Remembers the rules that it is given."""

    def __init__(self) -> None:
        self.rules: list[Rules] = []

    async def apply(self, rules: Rules) -> bool:
        self.rules.append(rules)
        return True


async def told(_endpoint_id: str, _published: Sequence[PublishedPort]) -> None:
    """Be a controller that takes note at once."""


@pytest.fixture
def free_port() -> int:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])


@pytest.fixture
def there(tmp_path: Path) -> Iterator[tuple[Publisher, FakeNat, World, Registry]]:
    registry, rules, world = Registry(tmp_path), FakeNat(), make_world()
    registry.endpoints["e9"] = Endpoint(id="e9", network="n", ipv4="10.1.0.9", mac="02:42:0a:01:00:09", port="dl9")
    publisher = Publisher(cast("Nat", rules), world, registry, "h1", "192.0.2.1", told, lambda: None)
    yield publisher, rules, world, registry
    for holder in publisher._held.values():
        holder.close()


def mapping(host_port: int, port: int = 80, **facts: Any) -> PortMapping:
    return PortMapping(Proto=6, Port=port, HostIP="127.0.0.1", HostPort=host_port, **facts)


Rig = tuple[Publisher, FakeNat, World, Registry]


async def test_port_of_a_container(there: Rig, free_port: int) -> None:
    """A port leads to the container until it is taken back, and nobody else can have it meanwhile."""
    publisher, rules, _, registry = there
    await publisher.publish("e9", "10.1.0.9", [mapping(free_port)])
    found = rules.rules[-1].mappings
    assert [(m.address, m.port, m.target, m.target_port) for m in found] == [("127.0.0.1", free_port, "10.1.0.9", 80)]
    assert registry.endpoints["e9"].mappings[0].host_port == free_port
    assert not publisher.is_free("127.0.0.1", "tcp", free_port)
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", free_port))
    await publisher.unpublish("e9")
    assert rules.rules[-1].mappings == ()
    assert publisher.is_free("127.0.0.1", "tcp", free_port)


async def test_taken_port_is_refused_whole(there: Rig, free_port: int) -> None:
    """A port that somebody has is refused as Docker does, and those asked for with it are let go."""
    publisher, rules, _, _ = there
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        taken = other.getsockname()[1]
        with pytest.raises(Refusal, match=f"Bind for 127.0.0.1:{taken}/tcp failed: port is already allocated"):
            await publisher.publish("e9", "10.1.0.9", [mapping(free_port), mapping(taken)])
    assert rules.rules == []
    assert publisher.is_free("127.0.0.1", "tcp", free_port)


async def test_any_port_and_one_of_a_range(there: Rig, free_port: int) -> None:
    """Port 0 is any free port; of a range the first that is free is taken, and remembered."""
    publisher, _, _, registry = there
    await publisher.publish("e9", "10.1.0.9", [mapping(0), mapping(free_port, HostPortEnd=free_port)])
    first, second = (chosen.host_port for chosen in registry.endpoints["e9"].mappings)
    assert first > 0
    assert second == free_port


async def test_ports_survive_the_agent(there: Rig, free_port: int, tmp_path: Path) -> None:
    """An agent that starts again publishes what was published."""
    publisher, _, world, registry = there
    await publisher.publish("e9", "10.1.0.9", [mapping(free_port)])
    rules = FakeNat()
    again = Publisher(cast("Nat", rules), world, Registry(tmp_path), "h1", "192.0.2.1", told, lambda: 1053)
    await again.apply()
    assert [m.port for m in rules.rules[-1].mappings] == [free_port]
    assert rules.rules[-1].names_port == 1053
    assert registry.endpoints["e9"].mappings


async def test_port_is_held_while_it_is_told(there: Rig, free_port: int) -> None:
    """Nobody else gets a port while the controller is told of it, though the rules are put in place meanwhile."""
    publisher, rules, _, _ = there

    async def hear(_endpoint_id: str, _published: Sequence[PublishedPort]) -> None:
        await publisher.apply()
        assert not publisher.is_free("127.0.0.1", "tcp", free_port)

    publisher._tell = hear
    await publisher.publish("e9", "10.1.0.9", [mapping(free_port)])
    assert not publisher.is_free("127.0.0.1", "tcp", free_port)
    with pytest.raises(OSError, match="in use"), socket.socket() as other:
        other.bind(("127.0.0.1", free_port))
    assert [len(each.mappings) for each in rules.rules] == [0, 1]


async def test_port_leads_in_once_the_controller_knows(there: Rig, free_port: int) -> None:
    """The port that was chosen is told before it leads anywhere; if it cannot be, none is published, and it is free."""
    publisher, rules, _, _ = there
    heard: list[tuple[str, list[PublishedPort], int]] = []

    async def hear(endpoint_id: str, published: Sequence[PublishedPort]) -> None:
        heard.append((endpoint_id, list(published), len(rules.rules)))
        if len(heard) > 1:
            raise TimeoutError

    publisher._tell = hear
    wanted = PortMapping(Proto=6, Port=80, HostPort=free_port, HostPortEnd=free_port + 9)
    await publisher.publish("e9", "10.1.0.9", [wanted])
    assert [(name, port.target_port, loads) for name, [port], loads in heard] == [("e9", 80, 0)]
    assert free_port <= heard[0][1][0].port <= free_port + 9
    await publisher.unpublish("e9")
    with pytest.raises(Refusal, match="does not take note"):
        await publisher.publish("e9", "10.1.0.9", [mapping(free_port)])
    assert publisher.is_free("127.0.0.1", "tcp", free_port)
    with pytest.raises(Refusal, match="are too many"):
        await publisher.publish("e9", "10.1.0.9", [mapping(free_port)] * (PUBLISHED + 1))


@pytest.mark.parametrize(("proto", "address", "why"), [(132, "", "cannot be published"), (6, "::", "IPv4")])
async def test_what_cannot_be_published(there: Rig, proto: int, address: str, why: str) -> None:
    """Other protocols than TCP and UDP, and IPv6 addresses, are refused by name."""
    wanted = PortMapping(Proto=proto, Port=80, HostIP=address, HostPort=0)
    with pytest.raises(Refusal, match=why):
        await there[0].publish("e9", "10.1.0.9", [wanted])


def publication(port: int, **facts: Any) -> dict[str, Any]:
    entry = {"id": "p1", "port": port, "container": CONTAINER_ID, "name": "web", "target_port": 80, **facts}
    return {"publications/p1": entry, "endpoints/e1": ENDPOINT}


async def test_publication_leads_to_a_container_anywhere(there: Rig, free_port: int) -> None:
    """A publication of this host, or of all, leads to where its container is now."""
    publisher, rules, world, _ = there
    tell(world, publication(free_port, host="h1"))
    await publisher.apply()
    assert [(m.port, m.target) for m in rules.rules[-1].mappings] == [(free_port, "10.1.0.5")]
    tell(world, {"endpoints/e1": {**ENDPOINT, "ipv4": "10.1.0.6"}})
    await publisher.apply()
    assert [m.target for m in rules.rules[-1].mappings] == ["10.1.0.6"]
    tell(world, {"endpoints/e1": None})
    await publisher.apply()
    assert rules.rules[-1].mappings == ()
    assert publisher.is_free("", "tcp", free_port)


@pytest.mark.parametrize("facts", [{"host": "h3"}, {"network": "dnet2"}])
async def test_publication_for_others(there: Rig, free_port: int, facts: dict[str, str]) -> None:
    """One of another host, or by a network that the container is not on, leads nowhere here."""
    publisher, rules, world, _ = there
    tell(world, publication(free_port, **facts))
    await publisher.apply()
    assert rules.rules[-1].mappings == ()


async def test_publication_of_a_taken_port_is_a_problem(there: Rig) -> None:
    """A publication whose port somebody has is said so, and the others hold."""
    publisher, rules, world, _ = there
    with socket.socket() as other:
        other.bind(("", 0))
        taken = other.getsockname()[1]
        tell(world, publication(taken))
        await publisher.apply()
        assert rules.rules[-1].mappings == ()
        assert publisher.published == publisher.problems == {"p1": f"tcp port {taken}: Address already in use"}
    await publisher.apply()
    assert publisher.problems == {}
    assert publisher.published == {"p1": None}
    assert len(rules.rules[-1].mappings) == 1


async def test_news_of_publications_are_told(there: Rig, free_port: int) -> None:
    """Who wants to know is told when a publication came, holds or went, and not when all is as before."""
    publisher, _, world, _ = there
    told: list[dict[str, str | None]] = []
    publisher.subscribe(lambda: told.append(publisher.published))
    tell(world, publication(free_port))
    await publisher.apply()
    await publisher.apply()
    tell(world, {"publications/p1": None})
    await publisher.apply()
    assert told == [{"p1": None}, {}]


async def test_rules_that_the_host_refuses(there: Rig, free_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the host refuses the rules, no publication is in place, and the reason is known."""
    publisher, rules, world, _ = there

    async def refuse(_: Rules) -> bool:
        raise CommandError(("nft",), "no such table")

    monkeypatch.setattr(rules, "apply", refuse)
    tell(world, publication(free_port))
    with pytest.raises(CommandError):
        await publisher.apply()
    assert "no such table" in publisher.problems["p1"]


async def test_networks_are_told_to_the_rules(there: Rig) -> None:
    """All networks are containers' own, and those that are not internal have a way out."""
    publisher, rules, world, _ = there
    tell(
        world,
        {
            "networks/dnet2": {
                **NETWORK,
                "name": "dnet2",
                "subnet": "10.2.0.0/24",
                "gateway": "10.2.0.1",
                "internal": True,
            }
        },
    )
    await publisher.apply()
    assert rules.rules[-1].subnets == ("10.1.0.0/24", "10.2.0.0/24")
    assert rules.rules[-1].ways_out == ("10.1.0.0/24",)
