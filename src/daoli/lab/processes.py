"""Processes of the real machine: find them by a mark in their environment, end them by pid and start time.

Nothing here goes by program name: a pid is only signalled through a pidfd, after its start time was compared.
"""

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

from daoli.lab.errors import LabError

T = TypeVar("T")

COMMAND_MARK = "DAOLI_LAB_COMMAND"
"""Environment variable that all processes of one command share, its daemonised descendants too."""

TERMINAL_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
"""Signals that reach a whole foreground process group, though they are meant for the command."""

_DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL")

KILL_TIMEOUT = 5.0
"""Seconds for killed processes to go; SIGKILL takes milliseconds, a pid namespace with many members some more."""


def wait_until(predicate: Callable[[], T], timeout: float = 10.0, interval: float = 0.02, what: str = "") -> T:
    """Poll until the predicate holds and return its (true) value; TimeoutError names what was waited for."""
    deadline = time.monotonic() + timeout
    while True:
        if value := predicate():
            return value
        if time.monotonic() >= deadline:
            raise TimeoutError(f"not within {timeout:g} s: {what or predicate}")
        time.sleep(interval)


@dataclass(frozen=True, slots=True)
class Pid:
    """A process that cannot be mistaken for a later one with the same number."""

    pid: int
    start: int
    """Clock ticks since boot, field 22 of /proc/PID/stat."""

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The process as it is now; None when there is none, or only a zombie."""
        stat = _stat(pid)
        return None if stat is None or stat[0] == "Z" else cls(pid, int(stat[19]))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read back str(pid); None for anything else."""
        pid, _, start = text.strip().partition(":")
        return cls(int(pid), int(start)) if pid.isdecimal() and start.isdecimal() else None

    def __str__(self) -> str:
        return f"{self.pid}:{self.start}"

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return Pid.of(self.pid) == self


def _stat(pid: int) -> list[str] | None:
    """Fields 3 (state) and on of /proc/PID/stat: the name before them may hold spaces and parentheses."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split() or None


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())


def children(pid: int) -> list[int]:
    """Pids of the direct children."""
    return [child for child in _pids() if (stat := _stat(child)) and int(stat[1]) == pid]


def ancestors(pid: int) -> list[Pid]:
    """The process itself, its parent, and so on up to pid 1."""
    found: list[Pid] = []
    while pid and (this := Pid.of(pid)):
        found.append(this)
        stat = _stat(pid)
        pid = int(stat[1]) if stat else 0
    return found


def environment(pid: int) -> dict[str, str]:
    """The environment that the process was started with; empty when it is gone."""
    try:
        data = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return {}
    pairs = (entry.partition(b"=") for entry in data.split(b"\0") if entry)
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


def marked(variable: str, value: str | None = None) -> list[tuple[Pid, dict[str, str]]]:
    """Processes whose environment has the variable (with that value), and their environments."""
    found = []
    for number in _pids():
        before = Pid.of(number)
        env = environment(number)
        if before and before.alive and variable in env and value in {None, env[variable]}:
            found.append((before, env))
    return found


def kill(pids: Sequence[Pid], timeout: float = KILL_TIMEOUT) -> None:
    """Kill these processes and wait until they are gone; LabError when one outlives the timeout."""
    deadline = time.monotonic() + timeout
    with ExitStack() as handles:
        dying = []
        for pid in pids:
            with suppress(ProcessLookupError):
                handle = os.pidfd_open(pid.pid)
                handles.callback(os.close, handle)
                if pid.alive:  # so the handle is this process's, not a later one's
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    dying.append((pid, handle))
        for pid, handle in dying:
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise LabError(f"process {pid.pid} did not die within {timeout:g} s of SIGKILL")


class Process(subprocess.Popen[str]):
    """A command inside a machine, held by an nsenter that waits for it outside.

    Signals go to the command, not to nsenter, whose return code is then the command's. ``kill`` ends all that the
    command started, daemons included. Leaving its ``with`` block kills it if it still runs.
    """

    def __init__(
        self,
        entrance: Sequence[str],
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        foreground: bool = False,
        **options: Any,
    ) -> None:
        """Start it: ``entrance`` is nsenter's command line, up to the command.

        The command dies with its nsenter, whoever kills that one. In the foreground it shares our terminal, and nsenter
        dies with us but not of the terminal's signals: a command that one of these kills then seems to exit with 1.
        """
        self.mark = uuid4().hex
        signals = ",".join(sig.name.removeprefix("SIG") for sig in TERMINAL_SIGNALS)
        shield = (*_DIE_WITH_PARENT, "env", f"--block-signal={signals}") if foreground else ()
        unshield = ("env", f"--default-signal={signals}") if foreground else ("env",)
        super().__init__(
            [*shield, *entrance, "--", *_DIE_WITH_PARENT, *unshield, *command],
            env={**(os.environ if env is None else env), COMMAND_MARK: self.mark},
            text=True,
            start_new_session=not foreground,
            **options,
        )

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.poll() is None:
            self.kill()
        super().__exit__(kind, value, trace)

    def _inside(self) -> list[int]:
        """The pid of the command, once nsenter has forked; empty when it ended."""
        if self.returncode is not None:
            return []
        # poll() would say nothing in a signal handler that interrupts wait().
        wait_until(lambda: Pid.of(self.pid) is None or children(self.pid), KILL_TIMEOUT, what="nsenter's fork")
        return children(self.pid)

    def send_signal(self, sig: int) -> None:
        """Signal the command inside."""
        for pid in self._inside():
            with suppress(ProcessLookupError):
                os.kill(pid, sig)

    def terminate(self) -> None:
        """Ask the command to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the command, all that it started, and nsenter."""
        deadline = time.monotonic() + KILL_TIMEOUT
        # nsenter goes last: when it cannot bury its child, the real pid 1 has to, and the machine's power-off waits
        # for that.
        self._inside()
        while pids := [pid for pid, _ in marked(COMMAND_MARK, self.mark)]:
            kill([pid for pid in pids if pid.pid != self.pid] or pids, deadline - time.monotonic())
            with suppress(subprocess.TimeoutExpired):
                self.wait(0.2)
        self.wait(KILL_TIMEOUT)


def run(
    process: Process, command: Sequence[str], stdin: str | None, timeout: float | None
) -> subprocess.CompletedProcess[str]:
    """Wait for the process and collect what it says; whatever interrupts the wait leaves nothing running."""
    try:
        output, errors = process.communicate(stdin, timeout)
    except subprocess.TimeoutExpired as late:
        process.kill()
        output, errors = process.communicate(timeout=KILL_TIMEOUT)
        raise subprocess.TimeoutExpired(list(command), late.timeout, output, errors) from late
    except BaseException:
        process.kill()
        process.communicate(timeout=KILL_TIMEOUT)
        raise
    return subprocess.CompletedProcess(list(command), process.returncode, output, errors)
