"""What listeners hear."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from tests.hosts.rig import Rig

from daoli.datapath import Datapath, DatapathError
from daoli.hosts.mirror import Changed
from daoli.hosts.move import Move
from daoli.hosts.publication import Publication


async def test_events_tell_of_routes_and_refusals(rig: Rig) -> None:
    """Whoever listens hears of a route opened, of a refusal with its reason, and of a host that left."""
    await rig.ready()
    async with rig.events.subscribe() as subscription:
        rig.punt(1, 2)
        opened = await anext(subscription)
        rig.remove(rig.endpoints[2])
        rig.punt(1, 2)
        rig.fabric.disconnected(cast("Datapath", rig.datapaths[1]), DatapathError("cut"))
        told = [opened]
        while told[-1].kind != "host.disconnected":
            told.append(await anext(subscription))
    by_kind = {event.kind: event.fields for event in told}
    assert by_kind["route.opened"]["source"] == "e1"
    assert by_kind["route.closed"]["why"] == "inventory changed"
    assert by_kind["packet.refused"]["reason"] == "no endpoint of n has this address"
    assert by_kind["endpoint.removed"] == {"endpoint": "e2"}
    assert by_kind["host.disconnected"]["reason"] == "cut"


async def test_expired_packet_is_told_as_such(rig: Rig) -> None:
    """The reason of a packet whose TTL ran out is that, not why its conversation would be allowed."""
    await rig.ready()
    async with rig.events.subscribe({"packet.refused"}) as subscription:
        rig.punt(1, 2, ttl=2)
        told = await anext(subscription)
    assert (told.fields["outcome"], told.fields["reason"]) == ("ttl expired", "ttl expired")


async def test_answers_of_the_gateway_are_not_refusals(rig: Rig) -> None:
    """A ping of the gateway, and a packet put back on its way, are not told as refused."""
    await rig.ready()
    async with rig.events.subscribe() as subscription:
        rig.endpoints[3] = replace(rig.endpoints[2], ipv4=rig.network.gateway)
        rig.punt(1, 3)
        rig.punt(1, 2)
        assert (await anext(subscription)).kind == "route.opened"


async def test_moves_and_publications(rig: Rig) -> None:
    """A published port is told by its id, and a move with where it is."""
    port = Publication(id="p1", port=80, container="a" * 64, name="web", target_port=80)
    move = Move(id="m1", container="a" * 64, name="web", source="h1", to="h2", created=1.0, updated=1.0)
    done = move.model_copy(update={"state": "done"})
    async with rig.events.subscribe() as subscription:
        rig.fabric.changed(Changed(1, (), (), (), ((None, port),), ((None, move),)))
        rig.fabric.changed(Changed(2, (), (), (), ((port, None),), ((move, done),)))
        told = [await anext(subscription) for _ in range(4)]
    assert [(event.kind, event.fields.get("publication"), event.fields.get("state")) for event in told] == [
        ("publication.added", "p1", None),
        ("move.added", None, "preparing"),
        ("publication.removed", "p1", None),
        ("move.changed", None, "done"),
    ]
    assert told[1].fields == {"move": "m1", "container": "web", "to": "h2", "state": "preparing", "detail": None}
