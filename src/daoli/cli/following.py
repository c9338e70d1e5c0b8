"""A move of a container, followed to its end: what each agent does, as it comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Any, Final

from daoli.cli.again import Patience, patiently
from daoli.cli.client import Client, place

INTERVAL: Final = 0.3
"""Seconds between two looks."""
OVER: Final = frozenset({"done", "failed"})
STEPS: Final = MappingProxyType(
    {
        "preparing": "{source} looks at the container",
        "checking": "{to} looks whether it can run it",
        "stopping": "{source} stops it",
        "starting": "{to} makes and starts it, with the same addresses",
        "removing": "{source} removes the old one",
        "restoring": "{source} starts it again",
        "done": "{name} runs on {to}",
        "failed": "{name} stays on {source}",
    }
)
"""What happens in each state."""

Move = dict[str, Any]


def step(move: Move) -> str:
    """Say a move's present step in a line."""
    what = STEPS.get(move["state"], "").format_map(move)
    detail = move.get("detail") or ""
    words = detail if what and detail.startswith(what) else ": ".join(filter(None, (what, detail)))
    return f"{move['state']:<10} {words}".rstrip()


def followed(
    client: Client, move: Move, note: Callable[[str], None], pause: Callable[[float], None] = time.sleep
) -> Iterator[Move]:
    """Give a move as it is now and after each change, the last time when it is over; `note` says who is waited for."""
    path = place("moves", move["id"])
    patience = Patience(note, pause)
    patience.answered()
    yield move
    while move["state"] not in OVER:
        pause(INTERVAL)
        now = patiently(lambda: client.get(path), patience)
        if (now["state"], now.get("detail")) != (move["state"], move.get("detail")):
            yield now
        move = now
