"""Parts that fail are started again."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from daoli.agent import tasks
from daoli.agent.tasks import keep_running


async def test_failure_is_told_and_the_part_runs_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that fails or ends is named among the problems until it runs again."""
    monkeypatch.setattr(tasks, "FIRST_BACKOFF", 0.0)
    problems: dict[str, str] = {}
    runs = 0
    steady = asyncio.Event()

    async def part() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise ValueError("odd")
        if runs == 3:
            steady.set()
            await asyncio.Event().wait()

    with capture_logs() as logs:
        running = asyncio.create_task(keep_running("names", part, problems))
        await steady.wait()
    assert [entry["event"] for entry in logs] == ["part_failed", "part_ended"]
    assert problems == {}
    running.cancel()


async def test_a_part_that_is_down_is_a_problem() -> None:
    """While a part waits to be started again, it is among the problems."""
    problems: dict[str, str] = {}

    async def part() -> None:
        raise ValueError("odd")

    with capture_logs():
        running = asyncio.create_task(keep_running("names", part, problems))
        while not problems:  # noqa: ASYNC110  there is nothing to wait for
            await asyncio.sleep(0)
    assert problems == {"names": "names failed: odd"}
    running.cancel()
