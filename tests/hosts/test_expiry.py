"""Rules end when their time has come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.hosts.test_ruling import rule

from daoli.hosts.expiry import Expiry
from daoli.hosts.inventory import Inventory, Written
from daoli.hosts.mirror import Mirror
from daoli.hosts.plans import Plan
from daoli.hosts.ruling import plan_rule
from daoli.store.base import StoreUnavailable


async def wait_for_rules(inventory: Inventory, wanted: set[str]) -> None:
    """Wait until just these rules are left."""
    async with asyncio.timeout(5):
        while set(inventory.mirror.rules) != wanted:  # noqa: ASYNC110  the inventory has no such event
            await asyncio.sleep(0)


async def test_rules_end(inventory: Inventory) -> None:
    """A rule that is over goes without a request, also one that came while the next was waited for."""
    ending = asyncio.ensure_future(Expiry(inventory, clock=lambda: 100.0).run())
    for name, until in (("later", "1970-01-01T01:00:00Z"), ("over", "1970-01-01T00:01:40Z"), ("never", None)):
        made = rule(name, until=until)
        await inventory.write(lambda mirror, made=made: plan_rule(mirror, made, allow_unknown=True))  # type: ignore[misc]
    await wait_for_rules(inventory, {"later", "never"})
    assert not ending.done()
    ending.cancel()
    await asyncio.gather(ending, return_exceptions=True)


async def test_a_store_that_is_away_is_tried_again(inventory: Inventory) -> None:
    """A rule that could not be removed goes when the store is back."""
    made = rule("over", until="1970-01-01T00:00:01Z")
    await inventory.write(lambda mirror: plan_rule(mirror, made, allow_unknown=True))
    write, failures = inventory.write, [StoreUnavailable("away")]

    async def failing(make_plan: Callable[[Mirror], Plan]) -> Written:
        if failures:
            raise failures.pop()
        return await write(make_plan)

    inventory.write = failing  # type: ignore[method-assign]
    ending = asyncio.ensure_future(Expiry(inventory, clock=lambda: 100.0).run())
    await wait_for_rules(inventory, set())
    ending.cancel()
    await asyncio.gather(ending, return_exceptions=True)
