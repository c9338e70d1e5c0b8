"""A stage on a lab whose places say what they are told to, for chapters that are tried by themselves."""

from __future__ import annotations

import io
import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from rich.console import Console

from daoli.lab import DockerLab
from daoli.lab.demo.stage import Stage


@dataclass
class Places:
    """Answers the commands that match a pattern; to others nothing is said."""

    said: Mapping[str, str] = field(default_factory=dict)
    code: int = 0
    commands: list[str] = field(default_factory=list)

    def exec(self, command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        text = shlex.join(command)
        self.commands.append(text)
        said = next((said for pattern, said in self.said.items() if re.search(pattern, text)), "")
        return subprocess.CompletedProcess(command, self.code, said, "")


@dataclass
class Switch:
    """A host that has these flows."""

    name: str
    held: list[str]

    def flows(self, *, stats: bool = False) -> list[str]:
        return [flow if stats else flow.replace("n_packets=3, ", "") for flow in self.held]


def api_of(**bodies: Any) -> Any:
    """Make an API that has these lists: ``endpoints`` at /endpoints, as it answers with them."""
    return SimpleNamespace(get=lambda path: SimpleNamespace(status=200, body={path[1:]: bodies.get(path[1:], [])}))


def stage_of(places: Places | None = None, **parts: Any) -> tuple[Stage, io.StringIO]:
    """Make a stage on a lab that consists of the given parts, and where it writes to."""
    output = io.StringIO()
    lab = SimpleNamespace(path=Path("/nowhere/lab"), place=lambda _: places or Places(), **parts)
    return Stage(Console(file=output, width=140), cast("DockerLab", lab)), output
