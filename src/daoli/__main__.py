"""``daoli``: the controller, the agent of a Docker host, its doctor, and the lab, each by its own command line.

Only the part that is asked for is imported.
"""

import sys
from collections.abc import Callable, Sequence
from importlib import import_module

COMMANDS = {
    "agent": ("daoli.agent.__main__", "make this Docker host part of the fabric, and keep it so"),
    "controller": ("daoli.controller", "run the controller"),
    "doctor": ("daoli.agent.doctor", "check each link of the chain on this host"),
    "lab": ("daoli.lab.__main__", "virtual Docker hosts on this machine"),
}
"""Command -> the module whose ``main`` takes the rest of the command line, and what it does."""

USAGE = 2


def usage() -> str:
    """What `daoli --help` says."""
    lines = [f"  {name:<12}{what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join(["usage: daoli COMMAND …", "", *lines, "", "daoli COMMAND --help tells more.", ""])


def main(arguments: Sequence[str] | None = None) -> int | None:
    """Hand the command line to the part that it names; give that one's exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] in (["-h"], ["--help"]):
        sys.stdout.write(usage())
        return 0
    if not words or words[0] not in COMMANDS:
        sys.stderr.write(f"daoli: no command {words[0]!r}\n\n{usage()}" if words else usage())
        return USAGE
    run: Callable[[Sequence[str]], int | None] = import_module(COMMANDS[words[0]][0]).main
    return run(words[1:])


if __name__ == "__main__":
    sys.exit(main())
