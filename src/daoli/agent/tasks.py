"""Parts of the agent as tasks: one that fails is logged and started again, and takes no other with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Never

import structlog

FIRST_BACKOFF: Final = 0.5
LAST_BACKOFF: Final = 30.0
"""Seconds before a part that failed is started again; doubled each time, up to this."""
CALM: Final = 60.0
"""Seconds that a part must have run for its next failure to count as a first one."""

log = structlog.get_logger(__name__)


async def keep_running(name: str, part: Callable[[], Awaitable[object]], problems: dict[str, str]) -> Never:
    """Run a part for ever. While it is down, `problems` says so under its name."""
    backoff = FIRST_BACKOFF
    loop = asyncio.get_running_loop()
    while True:
        begun = loop.time()
        try:
            await part()
            problems[name] = f"{name} ended"
            log.warning("part_ended", part=name)
        except Exception as error:
            problems[name] = f"{name} failed: {error}"
            log.exception("part_failed", part=name)
        if loop.time() - begun > CALM:
            backoff = FIRST_BACKOFF
        await asyncio.sleep(backoff)
        backoff = min(2 * backoff, LAST_BACKOFF)
        problems.pop(name, None)
