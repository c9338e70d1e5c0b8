"""A virtual host with a Docker engine, as Debian's packages leave it: one NIC, and no bridge before daoli's agent came.

Open vSwitch and dockerd run with their default settings on their default paths, which are the host's own. What must
survive a power cycle is on the host's disk, a folder of the lab.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from daoli.lab import cgroups
from daoli.lab.connections import UnixConnection, answers
from daoli.lab.errors import LabError
from daoli.lab.fabric import MANAGEMENT, Fabric, Nic
from daoli.lab.host import AddressBook, Host
from daoli.lab.machine import SYSTEM_PATH
from daoli.lab.plan import CONTROLLER_ADDRESS, OUTSIDE_ADDRESS, HostPlan, Plan
from daoli.lab.processes import Process, wait_until
from daoli.lab.service import Service
from daoli.lab.state import write_atomically

API_PORT = 8653
CONTROLLER_URL = f"http://{CONTROLLER_ADDRESS}:{API_PORT}"
TOKEN_FILE = "api.token"  # noqa: S105  a file's name
DRIVER_SOCKET = "/run/docker/plugins/daoli.sock"
AGENT_SOCKET = "/run/daoli/agent.sock"

DOCKER_TIMEOUT = 60.0
"""Seconds for a command of Docker's; most take less than one."""

DRIVER_TIMEOUT = 10.0
"""Seconds that dockerd waits for the agent when a host boots; then it starts without."""

PING_TIMEOUT = 5.0


def host_environment(env: Mapping[str, str]) -> dict[str, str]:
    """An environment for commands on a host: its own Docker engine, and `daoli` in PATH."""
    kept = {name: value for name, value in env.items() if not name.startswith("DOCKER_")}
    return {**kept, "PATH": f"{env.get('PATH', '')}:{Path(sys.executable).parent}:{SYSTEM_PATH}"}


def listens(path: Path) -> bool:
    """Whether somebody accepts connections at a unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(PING_TIMEOUT)
        with suppress(OSError):
            client.connect(str(path))
            return True
    return False


class DockerHost(Host):
    """A host that runs dockerd, and daoli's agent once it was started; both come again when it boots."""

    kind = "docker"
    resolver = f"nameserver {OUTSIDE_ADDRESS}"

    def __init__(
        self, plan: HostPlan, lab: Path, mark: Mapping[str, str], fabric: Fabric, lab_plan: Plan, book: AddressBook
    ) -> None:
        """Nothing runs before ``boot``."""
        super().__init__(plan, lab, mark, fabric, lab_plan, book)
        self.dpid = int(sha256(f"daoli {self.machine_id}".encode()).hexdigest()[:12], 16)
        self.dockerd = Service(self, "dockerd", self._docker_answers, stop_timeout=40)
        self.agent = Service(self, "agent", self._agent_answers)
        self.cgroup = f"{cgroups.parent(lab)}/{plan.name}"

    @staticmethod
    def nics(plan: HostPlan) -> tuple[Nic, ...]:
        """One card for everything."""
        return (Nic("eth0", MANAGEMENT, plan.management_mac, f"{plan.address}/24"),)

    def popen(self, command: Sequence[str], *, cwd: str | None = None, **options: Any) -> Process:
        """Start a command, as any place does, with `docker` and `daoli` at hand."""
        options["env"] = host_environment(options.get("env") or os.environ)
        return super().popen(command, cwd=cwd, **options)

    # -- power ---------------------------------------------------------------------------------------------------

    def boot(self, *, agent: bool = True) -> None:
        """Power on; the agent, if it was ever started, comes before dockerd as its systemd unit says."""
        super(Host, self).boot()
        self.script('ip route add default via "$1"', OUTSIDE_ADDRESS, what=f"{self.name}'s default route")
        self._database_up()
        self.ovs_start()
        flags = self.agent_flags() if agent else None
        if flags is not None:
            self.agent_start(*flags, wait=False)
            # An engine that finds no driver for a network of its asks again after 1, 2, 4 and 8 seconds.
            with suppress(TimeoutError):
                wait_until(lambda: listens(self.root(DRIVER_SOCKET)), DRIVER_TIMEOUT)
        self.dockerd_start()
        if flags is not None:
            self.agent.wait_ready()

    def power_off(self) -> None:
        """Pull the power cord; the kernel that this machine shares keeps the containers' control groups till then."""
        super().power_off()
        if not cgroups.remove(self.cgroup):
            raise LabError(f"{self.name} is off, but its control groups {self.cgroup} stay")

    # -- Docker --------------------------------------------------------------------------------------------------

    def dockerd_start(self, *flags: str) -> None:
        """Start dockerd; returns when it answers."""
        # Containers would else be in groups that all engines of this kernel share.
        groups = ("--exec-opt", "native.cgroupdriver=cgroupfs", f"--cgroup-parent={self.cgroup}")
        self.dockerd.start(["dockerd", *groups, *flags])

    def dockerd_stop(self) -> None:
        """Stop dockerd, and with it the containers."""
        self.dockerd.stop()

    def dockerd_kill(self) -> None:
        """Kill dockerd with SIGKILL; the containers go on."""
        self.dockerd.kill()
        self.script("rm -f /run/docker.pid", what=f"{self.name}'s dead dockerd")

    def docker(
        self, *arguments: str, check: bool = True, timeout: float = DOCKER_TIMEOUT, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of Docker's client; the options are those of ``exec``."""
        return self.exec(["docker", *arguments], check=check, timeout=timeout, **options)

    def load(self, *archives: Path) -> None:
        """Give the engine images that ``image.write_image`` wrote."""
        for archive in archives:
            self.docker("load", "--quiet", "--input", str(archive))

    def _docker_answers(self) -> bool:
        return answers(UnixConnection(self.root("/run/docker.sock"), PING_TIMEOUT), "/_ping")

    # -- daoli's agent -------------------------------------------------------------------------------------------

    @property
    def agent_command(self) -> list[str]:
        """How the agent is started, as a user would type it."""
        command = [sys.executable, "-m", "daoli", "agent", "--controller", CONTROLLER_URL]
        return [*command, "--token-file", str(self.lab_path / TOKEN_FILE)]

    def agent_start(self, *flags: str, wait: bool = True) -> None:
        """Start the agent, now and at each boot from now on; with ``wait`` it answers when this returns."""
        write_atomically(self.path / "agent.json", json.dumps(flags))
        self.agent.start([*self.agent_command, *flags], wait=wait)

    def agent_stop(self) -> None:
        """Stop the agent (SIGTERM)."""
        self.agent.stop()

    def agent_kill(self) -> None:
        """Kill the agent (SIGKILL)."""
        self.agent.kill()

    def agent_flags(self) -> list[str] | None:
        """The flags of the agent's last start; None if it was never started."""
        try:
            return [str(flag) for flag in json.loads((self.path / "agent.json").read_text())]
        except FileNotFoundError:
            return None

    def _agent_answers(self) -> bool:
        return all(listens(self.root(path)) for path in (DRIVER_SOCKET, AGENT_SOCKET))

    # -- asking --------------------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """What every host says, and whether dockerd and the agent answer."""
        on = self.is_on
        return {**super().status(), "docker": on and self._docker_answers(), "agent": on and self._agent_answers()}
