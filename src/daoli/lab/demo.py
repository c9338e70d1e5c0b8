"""`make demo`: the main job on a lab of two hosts, step by step. Each fact that it shows is checked.

python -m daoli.lab.demo [--keep]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from daoli.lab import Endpoint, Lab, LabError, wait_until
from daoli.lab.session import Controller
from daoli.routing.flows import static_flows

IDLE_TIMEOUT = 5
FILE_SIZE = 20_000_000
STATIC_FLOWS = len(static_flows(1, bytes(6)))
ROUTER_ADDRESS = "10.1.0.1"


class Failed(Exception):
    """A step could not go on."""


class Demo:
    """Prints, checks, counts."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.passed = 0
        self.failures: list[str] = []

    # -- telling -------------------------------------------------------------------------------------------------

    def title(self, text: str) -> None:
        """Begin a chapter."""
        self.console.print()
        self.console.rule(f"[bold cyan]{text}", align="left", style="cyan")

    def say(self, text: str) -> None:
        """Explain."""
        self.console.print(text, style="italic", highlight=False)

    def check(self, fact: str, *, holds: bool, otherwise: str = "") -> None:
        """Show a fact, and whether it holds."""
        if holds:
            self.passed += 1
            self.console.print(f"  [bold green]✓[/] {escape(fact)}", highlight=False)
        else:
            self.failures.append(fact)
            more = f"\n{escape(otherwise)}" if otherwise else ""
            self.console.print(f"  [bold red]✗ {escape(fact)}[/]{more}", highlight=False)

    def run(self, place: Endpoint, *command: str, timeout: float = 20) -> subprocess.CompletedProcess[str]:
        """Run a command in a container's network, and show it with what it prints."""
        shown = " ".join(command)
        self.console.print(f"[bold yellow]{place.host.name}/{place.name}$[/] {escape(shown)}", highlight=False)
        done = place.exec(command, check=False, timeout=timeout)
        for line in (done.stdout + done.stderr).strip().splitlines():
            if line.strip():
                self.console.print(f"  {escape(line)}", highlight=False)
        return done

    def request(self, controller: Controller, method: str, path: str, body: Any = None) -> Any:
        """Make a request to the controller, and show it with its status."""
        text = f" {json.dumps(body)}" if body is not None else ""
        answer = controller.request(method, path, body)
        colour = "green" if answer.status < 400 else "red"
        line = f"[bold magenta]{method}[/] {escape(path)}[dim]{escape(text)}[/] [bold {colour}]{answer.status}[/]"
        self.console.print(line, highlight=False, soft_wrap=True)
        if answer.status >= 400:
            raise Failed(f"{method} {path}: {answer.body}")
        return answer.body

    def flows(self, lab: Lab) -> dict[str, int]:
        """Show the live flows of both hosts, and count the static ones; give the number of live ones per host."""
        live = {}
        for host in lab.hosts.values():
            flows = host.flows(stats=True)
            routes = [flow for flow in flows if "cookie=0xda0102" in flow]
            static = [flow for flow in flows if "cookie=0xda0101" in flow]
            live[host.name] = len(routes)
            self.console.print(
                f"[bold]{host.name}[/]: {len(static)} static flows "
                f"[dim](table miss, uplink guard, ARP responder)[/], {len(routes)} live",
                highlight=False,
            )
            for flow in routes:
                shown = re.sub(r"(table=0, |n_bytes=\d+, |send_flow_rem |, priority=\d+)", "", flow.strip())
                self.console.print(f"  [dim]{escape(shown)}[/]", highlight=False, soft_wrap=True)
            if len(static) != STATIC_FLOWS:
                self.check(f"{host.name} holds {STATIC_FLOWS} static flows", holds=False, otherwise="\n".join(static))
        return live


def ping_times(output: str) -> list[float]:
    """Read the round-trip times, in milliseconds."""
    return [float(text) for text in re.findall(r"time=([\d.]+) ms", output)]


def tell(demo: Demo, lab: Lab, controller: Controller) -> None:
    """Go through the chapters."""
    tell_joining(demo, lab, controller)
    tell_talking(demo, lab, controller)
    tell_refusing(demo, lab, controller)
    tell_idling(demo, lab, controller)


def tell_joining(demo: Demo, lab: Lab, controller: Controller) -> None:
    """Post everything, and look at the hosts before anybody talks."""
    demo.title("1  Hosts, networks and containers join by HTTP requests")
    description = lab.describe()
    for kind in ("networks", "hosts", "endpoints"):
        for body in description[kind]:
            demo.request(controller, "POST", f"/{kind}", body)
    controller.wait_connected()
    hosts = demo.request(controller, "GET", "/hosts")["hosts"]
    demo.check("both hosts are connected and have no problems", holds=all(not h["status"]["problems"] for h in hosts))

    demo.title("2  Before: a host without traffic holds only its static flows")
    live = demo.flows(lab)
    demo.check("no live flows on either host", holds=not any(live.values()))


def tell_talking(demo: Demo, lab: Lab, controller: Controller) -> None:
    """Ping, fetch and trace, within what is allowed."""
    h1, h2 = lab.hosts["h1"], lab.hosts["h2"]
    a, near, far = h1.endpoints["c1"], h1.endpoints["c3"], h2.endpoints["c2"]  # the three on dnet1

    demo.title("3  A container's first packet becomes a pair of flows on each host")
    demo.say("The first echo request goes to the controller, which opens the route; the others meet its flows.")
    done = demo.run(a, "ping", "-c", "5", "-i", "0.2", far.ip)
    times = ping_times(done.stdout)
    demo.check("five answers across hosts, none lost", holds=len(times) == 5)
    demo.check("TTL 62: one router on each host, no tunnel", holds="ttl=62" in done.stdout)
    if len(times) > 1:
        rest = sorted(times[1:])
        demo.console.print(
            f"  first packet [bold]{times[0]:.2f} ms[/], then [bold]{rest[len(rest) // 2]:.2f} ms[/]", highlight=False
        )
    live = demo.flows(lab)
    demo.check("two flows on each host", holds=live == {"h1": 2, "h2": 2}, otherwise=str(live))
    routes = demo.request(controller, "GET", "/routes")["routes"]
    demo.check(
        "the controller knows one route, with its counters",
        holds=len(routes) == 1 and (routes[0]["packets"] or 0) > 0,
        otherwise=str(routes),
    )

    demo.title("4  The same within a host")
    done = demo.run(a, "ping", "-c", "2", "-i", "0.2", near.ip)
    demo.check("two answers, TTL 63: one router", holds=done.stdout.count("ttl=63") == 2)

    demo.title("5  A file over TCP")
    fetch(demo, lab, a, far)

    demo.title("6  traceroute shows each host as a hop")
    done = demo.run(a, "traceroute", "-n", "-q", "1", "-w", "2", far.ip)
    hops = re.findall(r"^\s*\d+\s+(\S+)", done.stdout, re.MULTILINE)
    wanted = [ROUTER_ADDRESS, h2.plan.address, far.ip]
    demo.check(f"the hops are {', '.join(wanted)}", holds=hops == wanted, otherwise=str(hops))


def tell_refusing(demo: Demo, lab: Lab, controller: Controller) -> None:
    """Try what is not allowed."""
    a, foreign = lab.hosts["h1"].endpoints["c1"], lab.hosts["h2"].endpoints["c1"]  # of dnet1 and of dnet2

    demo.title("7  What is not allowed fails at once, and says why")
    began = time.monotonic()
    done = demo.run(a, "ping", "-c", "1", "-W", "5", foreign.ip)
    took = time.monotonic() - began
    demo.check("the router answers: packet filtered", holds="Packet filtered" in done.stdout)
    demo.check(f"after {took * 1000:.0f} ms, not after a time-out", holds=took < 2)
    said = demo.request(controller, "GET", f"/explain?source={a.id}&destination={foreign.id}")
    demo.console.print(f"  allowed: [bold]{said['allowed']}[/], reason: [bold]{said['reason']}[/]", highlight=False)
    demo.check("explain gives the reason", holds=said["reason"] == "different networks" and not said["allowed"])


def tell_idling(demo: Demo, lab: Lab, controller: Controller) -> None:
    """Wait until nobody has talked for long enough."""
    demo.title(f"8  After: unused routes idle out ({IDLE_TIMEOUT} s here, 30 s by default)")
    with demo.console.status("waiting for the flows to go"):
        try:
            wait_until(lambda: not any("cookie=0xda0102" in f for h in lab.hosts.values() for f in h.flows()), 25)
        except TimeoutError:
            demo.check("the flows went", holds=False)
    live = demo.flows(lab)
    demo.check("only the static flows remain", holds=not any(live.values()), otherwise=str(live))
    routes = demo.request(controller, "GET", "/routes")["routes"]
    demo.check("and the controller has no routes", holds=not routes, otherwise=str(routes))


def fetch(demo: Demo, lab: Lab, client: Endpoint, server: Endpoint) -> None:
    """Serve a file in one container and fetch it in another."""
    folder = lab.path / "demo"
    folder.mkdir()
    payload = (hashlib.sha256(b"daoli").digest() * (FILE_SIZE // 32 + 1))[:FILE_SIZE]
    (folder / "file").write_bytes(payload)
    command = [sys.executable, "-m", "http.server", "--directory", str(folder), "--bind", server.ip, "8000"]
    web = server.popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://{server.ip}:8000/file"
        wait_until(lambda: server.exec(["curl", "-sfIo", "/dev/null", url], check=False, timeout=5).returncode == 0, 10)
        copy = folder / "copy"
        told = "%{http_code} %{size_download} bytes, %{time_total} s"
        done = demo.run(client, "curl", "-s", "-o", str(copy), "-w", told, url, timeout=60)
        same = copy.exists() and copy.read_bytes() == payload
        demo.check(f"{FILE_SIZE // 1_000_000} MB arrived unchanged", holds=done.returncode == 0 and same)
    finally:
        web.kill()
        web.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; 0 if every fact that it showed holds."""
    parser = argparse.ArgumentParser(prog="python -m daoli.lab.demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the lab running, to look around")
    keep = parser.parse_args(arguments).keep
    console = Console(force_terminal=True if sys.stdout.isatty() else None, width=None if sys.stdout.isatty() else 140)
    demo = Demo(console)
    console.print(
        Panel.fit(
            "[bold]daoli[/]: multi-host networking for containers without an overlay.\n"
            "Two virtual hosts, each with its own Open vSwitch; one controller; six containers on two networks."
        )
    )
    began = time.monotonic()
    try:
        lab = Lab.create(hosts=2, endpoints=3, networks=2, progress=lambda place, what: demo.say(f"{place}: {what}"))
    except LabError as error:
        console.print(f"[bold red]{escape(str(error))}")
        return 2
    controller = Controller(lab, "--idle-timeout", str(IDLE_TIMEOUT))
    try:
        console.print(f"[bold yellow]controller$[/] {escape(shown_command(controller))}", highlight=False)
        controller.start()
        tell(demo, lab, controller)
    except (Failed, LabError, TimeoutError, OSError, subprocess.SubprocessError) as error:
        demo.check(f"{type(error).__name__}: {error}", holds=False)
    finally:
        if keep:
            demo.say(f"The lab goes on: python -m daoli.lab status --name {lab.name}, then down --name {lab.name}")
        else:
            controller.stop()
            lab.down()
    console.print()
    seconds = time.monotonic() - began
    if demo.failures:
        console.print(f"[bold red]{len(demo.failures)} of {demo.passed + len(demo.failures)} facts did not hold.")
        return 1
    console.print(f"[bold green]All {demo.passed} facts held[/], in {seconds:.0f} s.", highlight=False)
    return 0


def shown_command(controller: Controller) -> str:
    """Write the controller's command line as a person would type it."""
    return " ".join(["python", *controller.command[1:]]).replace(
        str(controller.lab.path), f"…/{Path(controller.lab.path).name}"
    )


if __name__ == "__main__":
    sys.exit(main())
