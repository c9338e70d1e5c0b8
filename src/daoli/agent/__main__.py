"""``daoli agent``, also ``python -m daoli.agent``: join and stay, or leave.

Exit codes: 0; 1 when leaving could not undo all; 2 when something is missing, a setting cannot be used, or the host may
not leave.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Collection, Coroutine, Sequence
from typing import Any, Final, TypeVar

import aiohttp

from daoli.agent.agent import depart, start
from daoli.agent.preflight import Unfit
from daoli.agent.settings import PROGRAM, AgentSettings
from daoli.logs import configure_logging
from daoli.sources import SettingError

FAILED: Final = 1
UNUSABLE: Final = 2
T = TypeVar("T")


async def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def leave(settings: AgentSettings, *, force: bool) -> bool:
    """Have the running agent leave, or do it ourselves where none runs."""
    connector = aiohttp.UnixConnector(settings.status_socket)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as session,
            session.post("http://localhost/leave", params={"force": "true" if force else "false"}) as answer,
        ):
            async for line in answer.content:
                words = json.loads(line)
                if "refused" in words:
                    raise Unfit(words["refused"])
                if "done" in words:
                    return bool(words["done"])
                await _say(words["said"])
    except aiohttp.ClientConnectorError:
        return await depart(settings, _say, force=force)
    raise Unfit(["the agent ended while it was leaving; say it again"])


def until_signalled(work: Coroutine[Any, Any, T]) -> T | None:
    """Run until it is done, or SIGTERM or SIGINT: then None, with everything closed."""

    async def run() -> T | None:
        task = asyncio.ensure_future(work)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        try:
            return await task
        except asyncio.CancelledError:
            return None

    return asyncio.run(run())


def check(settings: AgentSettings, actions: Collection[str]) -> None:
    """Refuse what cannot be asked; Unfit or SettingError."""
    if os.geteuid() != 0:
        raise Unfit(["the agent makes network interfaces: run it as root"])
    if "leave" not in actions and not settings.controller:
        raise SettingError("controller: must be given, such as --controller http://192.0.2.1:8653")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says."""
    problems: list[str] = []
    try:
        settings, actions = PROGRAM.read(sys.argv[1:] if arguments is None else arguments)
        configure_logging(settings)
        check(settings, actions)
        if "leave" in actions:
            return 0 if until_signalled(leave(settings, force="force" in actions)) else FAILED
        until_signalled(start(settings))
    except* Unfit as group:
        problems = [text for error in _flat(group) for text in getattr(error, "problems", [])]
    except* (SettingError, OSError) as group:
        problems = [str(error) for error in _flat(group)]
    for problem in problems:
        sys.stderr.write(f"daoli: {' '.join(problem.split())}\n")
    return UNUSABLE if problems else 0


def _flat(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (_flat(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]


if __name__ == "__main__":
    sys.exit(main())
