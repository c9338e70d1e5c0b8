"""Tells when something of this host's network may have changed: in Open vSwitch's database, or in the kernel."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final, Never

RESTART_SECONDS: Final = 1.0
"""Before a program that ended is started again: `ovsdb-client` ends with the database server."""

# The programs die with us, also when we are killed.
_DIE_WITH_US: Final = ("setpriv", "--pdeathsig", "TERM")
_DATABASE: Final = (
    *("ovsdb-client", "monitor", "Open_vSwitch"),
    *("Bridge", "name,ports,datapath_type,fail_mode,protocols,other_config,controller", "--"),
    *("Interface", "name,error,ofport,mtu_request", "--"),
    *("Controller", "target"),
)
_KERNEL: Final = ("ip", "-4", "-o", "monitor", "link", "route", "address")


class Watch:
    """Sets `changed`, too often rather than too seldom."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()

    async def run(self) -> None:
        """Watch, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow(*_DATABASE), name="watch-ovs")
            tasks.create_task(self._follow(*_KERNEL), name="watch-kernel")

    async def _follow(self, *command: str) -> Never:
        pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        while True:
            process = await asyncio.create_subprocess_exec(
                *_DIE_WITH_US, *command, stdin=nothing, stdout=pipe, stderr=nothing
            )
            try:
                while process.stdout is not None and await process.stdout.read(1 << 16):
                    self.changed.set()
            finally:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
            self.changed.set()
            await asyncio.sleep(RESTART_SECONDS)
