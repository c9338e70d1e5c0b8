"""What happens, for those who watch: published in passing, never waited for.

A publisher is on the way of packets, so that publishing is a few appends; a subscriber who reads too slowly loses
events and is told how many.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

KEPT: Final = 1000
"""How many events a subscriber who comes back can be told, and how many one who listens can be behind."""
DROPPED: Final = "dropped"
"""The kind of the event that tells a subscriber how many it has lost."""

ANEW: Final = "the controller has started anew; what was not told before that is not known"


class Event(NamedTuple):
    """Something that happened. Ids grow by one; an event of kind `DROPPED` has none."""

    id: int | None
    kind: str
    time: float
    """Seconds since 1970."""
    fields: Mapping[str, Any]


class EventHub:
    """Where events are published and subscribed to."""

    def __init__(self, clock: Callable[[], float] = time.time, kept: int = KEPT, after: int = 0) -> None:
        """`after` is an id that no earlier process came to: who comes back with one of theirs is told so."""
        self.last_id = after
        self._begun_after = after
        self._clock = clock
        self._limit = kept
        self._kept: deque[Event] = deque(maxlen=kept)
        self._subscriptions: list[Subscription] = []

    @property
    def listening(self) -> bool:
        """Whether anybody would be told now."""
        return bool(self._subscriptions)

    def publish(self, kind: str, **fields: Any) -> None:
        """Tell everybody who wants this kind; fields must be fit for JSON."""
        self.last_id += 1
        event = Event(self.last_id, kind, self._clock(), fields)
        self._kept.append(event)
        for subscription in self._subscriptions:
            subscription._offer(event)  # noqa: SLF001 - the other half of this class

    def subscribe(self, kinds: Collection[str] | None = None, after: int | None = None) -> Subscription:
        """Subscribe to some kinds or all; with `after`, the id of the last event seen, first to those kept since."""
        return Subscription(self, kinds, after, self._limit)

    def _enter(self, subscription: Subscription, after: int | None) -> None:
        self._subscriptions.append(subscription)
        if after is None:
            return
        seen = after if self._begun_after <= after <= self.last_id else self._begun_after
        if seen == after:
            oldest = self.last_id - len(self._kept)
            subscription._lose(max(0, oldest - seen), self._clock())  # noqa: SLF001 - the other half of this class
        else:
            subscription._begin_anew(self._clock())  # noqa: SLF001 - the other half of this class
        for event in self._kept:
            if event.id is not None and event.id > seen:
                subscription._offer(event)  # noqa: SLF001 - the other half of this class

    def _leave(self, subscription: Subscription) -> None:
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)


class Subscription:
    """An async context manager and iterator over events; the iteration ends when the subscription is closed."""

    def __init__(self, hub: EventHub, kinds: Collection[str] | None, after: int | None, limit: int) -> None:
        self._hub = hub
        self._kinds = None if kinds is None else frozenset(kinds)
        self._after = after
        self._queue: deque[Event] = deque(maxlen=limit)
        self._lost = 0
        self._anew = False
        self._lost_at = 0.0
        self._closed = False
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._hub._enter(self, self._after)  # noqa: SLF001 - the other half of this class
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._closed:
            if self._anew:
                self._anew, self._lost = False, 0
                return Event(None, DROPPED, self._lost_at, {"count": None, "reason": ANEW})
            if self._lost:
                count, self._lost = self._lost, 0
                return Event(None, DROPPED, self._lost_at, {"count": count})
            if self._queue:
                return self._queue.popleft()
            self._news.clear()
            await self._news.wait()
        raise StopAsyncIteration

    def close(self) -> None:
        """End the iteration at once; twice is fine."""
        self._closed = True
        self._hub._leave(self)  # noqa: SLF001 - the other half of this class
        self._news.set()

    def _offer(self, event: Event) -> None:
        if self._kinds is not None and event.kind not in self._kinds:
            return
        if len(self._queue) == self._queue.maxlen:
            # The queue forgets its oldest, so that what was lost lies before all that is still to be told.
            self._lose(1, event.time)
        self._queue.append(event)
        self._news.set()

    def _begin_anew(self, at: float) -> None:
        self._anew = True
        self._lost_at = at
        self._news.set()

    def _lose(self, count: int, at: float) -> None:
        self._lost += count
        self._lost_at = at
        self._news.set()
