"""`python -m daoli.controller`: settings become objects, and objects one group of tasks. Only this module knows all."""

from __future__ import annotations

import asyncio
import gc
import secrets
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NoReturn

import structlog
import uvloop

from daoli import __version__
from daoli.api import make_app, serve
from daoli.api.listen import ListenError as ApiListenError
from daoli.datapath.channel import Channel
from daoli.datapath.errors import ListenError
from daoli.hosts.events import EventHub
from daoli.hosts.expiry import Expiry
from daoli.hosts.fabric import Fabric
from daoli.hosts.inventory import Inventory
from daoli.hosts.ledger import KEPT, WAITING, Ledger
from daoli.hosts.ledger_file import LedgerFile
from daoli.hosts.ledger_past import recall
from daoli.hosts.moves import Moves
from daoli.hosts.watching import Watching
from daoli.logs import configure_logging
from daoli.ofproto.shapes import PUNT
from daoli.routing.flows import ENDINGS
from daoli.routing.router import Router, RouterSettings
from daoli.routing.view import View
from daoli.settings import SettingError, Settings, parse_tcp, read
from daoli.store import open_store
from daoli.store.base import StoreError

log = structlog.get_logger("daoli.controller")

UNUSABLE = 2
"""Exit code when a setting, the state folder or a port cannot be used."""
_GC_THRESHOLD = (50_000, 20, 50)
"""Live routes are many and long-lived: the collector need not walk them for each few hundred new objects."""


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set. Flows stay on the datapaths when it ends."""
    token = settings.token()
    host, port = parse_tcp(settings.openflow_listen, "openflow_listen")
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        store = await open_store(None if settings.state == "memory" else Path(settings.state))
        stack.push_async_callback(store.close)
        view, events = View(), EventHub(after=time.time_ns() // 1000)
        inventory = Inventory(store, view, pool=settings.subnet_pool())
        await inventory.load()
        router_settings = RouterSettings(
            idle_timeout=settings.idle_timeout, punt_rate=settings.punt_rate, punt_burst=settings.punt_burst
        )
        router = Router(view, router_settings, first_route_id=secrets.randbits(32))
        ledger = await open_ledger(settings, stack)
        fabric = Fabric(view, router, events, loop.time, ledger)
        stack.push_async_callback(fabric.close)
        inventory.subscribe(fabric.changed)
        watching = Watching(inventory, events)
        inventory.subscribe(watching.changed)
        fabric.engine_problems = watching.problems
        channel = Channel(fabric, shapes=(PUNT, *ENDINGS))
        stack.push_async_callback(channel.close)
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(inventory.run(), name="inventory")
            moving = tasks.create_task(Moves(inventory).run(), name="moves")
            expiring = tasks.create_task(Expiry(inventory).run(), name="rules")
            engines = tasks.create_task(watching.run(), name="engines")
            try:
                await channel.listen(host, port)
                fabric.start()
                app = make_app(
                    inventory,
                    fabric,
                    events,
                    kept=ledger,
                    token=token,
                    version=__version__,
                    openflow_port=channel.address[1],
                )
                try:
                    site = await serve(app, settings.api_listen, token=token)
                except ApiListenError as error:
                    raise SettingError(f"api_listen: {error}") from error
                stack.push_async_callback(site.close)
                gc.collect()
                gc.freeze()
                gc.set_threshold(*_GC_THRESHOLD)
                log.info(
                    "listening",
                    openflow=f"{channel.address[0]}:{channel.address[1]}",
                    api=site.address,
                    state=settings.state,
                    hosts=len(view.hosts),
                    endpoints=len(view.endpoints),
                )
                await stop.wait()
                log.info("stopping")
            finally:
                for task in (following, moving, expiring, engines):
                    task.cancel()


async def open_ledger(settings: Settings, stack: AsyncExitStack) -> Ledger:
    """Make the ledger with what its file has, and begin to write that, if there is one; `SettingError` if it cannot."""
    file = settings.ledger_file()
    ledger = Ledger(kept=0 if settings.ledger == "none" else KEPT, waiting=WAITING if file else 0)
    if file is not None:
        try:
            past = await asyncio.to_thread(recall, file, settings.ledger_files, KEPT)
            writer = LedgerFile(ledger, file, settings.ledger_size << 20, settings.ledger_files)
        except OSError as error:
            raise SettingError(f"ledger: {file}: {error.strerror}") from error
        ledger.recall(past.notes, past.damaged)
        if past.damaged:
            log.warning("ledger_damaged", file=str(file), lines=past.damaged, read=len(past.notes))
        writer.start()
        stack.push_async_callback(writer.close)
    return ledger


def fail(problem: object) -> NoReturn:
    """End the program with one line that says why."""
    sys.stderr.write(f"daoli: {' '.join(str(problem).split())}\n")
    sys.exit(UNUSABLE)


async def _until_signalled(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run(settings, stop)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the controller until SIGTERM or SIGINT."""
    problem: BaseException | None = None
    try:
        settings = read(sys.argv[1:] if arguments is None else arguments)
        configure_logging(settings)
        uvloop.run(_until_signalled(settings))
    except* (SettingError, ListenError, StoreError) as group:
        problem = group  # leaving from here would put SystemExit into a group, in some releases of Python 3.11
    if problem is not None:
        while isinstance(problem, BaseExceptionGroup):
            problem = problem.exceptions[0]
        fail(problem)


if __name__ == "__main__":
    main()
