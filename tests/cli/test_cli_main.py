"""The program itself: its exit codes, and how it starts."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.cli.conftest import Run
from tests.cli.fake import FakeApi

from daoli.cli.__main__ import EXIT_CODES

HEAVY = ("rich", "yaml", "pydantic", "aiohttp", "asyncio", "structlog")


def test_help_and_version(call: Run) -> None:
    """The help lists the exit codes; the version is told."""
    said = call("--help")
    assert said.code == 0
    assert all(f"  {code} " in said.out and text.split(";")[0] in said.out for code, text in EXIT_CODES.items())
    assert call("--version").out.startswith("daolictl ")


def test_nothing_to_do(call: Run) -> None:
    """Without a command the help is shown, as a wrong use."""
    said = call()
    assert said.code == 2
    assert "Commands:" in said.out + said.err


def test_unreachable(call: Run) -> None:
    """A controller that is away is told by its URL, and where to change that; the exit code is its own."""
    said = call("host", "ls", "--controller", "unix:/nowhere/api.sock")
    assert (said.code, said.out) == (3, "")
    assert said.err.splitlines() == [
        "daolictl: the daoli controller at unix:/nowhere/api.sock cannot be reached: no such file or directory",
        "  is it running there? --controller or DAOLI_CONTROLLER says where it is",
    ]


def test_token_is_wanted(api: FakeApi, run: Run) -> None:
    """A refusal ends with exit code 1, and says what may help."""
    api.refuses("GET", "/hosts", 401, "the token is wrong")
    said = run("host", "ls")
    assert said.code == 1
    assert said.err.startswith("daolictl: the token is wrong\n  name the token's file with --token-file")


def test_unknown_thing(api: FakeApi, run: Run) -> None:
    """What is not found among several is a failure in words."""
    api.says("GET", "/publish", {"publications": []})
    assert run("publish", "rm", "x") == (
        1,
        "",
        "daolictl: there is no publication x; daolictl publish ls lists them\n",
    )


def test_closed_pipe(api: FakeApi) -> None:
    """Who reads no further ends it quietly."""
    networks = [{"name": f"n{n}", "subnet": "x" * 100} for n in range(5000)]
    api.says("GET", "/networks", {"networks": networks})
    program = [sys.executable, "-m", "daoli.cli", "--controller", api.url, "network", "ls"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"NAME")
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 1


@pytest.mark.parametrize("module", HEAVY)
def test_starts_light(module: str) -> None:
    """What not every command needs is not imported with the command line."""
    program = f"import sys, daoli.cli.__main__; sys.exit({module!r} in sys.modules)"
    subprocess.run([sys.executable, "-c", program], timeout=30, check=True)
