"""The ledger: what became of conversations. The last of it is in memory, all of it goes to a file if there is one.

Whoever notes something is on the way of packets: noting is a few appends, and nothing waits. What the file's writer
cannot keep up with is dropped and counted.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from daoli.hosts.facts import KINDS, REFUSED, Entry, Note, Recalled

KEPT: Final = 10_000
"""Notes in memory; one takes about a kilobyte with what it refers to."""
WAITING: Final = 20_000
"""Notes that may wait for the file: seconds of the busiest controller."""
_AT_ONCE: Final = 64
"""Notes that are put into words in one turn of the loop, a millisecond of them: packets wait for routes."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries somebody asks for."""

    since: float = 0.0
    """Seconds since 1970."""
    denied: bool = False
    """Only what was refused."""
    source: str | None = None
    """An endpoint's id, or its name, or an address."""
    destination: str | None = None
    limit: int = 1000

    def takes(self, entry: Entry) -> bool:
        """Tell whether an entry of a fitting time is meant."""
        if self.denied and entry.kind != REFUSED:
            return False
        ends = (
            (self.source, (entry.source, entry.source_name, entry.source_address)),
            (self.destination, (entry.destination, entry.destination_name, entry.destination_address)),
        )
        return all(wanted is None or wanted in found for wanted, found in ends)


class Ledger:
    """What was noted. With `kept` 0 and no file nothing is, and `on` says so to those who would note."""

    def __init__(self, kept: int = KEPT, waiting: int = 0, clock: Callable[[], float] = time.time) -> None:
        """`waiting` is how many notes may wait for a file; 0 if there is none."""
        self.clock = clock
        """Seconds since 1970."""
        self._start = clock()
        self.on = bool(kept or waiting)
        self.dropped = 0
        """Notes that the file will not have."""
        self.damaged = 0
        """Lines of the file that could not be read at the start."""
        self.written = 0
        self.problem: str | None = None
        """Why the file cannot be written now."""
        self.news = asyncio.Event()
        """Set when notes wait for the file."""
        self._limit = waiting
        self._kept: deque[Note | Recalled] = deque(maxlen=kept)
        self._waiting: deque[Note] = deque()
        self._noted = dict.fromkeys(KINDS, 0)

    def add(self, note: Note) -> None:
        """Note something."""
        self._noted[type(note)] += 1
        self._kept.append(note)
        if self._limit:
            if len(self._waiting) < self._limit:
                self._waiting.append(note)
                if len(self._waiting) == 1:
                    self.news.set()
            else:
                self.dropped += 1

    def recall(self, notes: Iterable[Recalled], damaged: int) -> None:
        """Have what was noted before the start, the oldest first; `damaged` is how many of it could not be read."""
        self._kept.extend(notes)
        self.damaged = damaged

    def take(self) -> list[Note]:
        """Give what waits for the file, a millisecond's work of it at most."""
        waiting = self._waiting
        taken = [waiting.popleft() for _ in range(min(len(waiting), _AT_ONCE))]
        if not waiting:
            self.news.clear()
        return taken

    async def read(self, wanted: Wanted) -> list[Entry]:
        """Give what is in memory and wanted, the newest last; of too many the newest."""
        found: list[Entry] = []
        async for note in self._newest_first():
            if note.time < wanted.since or len(found) >= wanted.limit:
                break
            if wanted.takes(entry := note.entry()):
                found.append(entry)
        return found[::-1]

    async def _newest_first(self) -> AsyncIterator[Note | Recalled]:
        for n, note in enumerate(reversed(list(self._kept)), 1):
            yield note
            if not n % _AT_ONCE:
                await asyncio.sleep(0)

    @property
    def begins(self) -> float | None:
        """The time since when all that was noted is in memory, the file's end included; None if nothing is kept."""
        kept = self._kept
        if not kept.maxlen:
            return None
        oldest = kept[0].time if kept else self._start
        return oldest if len(kept) == kept.maxlen else min(oldest, self._start)

    def reaches(self, since: float) -> bool:
        """Tell whether memory reaches back to a time, in seconds since 1970."""
        return self.begins is not None and self.begins <= since

    @property
    def counters(self) -> Mapping[str, int]:
        """What was counted since the start, named as metrics are."""
        noted = {f"ledger_entries_total{{kind={KINDS[of]}}}": number for of, number in self._noted.items()}
        return {
            **noted,
            "ledger_damaged_total": self.damaged,
            "ledger_dropped_total": self.dropped,
            "ledger_written_total": self.written,
        }
