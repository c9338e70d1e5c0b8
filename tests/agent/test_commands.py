"""Programs that the agent runs."""

from __future__ import annotations

import pytest

from daoli.agent.commands import CommandError, attempt, run


async def test_output() -> None:
    """What a program prints is given back; what is written to it arrives."""
    assert await run("echo", "hello") == "hello\n"
    assert await run("cat", stdin="text") == "text"


async def test_failure_quotes_command_and_words() -> None:
    """An error names the command as one could type it, and what it said."""
    with pytest.raises(CommandError, match="sh -c 'echo no >&2; exit 3': no"):
        await run("sh", "-c", "echo no >&2; exit 3")
    with pytest.raises(CommandError, match="exit code 4"):
        await run("sh", "-c", "exit 4")
    with pytest.raises(CommandError, match="no-such-program: no such file or directory"):
        await run("no-such-program")
    assert await attempt("sh", "-c", "echo out; echo a >&2; echo b >&2; exit 5") == ("out\n", "a / b", 5)


async def test_time_limit() -> None:
    """A program that takes too long is killed."""
    with pytest.raises(CommandError, match=r"not done after 0\.1 s"):
        await run("sleep", "60", timeout=0.1)
