"""Inquiries under way: what hosts' agents are asked about probes, and their answers. Nothing of it is stored.

Whoever reads the feed hears of an inquiry; the agent of its host answers. One that is away, or reads another
controller's feed, does not, and nobody waits long for it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from daoli.hosts.errors import NotFound
from daoli.hosts.inquiry import Inquiry, Sought, Word

ANSWER_SECONDS: Final = 2.0
"""In which an agent says that it is watching."""
WATCH_SECONDS: Final = 4.0
"""How long it watches: a probe is there within a round trip, or within the time that a flow's counter takes."""
GRACE_SECONDS: Final = 2.0
"""For its word afterwards."""


class Asked:
    """One inquiry, as the one who asks sees it."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._watching: asyncio.Future[None] = loop.create_future()
        self._word: asyncio.Future[Word] = loop.create_future()

    async def watching(self, seconds: float = ANSWER_SECONDS) -> bool:
        """Wait until the agent watches; tell whether it does."""
        done, _ = await asyncio.wait((self._watching,), timeout=seconds)
        return bool(done)

    async def word(self, seconds: float = WATCH_SECONDS + GRACE_SECONDS) -> Word | None:
        """Wait for what it saw; None if it does not say."""
        done, _ = await asyncio.wait((self._word,), timeout=seconds)
        return self._word.result() if done else None

    @property
    def over(self) -> bool:
        """Whether it has said what it saw."""
        return self._word.done()

    def take(self, word: Word) -> None:
        """Take what the agent says; once it has said all, nothing more."""
        if word.outcome != "watching" and not self._word.done():
            self._word.set_result(word)
        if not self._watching.done():
            self._watching.set_result(None)


class Inquiries:
    """Those under way."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], Asked] = {}
        """By host and id."""
        self._listeners: list[Callable[[dict[str, Any]], None]] = []

    def subscribe(self, listener: Callable[[dict[str, Any]], None]) -> None:
        """Have a function called with each note for agents; it may not raise."""
        self._listeners.append(listener)

    @asynccontextmanager
    async def ask(self, host: str, packet: Sought) -> AsyncIterator[Asked]:
        """Ask a host's agent about a probe; the agent stops watching at the latest when this is left."""
        inquiry = Inquiry(id=secrets.token_hex(8), host=host, seconds=WATCH_SECONDS, packet=packet)
        asked = self._open[host, inquiry.id] = Asked()
        self._tell(inquiry)
        try:
            yield asked
        finally:
            del self._open[host, inquiry.id]
            if not asked.over:
                self._tell(inquiry.model_copy(update={"packet": None}))

    def take(self, host: str, name: str, word: Word) -> None:
        """Take an agent's word; NotFound if nobody waits for it."""
        if (asked := self._open.get((host, name))) is None:
            raise NotFound(f"nobody waits for an answer of host {host} to inquiry {name}")
        asked.take(word)

    def _tell(self, inquiry: Inquiry) -> None:
        for listener in self._listeners:
            listener({"inquiry": inquiry.model_dump(mode="json")})
