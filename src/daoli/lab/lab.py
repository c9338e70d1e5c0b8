"""A whole lab: build it, attach to it, describe it, take it down.

Taking down trusts nothing that could be damaged: the machines are found by the mark in their environment, so that it
works without a state folder, after a build that was killed, and while one is going on (which then fails by itself).
"""

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self
from uuid import uuid4

from daoli.lab import cgroups
from daoli.lab.errors import LabError, UsageError
from daoli.lab.fabric import MANAGEMENT, Fabric, Nic, WiredMachine
from daoli.lab.host import AddressBook, Endpoint, Host
from daoli.lab.machine import LAB_MARK, Machine, Place
from daoli.lab.plan import CONTROLLER_ADDRESS, DEFAULT_TARGET, Plan
from daoli.lab.preflight import check_programs, check_root
from daoli.lab.processes import Pid, ancestors, kill, marked
from daoli.lab.state import DEFAULT_NAME, Folder

Progress = Callable[[str, str], None]
"""Called with a place and what became of it, from several threads."""

BUILDERS = 8
"""Hosts that are built at the same time; more only wait for the kernel's network lock."""

DOWN_TIMEOUT = 20.0
"""Seconds for a build that goes on to notice that its machines are gone."""

TOKEN_MARK = "DAOLI_LAB_TOKEN"  # noqa: S105  a name, not a secret
ANCESTORS_MARK = "DAOLI_LAB_STARTED_BELOW"
CONTROLLER_MAC = "02:dd:00:02:ff:fa"


class Lab:
    """Virtual Docker hosts, a controller's machine, and the Ethernet between them.

    As a context manager it takes the lab down at the end of the block.
    """

    hosts: Mapping[str, Host]
    controller_kind: ClassVar[type[WiredMachine]] = WiredMachine

    def __init__(self, folder: Folder, plan: Plan, mark: dict[str, str]) -> None:
        """Use ``Lab.create`` or ``Lab.open``."""
        self.name = folder.name
        self.path = folder.path
        self.plan = plan
        self._folder = folder
        self._mark = mark
        self.fabric = Fabric("fabric", self.path, mark)
        nic = Nic("eth0", MANAGEMENT, CONTROLLER_MAC, f"{CONTROLLER_ADDRESS}/24")
        self.controller = self.controller_kind("controller", self.path, mark, self.fabric, [nic])
        self.others: tuple[Machine, ...] = (self.controller,)
        self.hosts = self._make_hosts(AddressBook(self._addresses))

    def _make_hosts(self, book: AddressBook) -> Mapping[str, Host]:
        common = (self.path, self._mark, self.fabric, self.plan, book)
        return {host.name: Host(host, *common) for host in self.plan.hosts}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    @classmethod
    def create(
        cls,
        name: str | None = None,
        *,
        hosts: int = 2,
        endpoints: int = 2,
        networks: int = 1,
        controller: str = DEFAULT_TARGET,
        state_dir: Path | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Build a lab and leave it running; without a name it gets one of its own.

        UsageError when a lab of that name is up. What a crashed one left is removed first. A build that fails or is
        interrupted leaves nothing.
        """
        plan = Plan.of(hosts, endpoints, networks, controller)
        return cls._raise(name, plan, state_dir, progress)

    @classmethod
    def _raise(
        cls,
        name: str | None,
        plan: Plan,
        state_dir: Path | None,
        progress: Progress | None,
        finish: Callable[[Self, Progress], None] | None = None,
    ) -> Self:
        """Build what is planned; ``finish`` is still part of the building."""
        report = progress or _no_progress
        check_root()
        check_programs(docker=plan.docker)
        folder = Folder(name or f"lab-{uuid4().hex[:8]}", state_dir)
        folder.check_ours()
        with folder.locked() as mine:
            if not mine:
                raise UsageError(f"lab {folder.name} is just being built or taken down by another process")
            if _is_up(folder):
                raise UsageError(f"lab {folder.name} is up already; end it with: down --name {folder.name}")
            if _end_machines(folder) or folder.path.exists():
                report(folder.name, "removed what an earlier lab left")
                _forget(folder)
            lineage = ",".join(map(str, ancestors(os.getpid())))
            mark = {LAB_MARK: str(folder.path), TOKEN_MARK: uuid4().hex, ANCESTORS_MARK: lineage}
            lab = cls(folder, plan, mark)
            try:
                folder.create(lineage)
                lab._build(report)
                if finish:
                    finish(lab, report)
                folder.write({"plan": asdict(plan), "mark": mark})
            except BaseException:
                _end_machines(folder)
                _forget(folder)
                raise
        return lab

    def _build(self, report: Progress) -> None:
        """Boot all machines, the fabric first and the others side by side; after a failure no more are begun."""
        stop = threading.Event()

        def boot(machine: Machine) -> None:
            if not stop.is_set():
                machine.boot()
                report(machine.name, "ready")

        for host in self.plan.hosts:
            self.hosts[host.name].write_endpoints(e for e in self.plan.endpoints if e.host == host.name)
        boot(self.fabric)
        with ThreadPoolExecutor(BUILDERS) as builders:
            try:
                for boots in as_completed([builders.submit(boot, m) for m in (*self.others, *self.hosts.values())]):
                    boots.result()
            except BaseException:
                stop.set()
                _end_machines(self._folder)  # so that the builders' steps fail at once
                raise

    @classmethod
    def open(cls, name: str = DEFAULT_NAME, state_dir: Path | None = None) -> Self:
        """Attach to a lab that is up; UsageError when it is not, or its state is damaged."""
        folder = Folder(name, state_dir)
        if (lab := cls._read(folder)) is None:
            if folder.path.exists() or marked(LAB_MARK, str(folder.path)):
                raise UsageError(f"lab {name} is incomplete or damaged; remove it with: down --name {name}")
            others = ", ".join(names(state_dir)) or "none"
            raise UsageError(f"there is no lab {name}; labs here: {others}")
        return lab

    @classmethod
    def _read(cls, folder: Folder) -> Self | None:
        """The lab as its folder has it; None for none, for a damaged one and for one that was never finished."""
        try:
            state = folder.read() or {}
            return cls(folder, Plan.from_dict(state["plan"]), dict(state["mark"]))
        except (KeyError, TypeError, AttributeError, ValueError):
            return None

    def down(self) -> None:
        """Take the lab down; nothing happens when it is down."""
        remove(self.name, self._folder.root)

    @property
    def places(self) -> dict[str, Place]:
        """All places where commands can run, by name: ``h1``, ``h1/c1`` …, ``controller``, ``fabric``."""
        found: dict[str, Place] = {}
        for host in self.hosts.values():
            found[host.name] = host
            found |= {endpoint.plan.place: endpoint for endpoint in host.endpoints.values()}
        return found | {machine.name: machine for machine in (*self.others, self.fabric)}

    def place(self, name: str) -> Place:
        """The place of that name, or a refusal that lists them."""
        places = self.places
        if name not in places:
            raise UsageError(f"no place {name!r} in lab {self.name}; there are: {', '.join(places)}")
        return places[name]

    def endpoint(self, place: str) -> Endpoint:
        """The endpoint at ``h1/c1``."""
        found = self.place(place)
        if not isinstance(found, Endpoint):
            raise UsageError(f"{place} is not an endpoint")
        return found

    def _endpoints(self) -> list[Endpoint]:
        return [endpoint for host in self.hosts.values() for endpoint in host.endpoints.values()]

    def _addresses(self) -> set[str]:
        return {endpoint.ip for endpoint in self._endpoints()}

    def describe(self) -> dict[str, Any]:
        """What a controller must be told, as bodies for its REST API, and where commands can run."""
        return {
            "name": self.name,
            "path": str(self.path),
            "controller": {"address": CONTROLLER_ADDRESS, "targets": self.plan.controller.split()},
            "hosts": [host.body() for host in self.plan.hosts],
            "networks": [network.body() for network in self.plan.networks],
            "endpoints": [endpoint.plan.body() for endpoint in self._endpoints()],
            "places": list(self.places),
        }

    def status(self) -> dict[str, Any]:
        """The description, and for each machine whether it is on (for hosts also OVS and its controller)."""
        with ThreadPoolExecutor(BUILDERS) as askers:
            hosts = dict(zip(self.hosts, askers.map(lambda host: host.status(), self.hosts.values()), strict=True))
        others = {machine.name: {"on": machine.is_on} for machine in (*self.others, self.fabric)}
        return {**self.describe(), "machines": {**hosts, **others}}


def _no_progress(_place: str, _what: str) -> None:
    """Nobody wants to know."""


def _is_up(folder: Folder) -> bool:
    lab = Lab._read(folder)  # noqa: SLF001  the class's other half
    return lab is not None and lab.fabric.is_on


def _end_machines(folder: Folder) -> bool:
    """Kill the lab's machines until none is left; say whether there were any."""
    deadline = time.monotonic() + DOWN_TIMEOUT
    ended = False
    while pids := [pid for pid, _ in marked(LAB_MARK, str(folder.path))]:
        ended = True
        kill(pids)
        if time.monotonic() > deadline:
            raise LabError(f"lab {folder.name} keeps starting machines")
    return ended


def _forget(folder: Folder) -> None:
    """Remove what is left of a lab whose machines are dead."""
    if not cgroups.remove(cgroups.parent(folder.path)):
        raise LabError(f"lab {folder.name} is down, but its control groups {cgroups.parent(folder.path)} stay")
    folder.remove()


def remove(name: str, state_dir: Path | None = None) -> bool:
    """Take a lab down, whatever state it is in; say whether there was anything."""
    check_root()
    folder = Folder(name, state_dir)
    folder.check_ours()
    ended = folder.path.exists()
    deadline = time.monotonic() + DOWN_TIMEOUT
    while True:
        ended |= _end_machines(folder)
        with folder.locked() as mine:
            # One that is being built goes on making machines until it has noticed.
            if mine and not _end_machines(folder):
                _forget(folder)
                return ended
        if time.monotonic() > deadline:
            raise LabError(f"another process holds lab {name}, and does not let go of it")
        time.sleep(0.02)


def names(state_dir: Path | None = None, started_below: int | None = None) -> list[str]:
    """The labs whose folder is in the root, running or not; those only that this process or its children started."""
    root = Folder("any", state_dir).root
    lineages: dict[str, str] = {folder.name: folder.marker() for folder in Folder.below(root)}
    for _, env in marked(LAB_MARK):
        path = Path(env[LAB_MARK])
        if path.parent == root:
            lineages[path.name] = env.get(ANCESTORS_MARK, "")
    if started_below is None:
        return sorted(lineages)
    ancestor = Pid.of(started_below)
    return sorted(name for name, lineage in lineages.items() if str(ancestor) in lineage.split(","))


def remove_all(
    state_dir: Path | None = None, started_below: int | None = None, chosen: Iterable[str] | None = None
) -> list[str]:
    """Take down all labs of the root, side by side; return the names of those that there were."""
    found = list(chosen) if chosen is not None else names(state_dir, started_below)
    with ThreadPoolExecutor(BUILDERS) as removers:
        list(removers.map(partial(remove, state_dir=state_dir), found))
    return found


def remove_started_below(ancestor: int, state_dir: Path | None = None) -> list[str]:
    """Take down what this process or its children built: in one root, or wherever there are labs; return the names."""
    everywhere = {Folder("any").root, *(Path(env[LAB_MARK]).parent for _, env in marked(LAB_MARK))}
    roots = sorted(everywhere) if state_dir is None else [state_dir]
    return [name for root in roots for name in remove_all(root, ancestor)]
