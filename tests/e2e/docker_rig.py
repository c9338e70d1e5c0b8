"""A lab of Docker hosts, and what the end-to-end tests do with it: run containers, ask them, take them away."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from daoli.lab import DockerHost, DockerLab

PATIENCE = 10.0
"""Seconds in which something that takes milliseconds must have happened, on however busy a machine."""

TOOLS = "daoli/tools"
IDLE = ("sleep", "100000")
BUILT_IN = {"bridge", "host", "none"}


@dataclass(frozen=True)
class Container:
    """A container of a host, running or not."""

    host: DockerHost
    name: str

    def exec(self, *command: str, check: bool = True, timeout: float = 20.0) -> subprocess.CompletedProcess[str]:
        """Run a command inside."""
        return self.host.docker("exec", self.name, *command, check=check, timeout=timeout)

    def inspect(self) -> dict[str, Any]:
        """What Docker knows of it."""
        found: list[dict[str, Any]] = json.loads(self.host.docker("inspect", self.name).stdout)
        return found[0]

    @property
    def runs(self) -> bool:
        """Whether it is there and runs."""
        done = self.host.docker("inspect", "-f", "{{.State.Running}}", self.name, check=False)
        return done.stdout.strip() == "true"

    def address(self, network: str) -> str:
        """Its IPv4 address on a network."""
        return str(self.inspect()["NetworkSettings"]["Networks"][network]["IPAddress"])

    def reaches(self, target: str) -> bool:
        """Whether one ping is answered."""
        return self.exec("ping", "-c1", "-W2", target, check=False).returncode == 0

    def remove(self) -> None:
        """End and delete it."""
        self.host.docker("rm", "-f", self.name)


@dataclass(frozen=True)
class DockerRig:
    """A lab that a test may fill with containers and networks; ``clean`` takes them away."""

    lab: DockerLab

    def __getitem__(self, host: str) -> DockerHost:
        return self.lab.hosts[host]

    def run(
        self, host: str, name: str, *options: str, image: str = TOOLS, command: tuple[str, ...] = IDLE
    ) -> Container:
        """`docker run -d --init` on a host; the options go before the image."""
        self[host].docker("run", "-d", "--init", "--name", name, *options, image, *command)
        return Container(self[host], name)

    def containers(self, host: str) -> list[str]:
        """The names of all containers of a host."""
        return self[host].docker("ps", "-a", "--format", "{{.Names}}").stdout.split()

    def networks(self, host: str) -> set[str]:
        """The names of the networks of a host, but for Docker's own."""
        return set(self[host].docker("network", "ls", "--format", "{{.Name}}").stdout.split()) - BUILT_IN

    def get(self, path: str) -> Any:
        """The body of a good answer of the controller."""
        answer = self.lab.api.get(path)
        assert answer.status == 200, answer
        return answer.body

    def clean(self) -> None:
        """Remove all containers and networks."""
        for host in self.lab.hosts:
            if containers := self.containers(host):
                self[host].docker("rm", "-f", *containers)
        for host in self.lab.hosts:
            for network in self.networks(host):
                self[host].docker("network", "rm", network, check=False)  # one of the fabric goes from all at once
