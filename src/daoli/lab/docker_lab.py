"""A lab of Docker hosts: each with an engine of its own, joined to a controller as a user would join them.

with DockerLab.create(hosts=3) as lab:
    lab.hosts["h1"].docker("run", "-d", "--name", "web", "daoli/tools", "httpd", "-f")
"""

import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from daoli.lab.connections import InnerConnection
from daoli.lab.docker_host import API_PORT, CONTROLLER_URL, TOKEN_FILE, DockerHost, host_environment
from daoli.lab.errors import LabError, UsageError
from daoli.lab.fabric import MANAGEMENT, Nic, WiredMachine
from daoli.lab.host import AddressBook
from daoli.lab.image import IMAGES, Image, write_image
from daoli.lab.lab import BUILDERS, Lab, Progress
from daoli.lab.plan import CONTROLLER_ADDRESS, OUTSIDE_ADDRESS, Plan
from daoli.lab.processes import Process
from daoli.lab.service import Service
from daoli.lab.session import Api
from daoli.lab.state import DEFAULT_NAME, Folder

OUTSIDE_MAC = "02:dd:00:02:ff:fb"
OUTSIDE_NAME = "outside"

JOIN_TIMEOUT = 30.0
"""Seconds for an agent to join and its bridge to find the controller; it takes two or three."""


class ControllerMachine(WiredMachine):
    """The controller's machine, where `daolictl` is at hand and is told where to ask."""

    def popen(self, command: Sequence[str], *, cwd: str | None = None, **options: Any) -> Process:
        """Start a command, as any place does."""
        told = {"DAOLI_CONTROLLER": CONTROLLER_URL, "DAOLI_TOKEN_FILE": str(self.lab_path / TOKEN_FILE)}
        options["env"] = host_environment(options.get("env") or {**os.environ, **told})
        return super().popen(command, cwd=cwd, **options)


class DockerLab(Lab):
    """Docker hosts, the controller's machine, and one without daoli, by which the hosts reach the world."""

    hosts: Mapping[str, DockerHost]
    controller_kind = ControllerMachine

    def __init__(self, folder: Folder, plan: Plan, mark: dict[str, str]) -> None:
        """Use ``DockerLab.create`` or ``DockerLab.open``."""
        super().__init__(folder, plan, mark)
        if not plan.docker:
            raise UsageError(f"lab {self.name} is not one of Docker hosts; DockerLab.up builds those")
        nic = Nic("eth0", MANAGEMENT, OUTSIDE_MAC, f"{OUTSIDE_ADDRESS}/24")
        self.outside = WiredMachine(OUTSIDE_NAME, self.path, mark, self.fabric, [nic])
        self.others = (self.controller, self.outside)
        self._service = Service(self.controller, "controller", self._controller_answers)

    def _make_hosts(self, book: AddressBook) -> Mapping[str, DockerHost]:
        common = (self.path, self._mark, self.fabric, self.plan, book)
        return {host.name: DockerHost(host, *common) for host in self.plan.hosts}

    @classmethod
    def up(
        cls,
        name: str | None = None,
        *,
        hosts: int = 2,
        images: Iterable[str] = (),
        join: bool = True,
        controller_flags: Sequence[str] = (),
        agent_flags: Sequence[str] = (),
        state_dir: Path | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Build a lab and leave it running, as ``Lab.create`` does.

        Each engine has the image `daoli/tools` and the named ones of ``image.IMAGES``. With ``join`` a controller runs
        and all hosts have joined it when this returns.
        """
        wanted = [find_image(each) for each in dict.fromkeys(("tools", *images))]

        def finish(lab: Self, report: Progress) -> None:
            with ThreadPoolExecutor(1) as starter:
                started = starter.submit(lab.controller_start, *controller_flags) if join else None
                lab.add_images(*wanted)
                report("images", "loaded")
            if started:
                started.result()
                lab.each_host(lambda host: host.agent_start(*agent_flags))
                lab.wait_joined()
                report("agents", "joined")

        return cls._raise(name, Plan.of_docker(hosts), state_dir, progress, finish)

    def each_host(self, action: Callable[[DockerHost], object]) -> None:
        """Do something to all hosts, side by side."""
        with ThreadPoolExecutor(BUILDERS) as workers:
            list(workers.map(action, self.hosts.values()))

    # -- images --------------------------------------------------------------------------------------------------

    def add_images(self, *images: Image) -> None:
        """Make images of this machine's programs, and give them to all engines; their ids are the same everywhere."""
        folder = self.path / "images"
        folder.mkdir(exist_ok=True)
        archives = [folder / f"{image.name.replace('/', '-')}.tar" for image in images]
        for archive, image in zip(archives, images, strict=True):
            write_image(archive, image)
        self.each_host(lambda host: host.load(*archives))
        shutil.rmtree(folder)

    # -- the controller ------------------------------------------------------------------------------------------

    @property
    def token(self) -> str:
        """The API's bearer token; made when it is first asked for."""
        path = self.path / TOKEN_FILE
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(f"{secrets.token_urlsafe(24)}\n")
        return path.read_text().strip()

    @property
    def api(self) -> Api:
        """Requests to the controller, made on its machine."""
        return Api(
            self,
            lambda timeout: InnerConnection(self.controller.pid_number, CONTROLLER_ADDRESS, API_PORT, timeout),
            self.token,
        )

    def _controller_answers(self) -> bool:
        return self.api.answers()

    @property
    def controller_command(self) -> list[str]:
        """How the controller is started, as a user would type it."""
        command = [sys.executable, "-m", "daoli", "controller", "--openflow-listen", "0.0.0.0:6653"]
        command += ["--api-listen", f"{CONTROLLER_ADDRESS}:{API_PORT}", "--api-token-file", str(self.path / TOKEN_FILE)]
        return [*command, "--state", str(self.controller.path / "state"), "--log-format", "json"]

    def controller_start(self, *flags: str) -> None:
        """Start the controller; returns when its API answers."""
        _ = self.token  # the file must be there
        self._service.start([*self.controller_command, *flags])

    def controller_stop(self) -> None:
        """Stop the controller (SIGTERM)."""
        self._service.stop()

    def controller_kill(self) -> None:
        """Kill the controller (SIGKILL)."""
        self._service.kill()

    def wait_joined(self) -> None:
        """Wait until all hosts are known and their bridges connected; LabError with all logs."""
        try:
            self.api.wait_connected(timeout=JOIN_TIMEOUT)
        except (TimeoutError, OSError) as failure:
            raise LabError(f"not all hosts joined ({failure}):\n{self.last_words()}") from failure

    # -- asking --------------------------------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """As every lab, but what hosts post is their agents' business."""
        hosts = [
            {"name": host.name, "address": host.address, "dpid": f"{host.dpid:016x}"} for host in self.hosts.values()
        ]
        return {**super().describe(), "hosts": hosts}

    def last_words(self) -> str:
        """The ends of all logs, for whoever must find out what went wrong."""
        services = [self._service, *(s for host in self.hosts.values() for s in (host.dockerd, host.agent))]
        return "\n".join(f"--- {service.title}\n{service.last_words()}" for service in services)


def find_image(name: str) -> Image:
    """The image of that short name, or a refusal that lists them."""
    if name not in IMAGES:
        raise UsageError(f"no image {name!r}; there are: {', '.join(IMAGES)}")
    return IMAGES[name]


def open_lab(name: str = DEFAULT_NAME, state_dir: Path | None = None) -> Lab:
    """Attach to a lab of either kind."""
    lab = Lab.open(name, state_dir)
    return DockerLab.open(name, state_dir) if lab.plan.docker else lab
