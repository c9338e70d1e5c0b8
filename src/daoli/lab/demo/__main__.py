"""python -m daoli.lab.demo [--keep]: tells all chapters. Exit codes: 0 if every fact that it showed holds, else 1."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from daoli.lab.demo.joining import tell_joining, tell_starting
from daoli.lab.demo.moving import tell_idling, tell_moving
from daoli.lab.demo.publishing import tell_publishing
from daoli.lab.demo.refusing import tell_refusing
from daoli.lab.demo.stage import Failed, Stage
from daoli.lab.demo.talking import tell_fetching, tell_pinging, tell_tracing
from daoli.lab.docker_lab import DockerLab
from daoli.lab.errors import LabError

IDLE_TIMEOUT = 5
NO_LAB = 2

CHAPTERS = (
    partial(tell_joining, idle_timeout=IDLE_TIMEOUT),
    tell_starting,
    tell_pinging,
    tell_fetching,
    tell_tracing,
    tell_publishing,
    tell_refusing,
    tell_moving,
    partial(tell_idling, idle_timeout=IDLE_TIMEOUT),
)


def tell(stage: Stage) -> None:
    """Go through the chapters; what goes wrong is a fact that does not hold."""
    try:
        for chapter in CHAPTERS:
            chapter(stage)
    except (Failed, LabError, TimeoutError, OSError, subprocess.SubprocessError) as error:
        stage.check(f"{type(error).__name__}: {error}", holds=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Build a lab, tell the chapters on it, and take it down."""
    parser = argparse.ArgumentParser(prog="python -m daoli.lab.demo", description="Three Docker hosts, one network.")
    parser.add_argument("--keep", action="store_true", help="leave the lab running, to look around")
    keep = parser.parse_args(arguments).keep
    console = Console(force_terminal=True if sys.stdout.isatty() else None, width=None if sys.stdout.isatty() else 140)
    console.print(
        Panel.fit(
            "[bold]daoli[/]: multi-host networking for Docker without an overlay.\n"
            "Three virtual hosts, each with its own Docker engine and Open vSwitch; a controller; a machine outside."
        )
    )
    began = time.monotonic()
    try:
        lab = DockerLab.up(hosts=3, join=False, progress=partial(_ready, console))
    except LabError as error:
        console.print(f"[bold red]{escape(str(error))}")
        return NO_LAB
    stage = Stage(console, lab)
    try:
        tell(stage)
    finally:
        if keep:
            stage.say(
                f"The lab goes on: daoli lab exec --name {lab.name} h1 docker ps; daoli lab down --name {lab.name}"
            )
        else:
            lab.down()
    return conclude(stage, time.monotonic() - began)


def _ready(console: Console, place: str, what: str) -> None:
    console.print(f"{place}: {what}", style="dim", highlight=False)


def conclude(stage: Stage, seconds: float) -> int:
    """Count the facts; give the exit code."""
    stage.console.print()
    if stage.failures:
        everything = stage.passed + len(stage.failures)
        stage.console.print(f"[bold red]{len(stage.failures)} of {everything} facts did not hold:")
        for failure in stage.failures:
            stage.console.print(f"  [red]{escape(failure)}", highlight=False)
        return 1
    stage.console.print(f"[bold green]All {stage.passed} facts held[/], in {seconds:.0f} s.", highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
