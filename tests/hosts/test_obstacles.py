"""What keeps allowed packets from arriving."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any, cast

import pytest
from tests.hosts.rig import Rig, port, uplink

from daoli.datapath import Datapath
from daoli.hosts.obstacles import doubts, internal, obstacles
from daoli.hosts.question import Question, ends
from daoli.hosts.reports import PublishedPort
from daoli.ofproto import PortConfig, PortNo, PortReason, PortState, PortStatus
from daoli.routing.pipeline import NAMES_PORT
from daoli.routing.verdict import obstacle
from daoli.routing.view import PortInfo

X = IPv4Address("198.51.100.7")


def say(rig: Rig, n: int, reason: PortReason, number: int, name: str, **fields: Any) -> None:
    """Have a datapath tell of a port."""
    news = uplink(n) if name == "up" else port(number, name)
    rig.fabric.received(cast("Datapath", rig.datapaths[n]), PortStatus(reason, replace(news, **fields)))


def away(rig: Rig) -> None:
    rig.fabric.disconnected(cast("Datapath", rig.datapaths[2]), None)


def port_gone(rig: Rig) -> None:
    say(rig, 2, PortReason.DELETE, 12, "p2")


def port_down(rig: Rig) -> None:
    say(rig, 2, PortReason.MODIFY, 12, "p2", config=PortConfig.PORT_DOWN)


def uplink_gone(rig: Rig) -> None:
    say(rig, 2, PortReason.DELETE, 1, "up")


def uplink_down(rig: Rig) -> None:
    say(rig, 2, PortReason.MODIFY, 1, "up", state=PortState.LINK_DOWN)


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (away, "host h2 is not connected"),
        (port_gone, "port p2 of e2 is not on host h2"),
        (port_down, "port p2 of e2 on host h2 is down"),
        (uplink_gone, "uplink up is not on host h2"),
        (uplink_down, "uplink up of host h2 is down"),
    ],
)
async def test_one_obstacle(rig: Rig, happens: Callable[[Rig], None], said: str) -> None:
    """Each is one sentence, in the words in which a packet is refused for it, with something to do."""
    await rig.ready()
    a, b = ends(rig.view, Question(rig.endpoints[1], rig.endpoints[2]))
    assert obstacles(a, b, {1, 2}) == []
    happens(rig)
    (found,) = obstacles(a, b, {1, 2})
    assert found.said == said
    assert found.advice
    assert obstacle(a, b) in ("", said)


async def test_container_not_known_yet(rig: Rig) -> None:
    """As long as nobody knows whose an endpoint is, that is in the way."""
    await rig.ready()
    rig.view.put_endpoint(replace(rig.view.endpoints["e2"], pending=True))
    a, b = ends(rig.view, Question(rig.endpoints[1], rig.endpoints[2]))
    (found,) = obstacles(a, b, {1, 2})
    assert found.said == "the container of endpoint e2 is not known yet"
    assert "host h2" in found.advice


async def test_several(rig: Rig) -> None:
    """What is wrong at both ends is told of both."""
    await rig.ready()
    a, b = ends(rig.view, Question(rig.endpoints[1], rig.endpoints[2]))
    say(rig, 1, PortReason.DELETE, 11, "p1")
    port_down(rig)
    uplink_down(rig)
    said = [found.said for found in obstacles(a, b, {1, 2})]
    assert said == [
        "port p1 of e1 is not on host h1",
        "port p2 of e2 on host h2 is down",
        "uplink up of host h2 is down",
    ]
    assert next(found.said for found in obstacles(a, b, {2})) == "the flow table of host h1 is being read"


async def test_itself(rig: Rig) -> None:
    """An endpoint does not reach itself."""
    await rig.ready()
    a, _ = ends(rig.view, Question(rig.endpoints[1], rig.endpoints[2]))
    assert [found.said for found in obstacles(a, a, {1, 2})] == [obstacle(a, a)]


async def test_internal(rig: Rig) -> None:
    """What leaves an internal network is dropped by a host that has an agent; within the network nothing is."""
    await rig.ready()
    rig.post(replace(rig.network, internal=True))
    a, b = ends(rig.view, Question(rig.endpoints[1], X))
    assert internal(a, b) == []
    rig.view.put_port(1, PortInfo(9, NAMES_PORT, bytes(6)))
    (found,) = internal(a, b)
    assert found.said.startswith("network n is internal: an agent on host h1 drops what leaves it")
    assert found in obstacles(a, b, {1, 2})
    assert internal(*ends(rig.view, Question(rig.endpoints[1], rig.endpoints[2]))) == []


@pytest.mark.parametrize(
    ("agent", "source", "host", "sure"),
    [
        (False, X, None, True),
        (True, X, "", True),
        (True, X, "h2", True),
        (True, X, "h1", False),
        (True, X, None, False),
        (True, None, None, True),
    ],
    ids=["no agent", "on all hosts", "on this host", "on another", "not published", "the host itself"],
)
async def test_doubts(rig: Rig, agent: bool, source: IPv4Address | None, host: str | None, sure: bool) -> None:
    """A host with an agent lets in only what is for published ports; of others nothing is known."""
    await rig.ready()
    if agent:
        rig.view.put_port(2, PortInfo(9, NAMES_PORT, bytes(6)))
    own = IPv4Address(rig.hosts[2].address)
    published = [] if host is None else [PublishedPort("p", host or None, None, "tcp", 8080, 80)]
    a, b = ends(rig.view, Question(source or own, rig.endpoints[2]))
    assert (doubts(a, b, published) == []) is sure
    assert doubts(*ends(rig.view, Question(rig.endpoints[1], X)), ()) == []


async def test_the_way_out(rig: Rig) -> None:
    """A way out needs port LOCAL up, on a host that is a gateway."""
    await rig.ready()
    a, b = ends(rig.view, Question(rig.endpoints[1], X))
    no_gateway = "host h1 is no gateway: nothing leaves or enters by it"
    assert [found.said for found in obstacles(a, b, {1, 2})] == [no_gateway]
    rig.post(replace(rig.hosts[1], gateway=True))
    assert [found.said for found in obstacles(a, b, {1, 2})] == ["port LOCAL is not on host h1"]
    say(rig, 1, PortReason.ADD, PortNo.LOCAL, "daoli", state=PortState.LINK_DOWN)
    assert [found.said for found in obstacles(a, b, {1, 2})] == ["port LOCAL (daoli) on host h1 is down"]
    say(rig, 1, PortReason.MODIFY, PortNo.LOCAL, "daoli")
    assert obstacles(a, b, {1, 2}) == []
