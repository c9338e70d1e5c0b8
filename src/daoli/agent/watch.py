"""Tells when something of this host's network may have changed: in Open vSwitch's database, or in the kernel."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final, Never

RESTART_SECONDS: Final = 1.0
"""Before a program that ended is started again: `ovsdb-client` ends with the database server."""

# The programs die with us, also when we are killed.
_DIE_WITH_US: Final = ("setpriv", "--pdeathsig", "TERM")
_MONITOR: Final = ("ovsdb-client", "monitor", "Open_vSwitch")
# Columns that Open vSwitch writes all the time, such as statistics, are left out; it watches one table at a time.
_PROGRAMS: Final = (
    (*_MONITOR, "Bridge", "name,ports,datapath_type,fail_mode,protocols,other_config,controller"),
    (*_MONITOR, "Interface", "name,error,ofport,mtu_request"),
    ("ip", "-4", "-o", "monitor", "link", "route", "address"),
)


class Watch:
    """Sets `changed`, too often rather than too seldom."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()

    async def run(self) -> None:
        """Watch, for ever."""
        async with asyncio.TaskGroup() as tasks:
            for program in _PROGRAMS:
                tasks.create_task(self._follow(*program), name=f"watch {program[-1]}")

    async def _follow(self, *command: str) -> Never:
        pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        while True:
            process = await asyncio.create_subprocess_exec(
                *_DIE_WITH_US, *command, stdin=nothing, stdout=pipe, stderr=nothing
            )
            try:
                while process.stdout is not None and await process.stdout.read(1 << 16):
                    self.changed.set()
                await process.wait()
            finally:
                if process.returncode is None:
                    with suppress(ProcessLookupError):
                        process.kill()
                    await process.wait()
            self.changed.set()
            await asyncio.sleep(RESTART_SECONDS)
