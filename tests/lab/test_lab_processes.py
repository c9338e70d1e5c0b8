"""Finding and ending processes; none of these needs root."""

import os
import subprocess
import sys
from collections.abc import Iterator
from uuid import uuid4

import pytest

from daoli.lab.processes import Pid, ancestors, children, environment, kill, marked, wait_until

MARK = "DAOLI_TEST_MARK"


@pytest.fixture
def mark() -> str:
    return uuid4().hex


@pytest.fixture
def sleeper(mark: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a child that carries the mark and would sleep for long."""
    with subprocess.Popen(["sleep", "1000"], env={**os.environ, MARK: mark}) as process:
        wait_until(lambda: environment(process.pid).get(MARK))  # until then it is a fork of ours
        yield process
        process.kill()


def test_self_is_alive() -> None:
    """A process knows itself, as text too."""
    me = Pid.of(os.getpid())
    assert me is not None
    assert me.alive
    assert Pid.parse(str(me)) == me
    assert Pid.parse(f"{me}\n") == me


@pytest.mark.parametrize("text", ["", "1", "1:", ":1", "a:b", "1:-2", "1:2:3", "12 34"])
def test_parse_garbage(text: str) -> None:
    """Text that is no pid and start time is nothing."""
    assert Pid.parse(text) is None


def test_other_start_is_dead(sleeper: subprocess.Popen[bytes]) -> None:
    """A later process with the same number is not mistaken for the earlier one, and not killed for it."""
    this = Pid.of(sleeper.pid)
    assert this is not None
    earlier = Pid(this.pid, this.start - 1)
    assert not earlier.alive
    kill([earlier], timeout=0)
    assert this.alive


def test_zombie_is_dead(sleeper: subprocess.Popen[bytes]) -> None:
    """A process that only waits to be reaped does not count."""
    sleeper.kill()
    wait_until(lambda: Pid.of(sleeper.pid) is None)
    assert marked(MARK, environment(sleeper.pid).get(MARK, "none")) == []


def test_marked(sleeper: subprocess.Popen[bytes], mark: str) -> None:
    """A process is found by the mark in its environment, and only by the right one."""
    assert [(pid.pid, env[MARK]) for pid, env in marked(MARK, mark)] == [(sleeper.pid, mark)]
    assert sleeper.pid in [pid.pid for pid, _ in marked(MARK)]
    assert marked(MARK, "other") == []
    assert marked("DAOLI_TEST_MAR", mark) == []


def test_kill(sleeper: subprocess.Popen[bytes], mark: str) -> None:
    """What was killed is gone when kill returns; killing it again is no error."""
    pids = [pid for pid, _ in marked(MARK, mark)]
    kill(pids)
    assert not any(pid.alive for pid in pids)
    assert sleeper.wait() == -9
    kill(pids)


def test_family(sleeper: subprocess.Popen[bytes]) -> None:
    """Children and ancestors are each other's mirror."""
    assert sleeper.pid in children(os.getpid())
    line = [pid.pid for pid in ancestors(sleeper.pid)]
    assert line[:2] == [sleeper.pid, os.getpid()]
    assert line[-1] == 1


def test_name_with_parenthesis() -> None:
    """A program name that looks like the rest of the stat line does not confuse us."""
    code = "import pathlib; pathlib.Path('/proc/self/comm').write_text(') R 1'); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert [pid.pid for pid in ancestors(process.pid)][1] == os.getpid()
        process.kill()


def test_wait_until() -> None:
    """The value that ends the wait is returned; a wait that is too long names what it was for."""
    values = iter([0, 0, 7])
    assert wait_until(lambda: next(values), interval=0) == 7
    with pytest.raises(TimeoutError, match=r"not within 0 s: godot"):
        wait_until(lambda: False, timeout=0, what="godot")
