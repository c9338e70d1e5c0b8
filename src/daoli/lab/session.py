"""A controller in a lab's `controller` machine, started as a user would, and requests to its API.

The machine has a network of its own, so the API listens on a unix socket in the lab's folder, which both sides see.
"""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, Self

from daoli.lab.connections import UnixConnection, answers
from daoli.lab.errors import LabError
from daoli.lab.lab import Lab
from daoli.lab.processes import Process, wait_until

START_TIMEOUT = 15.0
STOP_TIMEOUT = 10.0


class Answer(NamedTuple):
    """What the API said. `body` is the parsed JSON, or text where it is not JSON."""

    status: int
    body: Any


class Api:
    """Requests to the API of a lab's controller; ``connect`` makes a connection with the timeout that it is given."""

    def __init__(self, lab: Lab, connect: Callable[[float], http.client.HTTPConnection], token: str = "") -> None:
        """``token`` goes with each request."""
        self.lab = lab
        self._connect = connect
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def request(self, method: str, path: str, body: Any = None, *, timeout: float = 30.0) -> Answer:
        """Make one request; OSError if nobody listens."""
        connection = self._connect(timeout)
        try:
            if body is None:
                connection.request(method, path, headers=self._headers)
            else:
                headers = {**self._headers, "Content-Type": "application/json"}
                connection.request(method, path, json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        is_json = "json" in (response.getheader("Content-Type") or "")
        return Answer(response.status, json.loads(text) if is_json else text)

    def get(self, path: str) -> Answer:
        """Make a GET request."""
        return self.request("GET", path)

    def post(self, path: str, body: Any) -> Answer:
        """Make a POST request."""
        return self.request("POST", path, body)

    def put(self, path: str, body: Any) -> Answer:
        """Make a PUT request."""
        return self.request("PUT", path, body)

    def delete(self, path: str) -> Answer:
        """Make a DELETE request."""
        return self.request("DELETE", path)

    def answers(self) -> bool:
        """Whether the controller is there."""
        return answers(self._connect(5.0), "/healthz")

    def post_lab(self) -> None:
        """Tell the controller of everything in the lab; LabError at the first refusal."""
        description = self.lab.describe()
        for kind in ("networks", "hosts", "endpoints"):
            for body in description[kind]:
                answer = self.post(f"/{kind}", body)
                if answer.status not in (http.HTTPStatus.OK, http.HTTPStatus.CREATED):
                    raise LabError(f"POST /{kind} {body}: {answer.status} {answer.body}")

    def wait_connected(self, *hosts: str, timeout: float = 20.0) -> None:
        """Wait until these hosts (or all of the lab's) are connected and their flow tables are right."""
        wanted = set(hosts or self.lab.hosts)

        def connected() -> bool:
            return wanted <= {host["name"] for host in self.get("/hosts").body["hosts"] if host["status"]["connected"]}

        wait_until(connected, timeout)

    @contextmanager
    def events(self, *, timeout: float = 30.0) -> Iterator[Iterator[dict[str, Any]]]:
        """Follow GET /events: an iterator of the events' JSON."""
        connection = self._connect(timeout)
        try:
            connection.request("GET", "/events", headers=self._headers)
            yield _events(connection.getresponse())
        finally:
            connection.close()


class Controller(Api):
    """A controller process of a lab; `flags` are added to its command line."""

    def __init__(self, lab: Lab, *flags: str, name: str = "controller") -> None:
        self.flags = flags
        self.socket = lab.path / f"{name}.sock"
        super().__init__(lab, lambda timeout: UnixConnection(self.socket, timeout))
        self.log = lab.path / f"{name}.log"
        self.state = lab.path / f"{name}.state"
        self._process: Process | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def command(self) -> list[str]:
        """The command line, as a user would type it."""
        command = [sys.executable, "-m", "daoli.controller", "--openflow-listen", "0.0.0.0:6653"]
        command += ["--api-listen", f"unix:{self.socket}", "--state", str(self.state), "--log-format", "json"]
        return [*command, *self.flags]

    def start(self) -> None:
        """Start the controller; returns once its API answers. LabError with its last words if it does not."""
        with self.log.open("ab") as log:
            self._process = self.lab.controller.popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/"
            )
        with suppress(TimeoutError):
            wait_until(lambda: self._ended() or self.answers(), START_TIMEOUT)
        if self._ended() or not self.answers():
            last_words = self.log.read_text()[-2000:]
            self.stop()
            raise LabError(f"the controller did not start:\n{last_words}")

    def _ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def stop(self) -> int | None:
        """End the controller as systemd would (SIGTERM); give its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int | None:
        """End the controller without a word to it (SIGKILL)."""
        return self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        process.send_signal(number)
        try:
            return process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_TIMEOUT)
            raise LabError(f"the controller did not end within {STOP_TIMEOUT:.0f} s") from None


def _events(response: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    while line := response.readline():
        if line.startswith(b"data:"):
            yield json.loads(line[5:])
