"""`daoli agent`: settings become objects, and objects one group of tasks. Only this module knows all of them."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import structlog

from daoli import __version__
from daoli.agent import links, preflight
from daoli.agent.bridge import DNS_PORT, Bridge, Wanted
from daoli.agent.client import Client, Refused, Unreachable
from daoli.agent.containers import Containers
from daoli.agent.departed import Departed
from daoli.agent.driver.app import make_driver_app
from daoli.agent.driver.ipam import Ipam
from daoli.agent.driver.network import NetworkDriver
from daoli.agent.driver.refusal import Refusal
from daoli.agent.driver.registry import Registry
from daoli.agent.driver.veths import Veths
from daoli.agent.endpoints import Endpoints
from daoli.agent.engine import DockerEngine
from daoli.agent.identities import Identities
from daoli.agent.join import Registration, reach
from daoli.agent.leave import Leaving, Say
from daoli.agent.moves import Moves
from daoli.agent.names.server import NamesServer, PortMap
from daoli.agent.names.zone import Zone
from daoli.agent.nat import Nat
from daoli.agent.networks import Networks
from daoli.agent.notify import is_awaited, notify
from daoli.agent.ovs import Ovs, OvsError
from daoli.agent.preflight import NoDocker, Unfit
from daoli.agent.publish import Publisher
from daoli.agent.reporting import Reporting
from daoli.agent.serve import serving
from daoli.agent.settings import KEPT, AgentSettings, as_joined
from daoli.agent.state import State
from daoli.agent.status import make_status_app
from daoli.agent.tasks import keep_running
from daoli.agent.watch import Watch
from daoli.agent.witness import Witness, clear
from daoli.agent.world import World
from daoli.hosts.engine import EngineWatcher
from daoli.hosts.spec import HostSpec

CALM_SECONDS: Final = 30.0
RETRY_SECONDS: Final = 2.0
"""Until the bridge is looked at again: where all was right, and where something was not. Changes end the wait."""
REPAIR_INTERVAL: Final = 1.0
"""Seconds between two looks at the bridge, at least; a storm of containers changes it all the time."""
GATHER_SECONDS: Final = 0.1
SETTLE_SECONDS: Final = 15.0
"""How often the controller is told again of leases that it could not take back."""
DOCKER_SECONDS: Final = 2.0
"""Between two looks whether Docker is there, on a host that is to join when it boots."""
LIST_PATIENCE: Final = 3.0
"""Seconds that the list of endpoints waits for Docker to tell their names."""
PARTS_SECONDS: Final = 5.0
"""How long parts that were told to end are waited for."""
NAMES_TCP: Final = 8655
"""Where DNS by TCP is answered, on loopback."""

log = structlog.get_logger(__name__)


class Agent:
    """The parts of an agent and what runs of them."""

    def __init__(self, settings: AgentSettings, wanted: Wanted, state: State, client: Client) -> None:
        folder = Path(settings.state_dir)
        self.settings = settings
        self.state = state
        self.client = client
        self.host = str(state.joined.get("host") or settings.host_name)
        self.problems: dict[str, str] = {}
        """Of parts that do not run just now."""
        self.ovs = Ovs()
        self.world = World(client, folder / "world.json")
        self.registry = Registry(folder)
        self.bridge = Bridge(wanted, self.ovs, state, self._container_ports, self._subnets)
        self.watch = Watch()
        self.registration = Registration(client, self.world, self.spec)
        self.nat = Nat()
        self.endpoints = Endpoints(client, self.host)
        self.publisher = Publisher(
            self.nat,
            self.world,
            self.registry,
            self.host,
            wanted.address,
            self.endpoints.publish,
            lambda: NAMES_TCP,
            wanted.uplink,
        )
        self.reporting = Reporting(client, self.world, self.host, lambda: self.publisher.published)
        self.publisher.subscribe(self.reporting.look)
        self.driver = NetworkDriver(
            self.registry, self.world, self.endpoints, Veths(lambda: self.bridge.mtu), self.ovs, self.publisher
        )
        self.ipam = Ipam(self.registry, client, self.world, self.host, lambda: self.bridge.own)
        self.engine = DockerEngine(settings.docker)
        self.networks = Networks(self.engine, client, self.world, self.registry, self.driver)
        self.driver.removals = self.networks
        self.containers = Containers(self.registry, self.endpoints, self.driver, self.networks)
        self.identities = Identities(self.engine, self.endpoints, self.registry)
        self.containers.when_attached(self.identities.look)
        self.departed = Departed(client, self.world, self.containers, folder)
        self.engine_watcher = EngineWatcher(settings.docker, self.containers)
        self.zone = Zone()
        self.names = NamesServer(self.zone, DNS_PORT, PortMap(self._port_numbers))
        self._leases_due = asyncio.Event()
        self.moves = Moves(
            self.engine,
            client,
            self.world,
            self.host,
            vacate=self._vacate,
            port_free=self.publisher.is_free,
            settle=self._leases_due.set,
        )
        self.witness = Witness(client, self.host)
        self._tasks: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()
        self._connected = False
        self._networks_changed = asyncio.Event()
        self._target_due = asyncio.Event()
        self._subnets_before: dict[str, str] | None = None

    def spec(self) -> HostSpec:
        """Tell what the controller is to know of this host."""
        wanted = self.bridge.wanted
        return HostSpec(
            name=self.host,
            dpid=wanted.dpid,
            address=wanted.address,
            uplink=wanted.uplink,
            site=self.settings.site or None,
            labels=self.settings.label_map(),
            gateway=True,
            mtu=self.bridge.mtu,
            subnets={str(subnet): interface for subnet, interface in self.bridge.own.items()},
        )

    # -- joining -------------------------------------------------------------------------------------------------

    async def join(self) -> None:
        """Make this host part of the fabric; Unfit if it cannot be, and then it is as it was."""
        await self.bridge.measure()
        await self.registration.check(joined=False)
        self.remember()
        await self.bridge.repair()
        problems = list(self.bridge.problems)
        if not problems:
            try:
                await self.registration.post()
            except Refused as error:
                problems = [f"the controller refuses: {error}"]
        if problems:
            await self._leaving(_log_step).undo()
            raise Unfit(problems)
        log.info("joined", host=self.host, done=self.bridge.done)

    def remember(self) -> None:
        """Note who we are and what the bridge is to be, for a start without the controller."""
        wanted = self.bridge.wanted
        facts = {"host": self.host, "wanted": asdict(wanted), **{name: getattr(self.settings, name) for name in KEPT}}
        if {name: self.state.joined.get(name) for name in facts} != facts:
            self.state.joined |= facts
            self.state.save()

    # -- running -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep this host in the fabric until it leaves, or the task is cancelled. The network goes on without us."""
        self.world.load()
        self._subscribe()
        self.endpoints.restore(self._known_endpoints())
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.engine.close)
            await stack.enter_async_context(serving(make_status_app(self), Path(self.settings.status_socket)))
            async with asyncio.TaskGroup() as tasks:
                try:
                    for name, part in self._parts().items():
                        self._tasks.append(tasks.create_task(keep_running(name, part, self.problems), name=name))
                    # Docker asks for the driver as soon as its socket is there.
                    app = make_driver_app(self.ipam, self.driver)
                    async with serving(app, Path(self.settings.plugin_socket)):
                        notify("READY=1", f"STATUS=host {self.host} of the fabric of {self.client.url}")
                        log.info("agent_ready", host=self.host, version=__version__)
                        await self._stop.wait()
                finally:
                    notify("STOPPING=1")
                    self._cancel_parts()

    def _parts(self) -> dict[str, Callable[[], Awaitable[object]]]:
        """Name what runs all the time, and is started again by itself where it fails."""
        return {
            "the controller's news": self.world.follow,
            "the watch over the host": self.watch.run,
            "the bridge": self._keep_bridge,
            "this host's entry": self.registration.run,
            "the controller's place": self._keep_target,
            "the list of endpoints": self._keep_endpoints,
            "the leases": self._keep_leases,
            "Docker's news": self.engine_watcher.run,
            "Docker's containers": self.containers.run,
            "whose endpoints are": self.identities.run,
            "Docker's networks": self.networks.run,
            "published ports": self.publisher.run,
            "the report of published ports": self.reporting.run,
            "ports of removed containers": self.departed.run,
            "moves": self.moves.run,
            "probes in this host's firewall": self.witness.run,
            "names by UDP": self.names.run_udp,
            "names by TCP": lambda: self.names.run_tcp("127.0.0.1", NAMES_TCP),
        }

    def _subscribe(self) -> None:
        self.world.subscribe_endpoints(self.zone.changed)
        self.world.subscribe(self._world_changed)
        self.world.subscribe_inquiries(self.witness.ask)

    def _world_changed(self) -> None:
        for part in (self.registration, self.networks, self.publisher, self.reporting, self.departed, self.moves):
            part.look()
        self.driver.notice()
        if self._subnets() != self._subnets_before:
            self._subnets_before = self._subnets()
            self._networks_changed.set()
            self.watch.changed.set()
        if self.world.connected and not self._connected:
            self.endpoints.resend()
            self.reporting.forget()
            self._target_due.set()
            self._leases_due.set()
        self._connected = self.world.connected

    async def _keep_bridge(self) -> None:
        changed = self.watch.changed
        said: list[str] = []
        while True:
            changed.clear()
            await self.bridge.repair()
            if self.bridge.done:
                log.info("host_repaired", done=self.bridge.done)
            if self.bridge.problems != said:
                said = self.bridge.problems
                for problem in said:
                    log.warning("host_not_right", problem=problem)
            self.registration.look()
            with suppress(TimeoutError):  # a new network's containers may be talking already: its route is wanted now
                async with asyncio.timeout(REPAIR_INTERVAL):
                    await self._networks_changed.wait()
            self._networks_changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_SECONDS if said else CALM_SECONDS):
                    await changed.wait()
                await asyncio.sleep(GATHER_SECONDS)

    async def _keep_target(self) -> None:
        """Ask, each time that the controller is found again, where Open vSwitch finds it."""
        while True:
            await self._target_due.wait()
            self._target_due.clear()
            with suppress(Unreachable, Unfit):
                await self._find_target()

    async def _find_target(self) -> None:
        target = await preflight.target(self.settings, await reach(self.client))
        if target != self.bridge.wanted.target:
            self.bridge.wanted = replace(self.bridge.wanted, target=target)
            self.watch.changed.set()
        self.remember()

    async def _docker_listed(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LIST_PATIENCE):
                await self.containers.listed_once()

    async def _keep_endpoints(self) -> None:
        await self._docker_listed()
        await self.endpoints.run()

    async def _keep_leases(self) -> None:
        await self._docker_listed()  # or those of containers that our file does not know would be given back
        due = True
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(SETTLE_SECONDS):
                    await self._leases_due.wait()
            due = due or self._leases_due.is_set() or self.ipam.unreleased
            self._leases_due.clear()
            if due and self.world.connected:
                try:
                    await self.ipam.settle()
                    due = False
                except (Refused, Unreachable) as error:
                    log.warning("leases_not_settled", problem=str(error))

    # -- what parts ask ------------------------------------------------------------------------------------------

    def _container_ports(self) -> list[str]:
        return [endpoint.port for endpoint in self.registry.endpoints.values()]

    def _subnets(self) -> dict[str, str] | None:
        return {name: spec.subnet for name, spec in self.world.networks.items()} if self.world.known else None

    def _known_endpoints(self) -> list[Any]:
        known = []
        for endpoint in self.registry.endpoints.values():
            with suppress(Refusal, KeyError):
                known.append(self.driver.listed(endpoint))
        return known

    async def _vacate(self, addresses: list[str]) -> None:
        """See that nothing here has these addresses: Docker may have said so while we were away, and never again."""
        for endpoint in [each for each in self.registry.endpoints.values() if each.ipv4 in addresses]:
            await self.driver.forget(endpoint)
        await self.endpoints.sent()

    async def _port_numbers(self) -> dict[int, str]:
        with suppress(OvsError):
            rows = await self.ovs.rows("Interface", ("name", "ofport"))
            return {row["ofport"]: row["name"] for row in rows if isinstance(row["ofport"], int)}
        return {}

    # -- telling and leaving -------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """Tell how this host is."""
        found = [*self.problems.values(), *self.bridge.problems]
        found += [text for text in (self.world.problem, self.registration.problem, self.containers.problem) if text]
        found += [f"network {name}: {text}" for name, text in self.networks.problems.items()]
        found += [f"endpoint {name}: {text}" for name, text in self.endpoints.left_out.items()]
        found += [f"endpoint {name}: {text}" for name, text in self.identities.problems.items()]
        found += list(dict.fromkeys(self.endpoints.trimmed.values()))
        found += [f"publication {name}: {text}" for name, text in self.publisher.problems.items()]
        return {
            "version": __version__,
            "host": self.host,
            "joined": bool(self.state.joined),
            "connected": self.world.connected,
            "revision": self.world.revision,
            "settings": asdict(self.settings),
            "wanted": asdict(self.bridge.wanted),
            "mtu": self.bridge.mtu,
            "networks": len(self.world.networks),
            "endpoints": len(self.endpoints.listed),
            "problems": found,
        }

    async def leave(self, say: Say, *, force: bool) -> bool:
        """Leave the fabric while running; say whether all is undone. Unfit if it may not leave now."""
        leaving = self._leaving(say)
        await leaving.check(force=force)
        self.driver.removals = None  # what goes here stays in the fabric
        self._cancel_parts()
        if self._tasks:  # what they write at their end is removed with the rest
            await asyncio.wait(self._tasks, timeout=PARTS_SECONDS)
        await leaving.run()
        self._stop.set()
        return leaving.failures == 0

    def _leaving(self, say: Say) -> Leaving:
        return Leaving(self.state, self.ovs, self.client, self.settings.docker, self._clear_rules, say)

    async def _clear_rules(self) -> None:
        await clear()
        await self.nat.remove()

    def _cancel_parts(self) -> None:
        for task in self._tasks:
            task.cancel()


async def _log_step(text: str) -> None:
    log.info("undone", step=text)


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the state folder; Unfit if another agent does."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Unfit([f"another agent runs on this host, with the state folder {folder}"]) from error
        yield
    finally:
        os.close(lock)


async def start(settings: AgentSettings) -> None:
    """Join, if this host has not, and run until cancelled; Unfit if it cannot join."""
    with only_one(Path(settings.state_dir)):
        state = State.load(Path(settings.state_dir))
        client = Client(settings.controller, settings.token())
        try:
            if state.joined.get("host"):
                agent = Agent(settings, await _wanted_again(settings, state), state, client)
                agent.remember()
                with suppress(links.LinkError):  # the NIC is away, and its repair will say so
                    await agent.bridge.measure()
            else:
                agent = await _first_time(settings, state, client)
            await agent.run()
        finally:
            await client.close()
            if not state.joined:
                _tidy(Path(settings.status_socket))


async def _first_time(settings: AgentSettings, state: State, client: Client) -> Agent:
    await _fit(settings)
    notify("READY=1", f"STATUS=waiting for the controller at {client.url}")
    port = await reach(client)
    wanted = await preflight.wanted(settings, await preflight.target(settings, port))
    agent = Agent(settings, wanted, state, client)
    try:
        await _join(agent, client)
    except BaseException:  # undone whatever ends it, a cancellation too, and raised again
        await agent.engine.close()
        raise
    return agent


async def _fit(settings: AgentSettings) -> None:
    """Check this host; Unfit. As a service wait for Docker, which systemd starts once we are ready."""
    while True:
        try:
            await preflight.check_host(settings)
        except NoDocker as error:
            if not is_awaited():
                raise
            notify("READY=1", "STATUS=waiting for Docker")
            log.warning("docker_awaited", problem=str(error), next=f"{DOCKER_SECONDS:g} s")
        else:
            return
        await asyncio.sleep(DOCKER_SECONDS)


async def _join(agent: Agent, client: Client) -> None:
    while True:
        try:
            await agent.join()
        except Unreachable:
            await reach(client)
        else:
            return


async def _wanted_again(settings: AgentSettings, state: State) -> Wanted:
    """Say what the bridge is to be on a host that has joined: it must do without Docker, controller and NIC."""
    joined = state.joined
    if joined["host"] != settings.host_name:
        raise Unfit(
            [f"this host is in the fabric as {joined['host']}; to give it another name: daoli agent --leave first"]
        )
    kept = Wanted(**joined["wanted"])
    await preflight.check_other_uplink(settings, kept)
    try:
        await preflight.check_host(settings)
    except Unfit as error:
        for problem in error.problems:
            log.warning("host_not_fit", problem=problem)
    try:
        # Where the controller is now is found out once it answers.
        wanted = await preflight.wanted(settings, settings.openflow or kept.target)
        if wanted.nic != kept.nic:
            preflight.check_uplink(wanted.nic, await links.links(), whole=wanted.whole)
        if wanted.uplink != kept.uplink:
            await Ovs().del_port(kept.uplink)
    except (Unfit, OvsError, links.LinkError) as error:
        log.warning("host_as_before", problem=str(error))
        return kept
    return wanted


async def depart(settings: AgentSettings, say: Say, *, force: bool) -> bool:
    """Leave the fabric where no agent runs; say whether all is undone. Unfit if it may not leave now."""
    with only_one(Path(settings.state_dir)):
        state = State.load(Path(settings.state_dir))
        if not state.joined:
            await say("this host has not joined a fabric: there is nothing to undo")
            return True
        settings = as_joined(settings, state.joined)
        async with AsyncExitStack() as stack:
            client = Client(settings.controller, settings.token())
            stack.push_async_callback(client.close)
            agent = Agent(settings, Wanted(**state.joined["wanted"]), state, client)
            stack.push_async_callback(agent.engine.close)
            app = make_driver_app(agent.ipam, agent.driver)
            await stack.enter_async_context(serving(app, Path(settings.plugin_socket)))
            done = await agent.leave(say, force=force)
        _tidy(Path(settings.status_socket), stale=True)
        return done


def _tidy(status_socket: Path, *, stale: bool = False) -> None:
    """Remove our socket's folder, unless somebody keeps something there; `stale`: and what a killed agent left."""
    with suppress(OSError):
        if stale:
            status_socket.unlink(missing_ok=True)
        status_socket.parent.rmdir()
