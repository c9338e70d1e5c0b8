"""The watch over a host's network."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from daoli.agent import watch as module
from daoli.agent.watch import Watch


async def test_each_line_is_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a program says is a change, and so is its end; then it is started again, and it ends with the watch."""
    monkeypatch.setattr(module, "RESTART_SECONDS", 0.0)
    pids = tmp_path / "pids"
    script = f"echo $$ >>{pids}; [ $(wc -l <{pids}) -lt 2 ] || exec sleep 60"
    monkeypatch.setattr(module, "_PROGRAMS", (("sh", "-c", script),))
    watch = Watch()
    running = asyncio.create_task(watch.run())
    await watch.changed.wait()
    async with asyncio.timeout(10):
        while len(pids.read_text().split()) < 2:  # noqa: ASYNC110  another process writes it
            await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not await asyncio.to_thread(Path(f"/proc/{pids.read_text().split()[1]}").exists)
