"""Open vSwitch's database, by `ovs-vsctl`. What is asked at the same time goes in one transaction.

A container's port takes one run of `ovs-vsctl`, some 15 ms; two hundred containers at once must not take two hundred.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from daoli.agent.commands import CommandError, attempt

BRIDGE: Final = "daoli"
TIMEOUT: Final = 5
"""Seconds for one transaction, whole: ovs-vsctl waits until the switch has done what the database says."""
BATCH: Final = 100
"""Ports in one transaction, at most; the command line has an end."""

_SETUP: Final = re.compile(r"Error detected while setting up '([^']+)'(?:: (.*?))?(?:\.  See | / |$)")


class OvsError(Exception):
    """Open vSwitch did not do it; the text is a sentence."""


class OvsAway(OvsError):
    """Open vSwitch, its database or its switch, does not run or does not answer."""


@dataclass(slots=True)
class _Change:
    """A wish for one port, and who waits for it."""

    port: str
    words: tuple[str, ...]
    done: asyncio.Future[None]


class Ovs:
    """The bridge of this host."""

    def __init__(self, bridge: str = BRIDGE, *, timeout: int = TIMEOUT) -> None:
        self.bridge = bridge
        self._timeout = timeout
        self._waiting: list[_Change] = []
        self._worker: asyncio.Task[None] | None = None

    async def run(self, *words: str, wait: bool = True) -> str:
        """Run ovs-vsctl and give what it prints; without `wait` the switch itself need not be running."""
        output, said = await self._attempt(words, wait=wait)
        if "Error detected while setting up" in said:
            raise OvsError(said)
        return output.rstrip("\n")

    async def add_port(self, port: str, **options: Any) -> None:
        """Make an interface a port of the bridge, if it is not one; options are columns of its Interface row.

        OvsError if the switch cannot open it; then it is not a port either.
        """
        words = ["--may-exist", "add-port", self.bridge, port]
        if options:
            words += ["--", "set", "interface", port, *(f"{key}={value}" for key, value in options.items())]
        await self._change(port, words)

    async def del_port(self, port: str) -> None:
        """Take a port off the bridge; nothing happens if it is not there."""
        await self._change(port, ["--if-exists", "del-port", self.bridge, port])

    async def ports(self) -> set[str]:
        """Give the names of the bridge's ports, without LOCAL; OvsError if there is no such bridge."""
        return set((await self.run("list-ports", self.bridge, wait=False)).split())

    async def settle(self) -> None:
        """Wait until the switch has done all that the database says; OvsAway if it does not."""
        await self.run("list-br")

    async def rows(self, table: str, columns: Iterable[str], *records: str) -> list[dict[str, Any]]:
        """Give rows of a table, all or those named: column -> text, number, bool, list (a set) or dict (a map)."""
        columns = list(columns)
        words = ["--format=json", "--if-exists", f"--columns={','.join(columns)}", "list", table, *records]
        found = json.loads(await self.run(*words, wait=False) or '{"headings":[],"data":[]}')
        return [
            dict(zip(found["headings"], map(_value, row), strict=True))
            for row in found["data"]
        ]  # fmt: skip

    async def _change(self, port: str, words: Sequence[str]) -> None:
        change = _Change(port, tuple(words), asyncio.get_running_loop().create_future())
        self._waiting.append(change)
        if self._worker is None:
            self._worker = asyncio.create_task(self._work(), name="ovs")
        await change.done

    async def _work(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
                await self._commit([change for change in batch if not change.done.cancelled()])
        finally:
            self._worker = None

    async def _commit(self, batch: Sequence[_Change]) -> None:
        if not batch:
            return
        words = [word for change in batch for word in ("--", *change.words)][1:]
        try:
            _, said = await self._attempt(words)
        except OvsError as error:
            # One that is refused (a name that another bridge has) takes the others with it: each by itself then.
            if len(batch) > 1 and not isinstance(error, OvsAway):
                for change in batch:
                    await self._commit([change])
            else:
                for change in batch:
                    _settle(change.done, type(error)(str(error)))
            return
        faults = {port: reason or "it cannot be set up" for port, reason in _SETUP.findall(said)}
        adding = [change for change in batch if "add-port" in change.words]
        broken = [change.port for change in adding if change.port in faults]
        if broken:
            removal = [word for port in broken for word in ("--", "--if-exists", "del-port", self.bridge, port)]
            await self._attempt(removal[1:], wait=False)
        for change in batch:
            reason = faults.get(change.port) if change in adding else None
            _settle(change.done, OvsError(f"Open vSwitch cannot use {change.port}: {reason}") if reason else None)

    async def _attempt(self, words: Sequence[str], *, wait: bool = True) -> tuple[str, str]:
        patience = [f"--timeout={self._timeout}"] if wait else [f"--timeout={self._timeout}", "--no-wait"]
        try:
            output, said, code = await attempt("ovs-vsctl", *patience, *words, timeout=self._timeout + 2)
        except CommandError as error:
            raise OvsAway(f"Open vSwitch cannot be asked: {error}") from error
        if code:
            raise _refusal(said.removeprefix("ovs-vsctl: "), code)
        return output, said


def _settle(done: asyncio.Future[None], error: Exception | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)


def _refusal(said: str, code: int) -> OvsError:
    if "database connection failed" in said:
        return OvsAway(f"Open vSwitch is not running ({said})")
    if code < 0 or "terminating with signal 14" in said:  # SIGALRM: the time limit
        return OvsAway("Open vSwitch does not answer: is ovs-vswitchd running?")
    return OvsError(f"Open vSwitch refuses: {said}")


def _value(value: Any) -> Any:
    """Read a value of the OVSDB protocol (RFC 7047 section 5.1)."""
    match value:
        case ["map", pairs]:
            return {_value(key): _value(entry) for key, entry in pairs}
        case ["set", members]:
            return [_value(member) for member in members]
        case ["uuid", uuid]:
            return uuid
    return value
