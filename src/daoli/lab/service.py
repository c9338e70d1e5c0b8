"""A daemon of a machine, as a host's init system would run it: it outlives whoever starts it, and logs to a file.

All that is remembered is the pid file in the machine's own /run, so that another process can stop what this one has
started, and a machine that lost power knows of none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from daoli.lab.errors import LabError
from daoli.lab.machine import Machine

LAST_WORDS = 20
"""Lines of the log that an error shows."""

# NAME LOG COMMAND…: returns when the pid file is written. The daemon's parent is the machine's pid 1, which reaps it.
_START = """
name=$1 log=$2 pidfile=/run/$1.service; shift 2
if [ -s "$pidfile" ] && kill -0 "$(cat "$pidfile")" 2>/dev/null; then echo "it runs already" >&2; exit 1; fi
rm -f "$pidfile"
setsid --fork sh -c 'echo $$ >"$0"; exec "$@"' "$pidfile" "$@" </dev/null >>"$log" 2>&1
left=500
until [ -s "$pidfile" ]; do
  left=$((left - 1)); [ $left -gt 0 ] || { echo "it did not start" >&2; exit 1; }
  sleep 0.01
done
"""

_RUNS = '[ -s "/run/$1.service" ] && kill -0 "$(cat "/run/$1.service")" 2>/dev/null && echo yes || echo no'

# NAME SIGNAL SECONDS: returns when the daemon is gone.
_STOP = """
pidfile=/run/$1.service
[ -s "$pidfile" ] || exit 0
pid=$(cat "$pidfile")
kill -s "$2" "$pid" 2>/dev/null || true
left=$(($3 * 50))
while kill -0 "$pid" 2>/dev/null; do
  left=$((left - 1)); [ $left -gt 0 ] || { echo "it does not end within $3 s" >&2; exit 1; }
  sleep 0.02
done
rm -f "$pidfile"
"""


class Service:
    """A daemon that a machine may run."""

    def __init__(
        self,
        machine: Machine,
        name: str,
        ready: Callable[[], bool],
        *,
        start_timeout: float = 30.0,
        stop_timeout: int = 20,
    ) -> None:
        """``ready`` says whether it answers; it is asked only while the daemon runs. Timeouts are in seconds."""
        self.machine = machine
        self.name = name
        self.log = machine.path / f"{name}.log"
        self._ready = ready
        self._start_timeout = start_timeout
        self._stop_timeout = stop_timeout

    def __repr__(self) -> str:
        return f"<Service {self.name} of {self.machine.name}>"

    @property
    def title(self) -> str:
        """How errors call it."""
        return f"{self.name} of {self.machine.name}"

    @property
    def runs(self) -> bool:
        """Whether it runs, ready or not."""
        return self.machine.is_on and self.machine.script(_RUNS, self.name, what=self.title).strip() == "yes"

    def start(self, command: Sequence[str], env: Mapping[str, str] | None = None, *, wait: bool = True) -> None:
        """Start it, and wait until it is ready; LabError with its last words if it ends before, or takes too long."""
        words = [f"{name}={value}" for name, value in (env or {}).items()]
        self.machine.script(_START, self.name, str(self.log), "env", *words, *command, what=f"starting {self.title}")
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until it is ready; LabError with its last words if it ends before, or takes too long."""
        deadline = time.monotonic() + self._start_timeout
        while not self._ready():
            if not self.runs:
                raise LabError(f"{self.title} has ended; its last words:\n{self.last_words()}")
            if time.monotonic() > deadline:
                raise LabError(
                    f"{self.title} is not ready after {self._start_timeout:g} s; its last words:\n{self.last_words()}"
                )
            time.sleep(0.03)

    def stop(self) -> None:
        """Ask it to end (SIGTERM), and wait until it has; nothing happens when it does not run."""
        self._end("TERM")

    def kill(self) -> None:
        """End it without a word to it (SIGKILL)."""
        self._end("KILL")

    def _end(self, signal: str) -> None:
        try:
            self.machine.script(_STOP, self.name, signal, str(self._stop_timeout), what=f"ending {self.title}")
        except LabError as failure:
            raise LabError(f"{failure}; its last words:\n{self.last_words()}") from failure

    def last_words(self) -> str:
        """The end of its log."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return "(it has no log)"
        return "\n".join(lines[-LAST_WORDS:]) or "(its log is empty)"
