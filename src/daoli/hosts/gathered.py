"""Requests that come while one write is under way share the next one, so that a burst costs few visits to the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


class _Slot(Generic[Q, A]):
    """A request, and its answer once there is one."""

    def __init__(self, request: Q) -> None:
        self.request = request
        self.answers: list[A | Exception] = []


class Gathered(Generic[Q, A]):
    """Answers requests, as many at once as have gathered; `serve` gives an answer or an error to each, in order."""

    def __init__(self, serve: Callable[[Sequence[Q]], Awaitable[Sequence[A | Exception]]]) -> None:
        self._serve = serve
        self._waiting: list[_Slot[Q, A]] = []
        self._turn = asyncio.Lock()

    async def ask(self, request: Q) -> A:
        """Wait for the answer; raise the error that takes its place."""
        slot: _Slot[Q, A] = _Slot(request)
        self._waiting.append(slot)
        try:
            async with self._turn:
                if not slot.answers:
                    await self._serve_all()
        finally:
            with suppress(ValueError):
                self._waiting.remove(slot)
        (answer,) = slot.answers
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _serve_all(self) -> None:
        slots, self._waiting = self._waiting, []
        try:
            answers = await self._serve([slot.request for slot in slots])
        except BaseException:  # it is this caller's, and raised again; the others ask themselves
            self._waiting = slots + self._waiting
            raise
        for slot, answer in zip(slots, answers, strict=True):
            slot.answers.append(answer)
