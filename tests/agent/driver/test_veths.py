"""Cables get the uplink's MTU."""

from __future__ import annotations

import pytest

from daoli.agent import links
from daoli.agent.driver.veths import Veths


async def test_mtu_of_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pair is made with the MTU that the uplink has now, and deleted by its name."""
    calls: list[tuple[object, ...]] = []

    async def note(*words: object) -> None:
        calls.append(words)

    monkeypatch.setattr(links, "add_veth", note)
    monkeypatch.setattr(links, "delete", note)
    mtu = iter([1500, 1400])
    veths = Veths(lambda: next(mtu))
    for _ in range(2):
        await veths.add("dl1", "dc1", "02:42:0a:01:00:02")
    await veths.delete("dl1")
    assert calls == [
        ("dl1", "dc1", "02:42:0a:01:00:02", 1500),
        ("dl1", "dc1", "02:42:0a:01:00:02", 1400),
        ("dl1",),
    ]
