"""What listeners hear."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest
from tests.hosts.rig import Rig

from daoli.datapath import Datapath, DatapathError
from daoli.hosts.fabric import Fabric
from daoli.hosts.ledger import Ledger, Wanted
from daoli.hosts.mirror import Changed
from daoli.hosts.move import Move
from daoli.hosts.publication import Publication
from daoli.ofproto import FlowMod
from daoli.routing.flows import Ended
from daoli.routing.router import Router


async def test_events_tell_of_routes_and_refusals(rig: Rig) -> None:
    """Whoever listens hears of a route opened, of a refusal with its reason, and of a host that left."""
    await rig.ready()
    async with rig.events.subscribe() as subscription:
        rig.punt(1, 2)
        opened = await anext(subscription)
        rig.remove(rig.endpoints[2])
        rig.punt(1, 2)
        for datapath in rig.datapaths.values():
            rig.fabric.disconnected(cast("Datapath", datapath), DatapathError("cut"))
        told = [opened]
        while told[-1].kind != "host.disconnected" or told[-1].fields["host"] != "h2":
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
    assert (told.fields["verdict"], told.fields["reason"]) == ("ttl expired", "ttl expired")


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


def ended(rig: Rig, n: int, packets: int) -> None:
    """Let the flow by which a host's endpoint sends tell that it is gone."""
    flow = next(f for f in rig.datapaths[n].sent if isinstance(f, FlowMod) and f.flags and "eth_src" in f.match)
    match = (flow.match[key] for key in ("eth_src", "ipv4_src", "ipv4_dst"))
    gone = Ended(0, flow.cookie, 2, 30, 0, 30, packets, packets * 100, 10 + n, *match)
    rig.fabric.received(cast("Datapath", rig.datapaths[n]), gone)


async def test_closed_by_idling_is_told_with_counters(rig: Rig) -> None:
    """A route that idled out is told with what went by in both directions."""
    await rig.ready()
    async with rig.events.subscribe({"route.closed"}) as subscription:
        rig.punt(1, 2)
        ended(rig, 1, 3)
        ended(rig, 2, 5)
        told = (await anext(subscription)).fields
    assert (told["packets"], told["bytes"], told["packets_back"], told["bytes_back"]) == (3, 300, 5, 500)
    assert (told["why"], told["source"], told["destination_host"]) == ("idle", "e1", "h2")


async def test_cut_route_is_told_when_its_flows_have_told(rig: Rig) -> None:
    """A route that was cut is told with its counters, as long as it lived, once both hosts have said them."""
    await rig.ready()
    async with rig.events.subscribe({"route.closed", "endpoint.removed"}) as subscription:
        rig.punt(1, 2)
        rig.now += 4
        rig.remove(rig.endpoints[2])
        rig.now += 1
        ended(rig, 1, 3)
        ended(rig, 2, 5)
        told = [await anext(subscription) for _ in range(2)]
    assert [event.kind for event in told] == ["endpoint.removed", "route.closed"]
    assert (told[1].fields["packets"], told[1].fields["packets_back"], told[1].fields["seconds"]) == (3, 5, 4)


async def test_cut_route_whose_flows_are_silent(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A datapath that does not tell is waited for, but not for ever."""
    monkeypatch.setattr("daoli.hosts.herald.PATIENCE", 0.0)
    await rig.ready()
    async with rig.events.subscribe({"route.closed"}) as subscription:
        rig.punt(1, 2)
        rig.remove(rig.endpoints[2])
        ended(rig, 1, 3)
        told = (await anext(subscription)).fields
    assert (told["packets"], told.get("packets_back")) == (3, None)


async def test_the_ledger_is_told_when_nobody_listens() -> None:
    """What happens is in the ledger, if there is one, and no event is made of it."""
    rig = Rig()
    ledger = Ledger()
    rig.fabric = Fabric(rig.view, Router(rig.view), rig.events, lambda: rig.now, ledger)
    await rig.ready()
    before = rig.events.last_id
    rig.punt(1, 2)
    rig.punt(1, 2, ttl=1)
    ended(rig, 1, 1)
    ended(rig, 2, 1)
    assert [entry.kind for entry in await ledger.read(Wanted())] == ["route.opened", "packet.refused", "route.closed"]
    assert rig.events.last_id == before
    assert rig.fabric.counters["ledger_entries_total{kind=route.opened}"] == 1
    await rig.fabric.close()
