"""What listeners hear."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs
from tests.hosts.gateways import enter, leave, open_world
from tests.hosts.rig import UPLINK, FakeDatapath, Rig, port, uplink

from daoli.datapath import Datapath, DatapathError
from daoli.hosts.fabric import Fabric
from daoli.hosts.ledger import Ledger, Wanted
from daoli.hosts.mirror import Changed
from daoli.hosts.move import Move
from daoli.hosts.publication import Publication
from daoli.ofproto import FlowMod, FlowRemoved, PortReason, PortStatus
from daoli.routing.flows import Ended
from daoli.routing.model import Host
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


# -- every route that was opened is closed once


class History:
    """What may happen to routes, in any order; each controller's books are right after each step."""

    def __init__(self) -> None:
        self.rig = Rig()
        self.rig.hosts[3] = Host("h3", 3, bytes((192, 0, 2, 3)), "up")
        self.rig.datapaths[3] = FakeDatapath(3, [uplink(3)])
        self.ledger = Ledger()
        self.away: set[int] = set()
        self._lives = 0

    async def begin(self) -> None:
        """Start a controller, which finds the datapaths as they are."""
        rig = self.rig
        self._lives += 1
        for n in rig.hosts:
            if rig.hosts[n].dpid in rig.view.switches:
                rig.view.disconnect(n)
        self.ledger = Ledger()
        router = Router(rig.view, first_route_id=self._lives << 16)
        rig.fabric = Fabric(rig.view, router, rig.events, lambda: rig.now, self.ledger)
        await rig.connect(*(n for n in rig.datapaths if n not in self.away))

    async def end(self) -> None:
        """End a controller, once all datapaths have left it: those that are cut wait for nobody then."""
        for n in set(self.rig.datapaths) - self.away:
            self.rig.fabric.disconnected(cast("Datapath", self.rig.datapaths[n]), None)
        counters = self.check()
        for kind in ("opened", "closed"):
            assert counters[f"ledger_entries_total{{kind=route.{kind}}}"] == counters[f"routes_{kind}_total"]
        closed = [entry.route for entry in await self.ledger.read(Wanted()) if entry.kind == "route.closed"]
        assert len(closed) == len(set(closed))
        await self.rig.fabric.close()

    def check(self) -> Mapping[str, int]:
        """Compare what was opened, adopted and closed with what is live."""
        counters = self.rig.fabric.counters
        begun = counters["routes_opened_total"] + counters["routes_adopted_total"]
        assert begun == counters["routes_closed_total"] + len(self.rig.fabric.router.routes)
        return counters

    async def restart(self, _: int) -> None:
        """Have another controller."""
        await self.end()
        await self.begin()

    async def talk(self, n: int) -> None:
        """Let endpoints send to each other, or out."""
        if n == 3:
            leave(self.rig, 1)
        elif "e2" in self.rig.view.endpoints:
            self.rig.punt(n, 3 - n)

    async def let_in(self, n: int) -> None:
        """Let the same connection come in by a host: by another one than before it takes its route's place."""
        enter(self.rig, n, 2)

    async def idle(self, n: int) -> None:
        """Have the flows of one datapath idle out."""
        datapath = self.rig.datapaths[n]
        for key, flow in list(datapath.table.items()):
            if flow in datapath.live:
                del datapath.table[key]
                if flow.flags and n not in self.away:
                    gone = FlowRemoved(flow.cookie, flow.priority, 0, flow.table_id, 30, 0, 30, 0, 1, 100, flow.match)
                    self.rig.fabric.received(cast("Datapath", datapath), gone)

    async def leave(self, n: int) -> None:
        """Have a datapath leave, or come back with what it had."""
        datapath = cast("Datapath", self.rig.datapaths[n])
        if n in self.away:
            self.away.discard(n)
            await self.rig.connect(n)
        else:
            self.away.add(n)
            self.rig.fabric.disconnected(datapath, None)

    async def lose(self, n: int) -> None:
        """Have a datapath lose all its flows, and come back."""
        self.rig.datapaths[n].table.clear()
        if n not in self.away:
            await self.leave(n)
        await self.leave(n)

    async def remove(self, _: int) -> None:
        """Have an endpoint come or go."""
        if "e2" in self.rig.view.endpoints:
            self.rig.remove(self.rig.endpoints[2])
        else:
            self.rig.post(self.rig.endpoints[2])

    async def close_way(self, n: int) -> None:
        """Have a host become a gateway, or none."""
        self.rig.post(replace(self.rig.hosts[n], gateway=not self.rig.view.hosts[f"h{n}"].gateway))

    async def change_uplink(self, n: int) -> None:
        """Give an uplink another MAC."""
        datapath = self.rig.datapaths[n]
        changed = port(UPLINK, "up", bytes((2, 0xDD, 0, 0, datapath.ports[0].hw_addr[4] + 1, n)))
        datapath.ports[0] = changed
        if n not in self.away:
            self.rig.fabric.received(cast("Datapath", datapath), PortStatus(PortReason.MODIFY, changed))


STEPS = (
    History.talk,
    History.talk,
    History.let_in,
    History.let_in,
    History.idle,
    History.leave,
    History.lose,
    History.remove,
    History.close_way,
    History.change_uplink,
    History.restart,
)
Step = Callable[[History, int], Coroutine[Any, Any, None]]


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(1, 3)), max_size=20))
@example([(History.let_in, 1), (History.let_in, 3)])
@example([(History.talk, 1), (History.lose, 1), (History.lose, 2)])
@example([(History.talk, 1), (History.restart, 1), (History.remove, 1)])
@settings(max_examples=100, deadline=None)
def test_whatever_begins_is_over_once(steps: list[tuple[Step, int]]) -> None:
    """In any history each route that was opened or adopted is live, or was closed and told once."""

    async def live() -> None:
        history = History()
        await open_world(history.rig)
        await history.begin()
        for step, n in steps:
            history.rig.now += 0.3
            await step(history, n)
            await history.rig.quiet()
            history.check()
        await history.end()

    with capture_logs():
        asyncio.run(live())


async def test_a_connection_that_comes_in_elsewhere_is_told(rig: Rig) -> None:
    """The route whose place another takes is closed, and that is why."""
    rig.hosts[3] = Host("h3", 3, bytes((192, 0, 2, 3)), "up")
    rig.datapaths[3] = FakeDatapath(3, [uplink(3)])
    await open_world(rig)
    await rig.connect(3)
    async with rig.events.subscribe({"route.opened", "route.closed"}) as subscription:
        enter(rig, 1, 2)
        enter(rig, 3, 2)
        rig.fabric.disconnected(cast("Datapath", rig.datapaths[1]), None)
        rig.fabric.disconnected(cast("Datapath", rig.datapaths[2]), None)
        told = [await anext(subscription) for _ in range(3)]
    assert [event.kind for event in told] == ["route.opened", "route.opened", "route.closed"]
    assert told[2].fields["why"] == "a connection came in by another host"
    assert told[2].fields["route"] == told[0].fields["route"]
