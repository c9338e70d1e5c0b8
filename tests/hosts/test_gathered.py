"""Requests that share a write."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from daoli.hosts.errors import NotFound
from daoli.hosts.gathered import Gathered


class Desk:
    """Serves numbers once it may; answers the double of each, and does not know odd ones."""

    def __init__(self) -> None:
        self.served: list[list[int]] = []
        self.may = asyncio.Event()
        self.fails = 0

    async def serve(self, numbers: Sequence[int]) -> Sequence[int | Exception]:
        self.served.append(list(numbers))
        await asyncio.sleep(0)
        await self.may.wait()
        if self.fails:
            self.fails -= 1
            raise OSError(f"failure {self.fails}")
        return [NotFound(str(n)) if n % 2 else 2 * n for n in numbers]


async def test_gathered() -> None:
    """What comes while one is served is served together, and each gets its own answer or error."""
    desk = Desk()
    gathered = Gathered(desk.serve)
    asked = [asyncio.ensure_future(gathered.ask(n)) for n in range(5)]
    await asyncio.sleep(0)
    late = [asyncio.ensure_future(gathered.ask(n)) for n in (6, 8)]
    desk.may.set()
    answers = await asyncio.gather(*asked, *late, return_exceptions=True)
    assert [str(answer) for answer in answers] == ["0", "1", "4", "3", "8", "12", "16"]
    assert desk.served == [[0], [1, 2, 3, 4, 6, 8]]


async def test_failure() -> None:
    """A failure is told to one; the others are served anew."""
    desk = Desk()
    desk.may.set()
    desk.fails = 2
    gathered = Gathered(desk.serve)
    answers = await asyncio.gather(*map(gathered.ask, (2, 4, 6, 8)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [OSError, OSError, int, int]
    assert answers[2:] == [12, 16]
    assert desk.served == [[2], [4, 6, 8], [6, 8]]


async def test_cancelled() -> None:
    """Whoever gives up is not served, whether it waited or was the one that served; the others are."""
    desk = Desk()
    gathered = Gathered(desk.serve)
    first, second, third = (asyncio.ensure_future(gathered.ask(n)) for n in (2, 4, 6))
    await asyncio.sleep(0)
    second.cancel()
    first.cancel()
    desk.may.set()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await third == 12
    assert desk.served[-1] == [6]
