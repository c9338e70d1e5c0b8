"""``python -m daoli.lab``: up, status, exec, down.

Exit codes: 0, or the command's own for ``exec``; 1 when something failed; 2 when the request cannot be met as it
stands. Progress and errors go to stderr, results to stdout.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from daoli.lab.docker_host import CONTROLLER_URL
from daoli.lab.docker_lab import DockerLab, open_lab
from daoli.lab.errors import LabError, UsageError
from daoli.lab.image import IMAGES, TOOLS
from daoli.lab.lab import Lab, Progress, remove, remove_all, remove_started_below
from daoli.lab.plan import DEFAULT_TARGET
from daoli.lab.preflight import check_root
from daoli.lab.processes import TERMINAL_SIGNALS
from daoli.lab.state import DEFAULT_NAME, ROOT

FAILED = 1
REFUSED = 2
SIGNALLED = 128
"""Added to a signal's number: what shells report for a command that a signal ended."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="daoli.lab", description="Virtual Docker hosts with Open vSwitch on one machine."
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--state-dir", type=Path, metavar="DIR", help=f"where labs keep their state ({ROOT})")
    named = argparse.ArgumentParser(add_help=False, parents=[shared])
    named.add_argument("--name", default=DEFAULT_NAME, help="which lab (%(default)s)")

    up = commands.add_parser("up", parents=[named], help="build a lab and leave it running")
    up.add_argument("--hosts", type=int, default=2, metavar="N", help="virtual hosts h1 … hN (%(default)s)")
    plain = up.add_argument_group("without --docker")
    plain.add_argument("--endpoints", type=int, metavar="M", help="endpoints c1 … cM on each (2)")
    plain.add_argument("--networks", type=int, metavar="K", help="networks they are spread over (1)")
    plain.add_argument(
        "--controller",
        metavar="tcp:ADDR:PORT",
        help=f"where the bridges look for their controller; empty for none ({DEFAULT_TARGET})",
    )
    up.add_argument(
        "--docker", action="store_true", help="a Docker engine on each host, joined to a running controller"
    )
    docker = up.add_argument_group("with --docker")
    docker.add_argument(
        "--image",
        action="append",
        default=[],
        choices=IMAGES,
        help=f"load an image beside {TOOLS.name}; may be given again",
    )
    docker.add_argument("--no-join", action="store_true", help="start neither the controller nor the agents")
    up.add_argument("--json", action="store_true", help="describe the lab as JSON on stdout")

    status = commands.add_parser("status", parents=[named], help="what runs")
    status.add_argument("--json", action="store_true", help="as JSON")

    run = commands.add_parser("exec", parents=[named], help="run a command at a place")
    run.add_argument("place", metavar="PLACE", help="h1, h1/c1, controller, fabric or outside")
    run.add_argument("words", nargs=argparse.REMAINDER, metavar="-- CMD", help="the command and its arguments")

    down = commands.add_parser("down", parents=[shared], help="remove a lab, whatever state it is in")
    which = down.add_mutually_exclusive_group()
    which.add_argument("--name", default=DEFAULT_NAME, help="which lab (%(default)s)")
    which.add_argument("--all", action="store_true", help="all labs in the state directory")
    down.add_argument(
        "--started-below",
        type=int,
        metavar="PID",
        help="only labs that this process or its children built, in whatever state directory",
    )
    return top


def say(text: str) -> None:
    """One line for a person, who may have closed the pipe."""
    try:
        sys.stderr.write(f"{text}\n")  # at once: hosts get ready side by side
        sys.stderr.flush()
    except BrokenPipeError:
        # What is buffered would fail once more when the interpreter ends, and make the exit code 120.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stderr.fileno())
        os.close(nowhere)


@contextmanager
def shown_progress(machines: int) -> Iterator[Progress]:
    """Show what is ready: a bar on a terminal, a line each elsewhere."""
    begun = time.monotonic()

    def line(place: str, what: str) -> str:
        return f"{place}: {what} ({time.monotonic() - begun:.1f} s)"

    if not sys.stderr.isatty():
        yield lambda place, what: say(line(place, what))
        return
    from rich.console import Console  # noqa: PLC0415  a tenth of a second that exec need not pay
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn  # noqa: PLC0415

    columns = (SpinnerColumn(), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=machines)

        def show(place: str, what: str) -> None:
            bar.console.print(line(place, what), highlight=False)
            bar.advance(task)

        yield show


def _stop(number: int, _frame: FrameType | None) -> None:
    """Leave by an exception, so that what was begun is undone."""
    sys.exit(SIGNALLED + number)


def _build(options: argparse.Namespace) -> Lab:
    if options.image or options.no_join:
        raise UsageError("--image and --no-join go with --docker")
    with shown_progress(options.hosts + 2) as progress:
        return Lab.create(
            options.name,
            hosts=options.hosts,
            endpoints=2 if options.endpoints is None else options.endpoints,
            networks=1 if options.networks is None else options.networks,
            controller=DEFAULT_TARGET if options.controller is None else options.controller,
            state_dir=options.state_dir,
            progress=progress,
        )


def _build_docker(options: argparse.Namespace) -> DockerLab:
    if {options.endpoints, options.networks, options.controller} != {None}:
        raise UsageError(
            "--endpoints, --networks and --controller do not go with --docker: containers come by docker run"
        )
    with shown_progress(options.hosts + (4 if options.no_join else 5)) as progress:
        return DockerLab.up(
            options.name,
            hosts=options.hosts,
            images=options.image,
            join=not options.no_join,
            state_dir=options.state_dir,
            progress=progress,
        )


def up(options: argparse.Namespace) -> int:
    """Build a lab."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    begun = time.monotonic()
    lab = _build_docker(options) if options.docker else _build(options)
    sizes = {"host": lab.plan.hosts, "endpoint": lab.plan.endpoints, "network": lab.plan.networks}
    if options.docker:
        sizes = {"Docker host": lab.plan.hosts}
    built = ", ".join(f"{len(them)} {it}{'' if len(them) == 1 else 's'}" for it, them in sizes.items())
    say(f"lab {lab.name} is up: {built} ({time.monotonic() - begun:.1f} s)")
    if options.json:
        print(json.dumps(lab.describe(), indent=2))
    return 0


def status(options: argparse.Namespace) -> int:
    """Show a lab."""
    check_root()
    lab = open_lab(options.name, options.state_dir)
    found = lab.status()
    if options.json:
        print(json.dumps(found, indent=2))
        return 0
    controller = CONTROLLER_URL if lab.plan.docker else lab.plan.controller
    print(f"lab {lab.name} in {lab.path}, controller {controller or 'none'}")
    for name, machine in found["machines"].items():
        if name not in lab.hosts:
            print(f"{name:<12} {'on' if machine['on'] else 'off'}")
            continue
        host = lab.hosts[name]
        print(f"{name:<12} {host.address:<15} dpid {host.dpid:016x}  {', '.join(_words(machine))}")
        for endpoint in host.endpoints.values():
            print(f"  {endpoint.plan.place:<10} {endpoint.ip:<15} {endpoint.mac}  {endpoint.network}  {endpoint.port}")
    return 0


def _words(machine: Mapping[str, bool]) -> list[str]:
    """What a host's status says, for people."""
    words = ["on" if machine["on"] else "off", "ovs runs" if machine["ovs"] else "no ovs"]
    words += [f"{it} runs" if machine[it] else f"no {it}" for it in ("docker", "agent") if it in machine]
    return [*words, "connected" if machine["connected"] else "not connected"]


def execute(options: argparse.Namespace) -> int:
    """Run a command at a place, with our stdin and terminal; its exit code is ours."""
    check_root()
    words = options.words[1:] if options.words[:1] == ["--"] else options.words
    if not words:
        raise UsageError(f"no command; say: exec {options.place} -- COMMAND")
    place = open_lab(options.name, options.state_dir).place(options.place)
    received: list[int] = []
    process = place.popen(words, foreground=True)

    def forward(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if number not in {signal.SIGINT, signal.SIGQUIT}:  # these the terminal sends to the command itself
            process.send_signal(number)

    for number in TERMINAL_SIGNALS:
        signal.signal(number, forward)
    code = process.wait()
    if code == FAILED and received:  # nsenter could not die of the signal as its command did
        return SIGNALLED + received[0]
    return SIGNALLED - code if code < 0 else code


def down(options: argparse.Namespace) -> int:
    """Remove labs; it is no error when there are none."""
    check_root()
    if options.started_below is not None:
        gone = remove_started_below(options.started_below, options.state_dir)
    elif options.all:
        gone = remove_all(options.state_dir)
    else:
        gone = [options.name] if remove(options.name, options.state_dir) else []
    say(f"removed: {', '.join(gone)}" if gone else "nothing to remove")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says."""
    options = parser().parse_args(arguments)
    try:
        return {"up": up, "status": status, "exec": execute, "down": down}[options.command](options)
    except UsageError as refusal:
        say(f"daoli.lab: {refusal}")
        return REFUSED
    except (LabError, OSError, subprocess.SubprocessError) as failure:
        say(f"daoli.lab: {failure}")
        return FAILED
    except KeyboardInterrupt:
        say("daoli.lab: interrupted; what was begun is removed")
        return SIGNALLED + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
