"""Going on when the controller goes and comes back: who watches asks again, each time a little later, and says so."""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, TypeVar

from daoli.cli.client import Refused, Unreachable

T = TypeVar("T")

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 8.0
"""Seconds between two tries; each pause is twice the one before."""


class Patience:
    """Waits for a controller that has answered before; one that never did is no reason to wait."""

    def __init__(self, note: Callable[[str], None], pause: Callable[[float], None] | None = None) -> None:
        """`note` says a line on stderr; `pause` sleeps."""
        self._note = note
        self._sleep = pause or time.sleep
        self._known = False
        self._pause = FIRST_PAUSE
        self._away = False

    def answered(self) -> None:
        """Take note that it is there."""
        if self._away:
            self._note("daolictl: the controller answers again")
        self._known, self._away, self._pause = True, False, FIRST_PAUSE

    def failed(self, failure: Unreachable | Refused) -> None:
        """Wait a little if that may pass; else raise the failure."""
        passes = isinstance(failure, Unreachable) or failure.status == HTTPStatus.SERVICE_UNAVAILABLE
        if not (self._known and passes):
            raise failure
        if not self._away:
            self._note(f"daolictl: {failure}; trying again until it answers, or Ctrl-C")
        self._away = True
        self._sleep(self._pause)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)


def patiently(ask: Callable[[], T], patience: Patience) -> T:
    """Ask until there is an answer."""
    while True:
        try:
            answer = ask()
        except (Unreachable, Refused) as failure:
            patience.failed(failure)
        else:
            patience.answered()
            return answer
