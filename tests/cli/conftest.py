"""daolictl in this process, against an API that says what a test wants, and one that a real controller serves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.cli.fake import FakeApi, serving

from daoli.cli.__main__ import main

PATIENCE = 20.0
"""Seconds in which a controller must have started or ended."""


class Said(NamedTuple):
    """What a call said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[list[str]]:
        """The words of each line on stdout."""
        return [line.split() for line in self.out.splitlines()]


Run = Callable[..., Said]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("DAOLI_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """Serve what the test puts in."""
    with serving() as fake:
        yield fake


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Run:
    """Call daolictl."""

    def run(*words: str) -> Said:
        code = main(words)
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run


@pytest.fixture
def run(api: FakeApi, call: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call daolictl with the fake API as its controller."""
    monkeypatch.setenv("DAOLI_CONTROLLER", api.url)
    return call


class Controller(NamedTuple):
    """Where a controller's process listens."""

    url: str
    openflow: int


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[Controller]:
    """Start a real controller."""
    url = f"unix:{tmp_path}/api.sock"
    flags = ("--state", "memory", "--openflow-listen", "127.0.0.1:0", "--api-listen", url, "--log-format", "json")
    command = [sys.executable, "-m", "daoli.controller", *flags]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = next((line for line in process.stderr if '"listening"' in line), None)
        assert said is not None, "the controller has ended"
        reader = threading.Thread(target=process.stderr.read)  # else the controller waits when the pipe is full
        reader.start()
        yield Controller(url, int(json.loads(said)["openflow"].rpartition(":")[2]))
        process.terminate()
        reader.join(PATIENCE)
