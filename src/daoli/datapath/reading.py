"""Backpressure: whether a connection is read.

Who cannot keep up with what a datapath says holds its `Reading`, and lets go when it has caught up; meanwhile nothing
is read, and TCP slows the datapath down. But an answer may be behind what is held up, and who waits for it may be the
very one that has to catch up. So while anybody waits for an answer only a firm hold counts.
"""

from __future__ import annotations

from typing import Protocol


class Pausable(Protocol):
    """What a `Reading` needs of an asyncio transport."""

    def pause_reading(self) -> None:
        """Stop to read."""

    def resume_reading(self) -> None:
        """Read again."""

    def is_closing(self) -> bool:
        """Whether the transport has ended, or is about to."""


class Reading:
    """Whether one transport is read. What was read already may still arrive after a hold: at most one chunk."""

    def __init__(self, transport: Pausable) -> None:
        self.paused = False
        self._transport = transport
        self._holds: dict[object, bool] = {}  # who holds, and whether firmly
        self._waiting = 0

    def hold(self, holder: object, *, firmly: bool = False) -> None:
        """Read no more until `holder` lets go; unless `firmly`, go on while somebody waits for an answer."""
        if self._holds.get(holder) is not firmly:
            self._holds[holder] = firmly
            self._update()

    def release(self, holder: object) -> None:
        """Let go; nothing happens if `holder` does not hold."""
        if self._holds.pop(holder, None) is not None:
            self._update()

    def begin_wait(self) -> None:
        """Note that somebody waits for an answer that is not there yet."""
        self._waiting += 1
        self._update()

    def end_wait(self) -> None:
        """Note that one of them does not wait any more."""
        self._waiting -= 1
        self._update()

    def _update(self) -> None:
        paused = any(self._holds.values()) if self._waiting else bool(self._holds)
        if paused is self.paused or self._transport.is_closing():
            return
        self.paused = paused
        if paused:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()
