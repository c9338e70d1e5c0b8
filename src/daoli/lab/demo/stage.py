"""What the chapters are told on: it says, runs and shows commands, checks facts, and counts."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from daoli.lab.docker_host import CONTROLLER_URL, DockerHost
from daoli.lab.docker_lab import DockerLab
from daoli.lab.machine import SYSTEM_PATH
from daoli.lab.plan import OUTSIDE_ADDRESS
from daoli.lab.processes import Process, wait_until
from daoli.routing.static import static_flows

STATIC_FLOWS = len(static_flows(1, bytes(6), gateway=True, names=2))
"""Of a host that has joined: an uplink, a way out and a port for names."""

COMMAND_TIMEOUT = 30.0
NETWORK = "dnet1"
SUBNET = "10.1.0.0/24"
ROUTER_ADDRESS = "10.1.0.1"
IMAGE = "daoli/tools"

_LIVE = "cookie=0xda0102"
_STATIC = "cookie=0xda0101"
_DULL = re.compile(r"(table=0, |n_bytes=\d+, |send_flow_rem |, priority=\d+)")
_DULL_WORDS = re.compile(r"^[0-9a-f]{64}$")
"""A container's id, as `docker run -d` prints it."""


class Failed(Exception):
    """A chapter could not go on."""


class Stage:
    """Prints, runs, checks, counts."""

    def __init__(self, console: Console, lab: DockerLab) -> None:
        """Commands run at the lab's places, with what a user has in the environment there."""
        self.console = console
        self.lab = lab
        self._began = time.monotonic()
        self.passed = 0
        self.failures: list[str] = []
        path = f"{os.environ.get('PATH', '')}:{Path(sys.executable).parent}:{SYSTEM_PATH}"
        token_file = str(lab.path / "api.token")
        self.settings = {"DAOLI_CONTROLLER": CONTROLLER_URL, "DAOLI_TOKEN_FILE": token_file}
        self._env = {**os.environ, "PATH": path, **self.settings}

    @property
    def hosts(self) -> list[DockerHost]:
        """The lab's Docker hosts, h1 first."""
        return list(self.lab.hosts.values())

    @property
    def outside(self) -> str:
        """The address of the machine without daoli."""
        return OUTSIDE_ADDRESS

    # -- telling -------------------------------------------------------------------------------------------------

    def title(self, text: str) -> None:
        """Begin a chapter."""
        self.console.print()
        seconds = time.monotonic() - self._began
        self.console.rule(f"[bold cyan]{text}[/] [dim]{seconds:.0f} s", align="left", style="cyan")

    def say(self, text: str) -> None:
        """Explain."""
        self.console.print(text, style="italic", highlight=False)

    def show(self, place: str, command: str) -> None:
        """Show a command as it is typed at a place."""
        self.console.print(f"[bold yellow]{place}$[/] {escape(command)}", highlight=False, soft_wrap=True)

    def check(self, fact: str, *, holds: bool, otherwise: str = "") -> bool:
        """Show a fact, and whether it holds."""
        if holds:
            self.passed += 1
            self.console.print(f"  [bold green]✓[/] {escape(fact)}", highlight=False)
        else:
            self.failures.append(fact)
            more = f"\n{escape(otherwise)}" if otherwise else ""
            self.console.print(f"  [bold red]✗ {escape(fact)}[/]{more}", highlight=False)
        return holds

    def wait(self, what: str, condition: Callable[[], object], seconds: float = 20.0) -> bool:
        """Wait for what takes a moment, and say for what; False if it does not come."""
        with self.console.status(what):
            try:
                wait_until(condition, seconds)
            except TimeoutError:
                return False
        return True

    # -- doing ---------------------------------------------------------------------------------------------------

    def start(self, place: str, command: str) -> Process:
        """Show a command, and leave it running; ``finish`` shows what it said."""
        self.show(place, command)
        machine = self.lab.place(place)
        return machine.popen(shlex.split(command), stdin=subprocess.DEVNULL, env=self._env, **_CAPTURED)

    def finish(self, process: Process, timeout: float = COMMAND_TIMEOUT) -> str:
        """Wait for what ``start`` started; give what it said."""
        said, _ = process.communicate(timeout=timeout)
        return str(said)

    def quietly(self, place: str, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command without showing it; what it says, errors too, is its output."""
        return self.lab.place(place).exec(
            shlex.split(command), check=False, timeout=COMMAND_TIMEOUT, env=self._env, **_CAPTURED
        )

    def run(self, place: str, command: str, *, may_fail: bool = False) -> str:
        """Show a command, run it, and show and give what it says; Failed if it fails, and may not."""
        self.show(place, command)
        done = self.quietly(place, command)
        self.print_output(done.stdout)
        if done.returncode and not may_fail:
            raise Failed(f"{place}$ {command}: exit code {done.returncode}")
        return done.stdout

    def print_output(self, said: str) -> None:
        """Show what a command said, but for empty lines and the ids of containers."""
        for line in said.splitlines():
            if line.strip() and not _DULL_WORDS.match(line.strip()):
                self.console.print(f"  {escape(line)}", highlight=False, soft_wrap=True)

    # -- looking -------------------------------------------------------------------------------------------------

    def endpoints(self) -> list[dict[str, Any]]:
        """The endpoints that the controller knows."""
        return list(self.lab.api.get("/endpoints").body["endpoints"])

    def routes(self) -> list[dict[str, Any]]:
        """The routes that the controller knows."""
        return list(self.lab.api.get("/routes").body["routes"])

    def any_live(self) -> bool:
        """Whether any host has flows of routes."""
        return any(_LIVE in flow for host in self.hosts for flow in host.flows())

    def flows(self) -> dict[str, int]:
        """Show the live flows of all hosts, and count the static ones; give the number of live ones per host."""
        live = {}
        for host in self.hosts:
            flows = host.flows(stats=True)
            routes = [flow for flow in flows if _LIVE in flow]
            static = [flow for flow in flows if _STATIC in flow]
            live[host.name] = len(routes)
            self.console.print(f"[bold]{host.name}[/]: {len(static)} static flows, {len(routes)} live", highlight=False)
            for flow in routes:
                self.console.print(f"  [dim]{escape(_DULL.sub('', flow))}[/]", highlight=False, soft_wrap=True)
            if len(static) != STATIC_FLOWS:
                self.check(f"{host.name} holds {STATIC_FLOWS} static flows", holds=False, otherwise="\n".join(static))
        return live


_CAPTURED: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}


def ping_times(output: str) -> list[float]:
    """Read the round-trip times, in milliseconds."""
    return [float(text) for text in re.findall(r"time=([\d.]+) ms", output)]
