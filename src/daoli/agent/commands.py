"""Programs of the host (`ip`, `ovs-vsctl`, …), run with a time limit; an error quotes the command and what it said."""

from __future__ import annotations

import asyncio
import os
import shlex
from contextlib import suppress
from typing import Final

TIMEOUT: Final = 10.0
"""Seconds; each of these programs takes some 10 ms."""
ENVIRONMENT: Final = {
    **os.environ,
    "PATH": f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin",
    "LC_ALL": "C.UTF-8",
}


class CommandError(Exception):
    """A program that failed; `said` is what it wrote to its standard error, in one line."""

    def __init__(self, command: tuple[str, ...], said: str) -> None:
        super().__init__(f"{shlex.join(command)}: {said}")
        self.command = command
        self.said = said


async def run(*command: str, timeout: float = TIMEOUT, stdin: str | None = None) -> str:
    """Give what the program prints. CommandError if it fails, is not there, or is not done in time."""
    output, said, code = await attempt(*command, timeout=timeout, stdin=stdin)
    if code:
        raise CommandError(command, said or f"exit code {code}")
    return output


async def attempt(
    *command: str,
    timeout: float = TIMEOUT,
    stdin: str | None = None,
) -> tuple[str, str, int]:
    """Give what the program prints, what it complains of, and its exit code."""
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=nothing if stdin is None else pipe, stdout=pipe, stderr=pipe, env=ENVIRONMENT
        )
    except OSError as error:
        raise CommandError(command, (error.strerror or str(error)).lower()) from error
    try:
        async with asyncio.timeout(timeout):
            output, errors = await process.communicate(None if stdin is None else stdin.encode())
    except TimeoutError as error:
        raise CommandError(command, f"not done after {timeout:g} s") from error
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    said = " / ".join(errors.decode(errors="replace").split("\n")).strip(" /")
    return output.decode(errors="replace"), said, process.returncode or 0
