"""Whatever is written, by whom and in whatever order, the view is consistent and near the store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from structlog.testing import capture_logs
from tests.hosts.records import endpoint, host, network

from daoli.hosts.errors import InventoryError
from daoli.hosts.inventory import Inventory
from daoli.hosts.mirror import Changed
from daoli.hosts.stored import Record, decode, encode, endpoint_key, host_key
from daoli.routing.model import Endpoint, Host
from daoli.routing.view import View
from daoli.store.base import Change
from daoli.store.memory import MemoryStore

NUMBERS = st.integers(1, 3)


class AnyHand(RuleBasedStateMachine):
    """The inventory's calls and another hand's commits, in any order: the view is consistent and near the store."""

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore()
        self.inventory = Inventory(self.store, View())
        self.told: dict[str, Host | Endpoint] = {}
        self.inventory.subscribe(self.hear)
        self.loop = asyncio.new_event_loop()
        self.task = self.loop.create_task(self.inventory.run())

    def hear(self, change: Changed) -> None:
        """Keep a copy of the view from what is told alone."""
        for old, new in (*change.hosts, *change.endpoints):
            known = old or new
            assert known is not None
            key = endpoint_key(known.id) if isinstance(known, Endpoint) else host_key(known.name)
            assert self.told.get(key) == old
            if new is None:
                del self.told[key]
            else:
                self.told[key] = new

    def attempt(self, *calls: Any) -> None:
        """Make calls of which some will be refused."""

        async def one_by_one() -> None:
            for call in calls:
                with suppress(InventoryError):
                    await call

        with capture_logs():
            self.loop.run_until_complete(one_by_one())

    @rule(n=NUMBERS, dpid=NUMBERS, uplink=st.sampled_from(["eth0", "veth1"]))
    def post_host(self, n: int, dpid: int, uplink: str) -> None:
        """Post a host."""
        self.attempt(self.inventory.put_host(host(n, dpid=f"{dpid:016x}", uplink=uplink)))

    @rule(n=NUMBERS)
    def post_network(self, n: int) -> None:
        """Post a network."""
        self.attempt(self.inventory.put_network(network(n)))

    @rule(n=NUMBERS, on=NUMBERS, net=NUMBERS, port=NUMBERS)
    def post_endpoint(self, n: int, on: int, net: int, port: int) -> None:
        """Post an endpoint."""
        spec = endpoint(n, host=f"h{on}", network=f"n{net}", ipv4=f"10.{net}.0.{port + 1}", port=f"veth{port}")
        self.attempt(self.inventory.put_endpoint(spec))

    @rule(n=NUMBERS)
    def remove(self, n: int) -> None:
        """Remove a host, then a network."""
        self.attempt(self.inventory.remove_host(f"h{n}"), self.inventory.remove_network(f"n{n}"))

    @rule(key=st.sampled_from(["hosts/h", "networks/n", "endpoints/e"]), n=NUMBERS, m=NUMBERS, delete=st.booleans())
    def other_hand(self, key: str, n: int, m: int, delete: bool) -> None:
        """Commit something past the inventory's checks."""
        records: dict[str, Record] = {
            "hosts/h": replace(host(m).record(), name=f"h{n}"),
            "networks/n": replace(network(m).record(), name=f"n{n}"),
            "endpoints/e": replace(endpoint(m, host=f"h{m}").record(), id=f"e{n}"),
        }
        self.attempt(self.both([Change(f"{key}{n}", None if delete else encode(records[key]))]))

    async def both(self, changes: list[Change]) -> None:
        """Commit, and wait until the inventory knows."""
        await self.inventory._reached(await self.store.commit(changes))

    @invariant()
    def consistent(self) -> None:
        """Every index of the view tells the same, and what listeners heard is what is there."""
        view = self.inventory.view
        assert self.told == {host_key(n): h for n, h in view.hosts.items()} | {
            endpoint_key(n): e for n, e in view.endpoints.items()
        }
        assert {dpid: switch.host for dpid, switch in view.switches.items()} == {h.dpid: h for h in view.hosts.values()}
        assert {place.endpoint.id: place.endpoint for place in view.by_ipv4.values()} == view.endpoints
        on_hosts = [endpoint for name in view.hosts for endpoint in view.endpoints_of(name)]
        assert sorted(e.id for e in on_hosts) == sorted(view.endpoints)
        assert len({e.mac for e in on_hosts}) == len(on_hosts)
        for place in view.by_ipv4.values():
            assert place.switch is view.switches[view.hosts[place.endpoint.host].dpid]
            assert place.network is view.networks[place.endpoint.network]
            assert place.endpoint.port != view.hosts[place.endpoint.host].uplink

    @invariant()
    def near_the_store(self) -> None:
        """What the store has is shown, or it is left out for a fault that it has now."""
        mirror = self.inventory.mirror
        for key, record in self.stored():
            shown = mirror.shown(key)
            assert shown == record or (shown is None and key in mirror._left_out)
            assert (mirror.fault(record, {key}) is None) == (shown is not None)
        assert set(mirror.revisions) == set(self.store._entries)

    def stored(self) -> Iterator[tuple[str, Any]]:
        """Walk what the store has."""
        for key, entry in self.store._entries.items():
            record = decode(key, entry.value)
            if record is not None:
                yield key, record

    def teardown(self) -> None:
        """End the task and the loop."""
        self.task.cancel()
        self.loop.run_until_complete(asyncio.gather(self.task, return_exceptions=True))
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()


TestAnyHand = AnyHand.TestCase
TestAnyHand.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
