"""The controller as a process: how it starts, what it refuses, how it ends. On loopback, without a datapath."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from daoli.controller import UNUSABLE, fail, main
from daoli.settings import Settings

PATIENCE = 15.0
"""Seconds in which a process must have started or ended; it takes a fraction of one."""


def environment() -> dict[str, str]:
    """Ours, without settings of a controller."""
    return {name: value for name, value in os.environ.items() if not name.startswith("DAOLI_")}


def command(*flags: str) -> list[str]:
    return [sys.executable, "-m", "daoli.controller", "--log-format", "json", *flags]


class Running:
    """A controller that listens on free ports of loopback, from the moment that it says so."""

    def __init__(self, *flags: str, token: str | None = None) -> None:
        listen = ("--openflow-listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0")
        self.process = subprocess.Popen(
            command(*listen, *flags),
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.token = token
        self.said: list[dict[str, Any]] = []
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(json.loads(line) if line.startswith("{") else {"event": line})
            if self.said[-1]["event"] == "listening":
                break
        else:
            raise AssertionError(self.said)
        self.listening = self.said[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)
        assert self.process.stderr is not None
        self.process.stderr.close()

    def address(self, which: str) -> tuple[str, int]:
        """Where it says that it listens."""
        host, _, port = self.listening[which].rpartition(":")
        return host, int(port)

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Make a request to its API."""
        with contextlib.closing(http.client.HTTPConnection(*self.address("api"), timeout=PATIENCE)) as link:
            headers = {"Content-Type": "application/json"}
            if self.token is not None:
                headers["Authorization"] = f"Bearer {self.token}"
            link.request(method, path, None if body is None else json.dumps(body), headers)
            answer = link.getresponse()
            return answer.status, json.loads(answer.read())

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it; its exit code."""
        self.process.send_signal(number)
        _, rest = self.process.communicate(timeout=PATIENCE)
        self.said += [json.loads(line) for line in rest.splitlines()]
        return self.process.returncode


@pytest.fixture
def taken() -> Iterator[int]:
    """Yield a port of loopback that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


Refused = Callable[..., str]


def line_of(text: str) -> str:
    """The one line that is said, without the program's name."""
    assert text.startswith("daoli: ")
    assert text.count("\n") == 1
    assert text.endswith("\n")
    return text.removeprefix("daoli: ").rstrip("\n")


def refusal(*flags: str) -> str:
    """What a controller's process says that ends at once: one line, exit code 2, nothing on standard output."""
    done = subprocess.run(
        command(*flags),
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout) == (UNUSABLE, ""), done
    return line_of(done.stderr)


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Do as `refusal`, without a process of its own: those take their time to start."""
    monkeypatch.setattr("daoli.controller.configure_logging", lambda _: None)
    for name in set(os.environ) - set(environment()):
        monkeypatch.delenv(name)

    def ask(*flags: str) -> str:
        with pytest.raises(SystemExit) as end:
            main(flags)
        said = capsys.readouterr()
        assert (end.value.code, said.out) == (UNUSABLE, "")
        return line_of(said.err)

    return ask


LOOPBACK = ("--openflow-listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0")


# -- what is refused ---------------------------------------------------------------------------------------------


def test_bad_setting(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bad setting is refused with its name, from a flag as from the environment."""
    assert refusal("--idle-timeout", "0") == "idle_timeout: 0 is not between 1 and 65535 seconds"
    assert "--colour" in refused("--colour", "red")
    monkeypatch.setenv("DAOLI_LOG_LEVEL", "loud")
    assert refused().startswith("log_level: 'loud' is none of ")


def test_bad_file(refused: Refused, tmp_path: Path) -> None:
    """A settings file that is missing, no TOML, or has an unknown key is refused with its name."""
    file = tmp_path / "daoli.toml"
    assert str(file) in refused("--config", str(file))
    file.write_text("idle_timeout = \n")
    assert str(file) in refused("--config", str(file))
    file.write_text("idle_time = 5\n")
    assert "no setting is called 'idle_time'" in refused("--config", str(file))


def test_state_is_no_folder(refused: Refused, tmp_path: Path) -> None:
    """A state folder that is a file, or below one, is refused with its path."""
    file = tmp_path / "file"
    file.write_text("precious")
    for path in (file, file / "below"):
        assert str(file) in refused(*LOOPBACK, "--state", str(path))
    assert file.read_text() == "precious"


def test_state_that_cannot_be_made(refused: Refused) -> None:
    """A state folder that the system does not let us make is refused, also when we are root."""
    assert "/proc/daoli" in refused(*LOOPBACK, "--state", "/proc/daoli")


def test_damaged_state(refused: Refused, tmp_path: Path) -> None:
    """A state folder whose database is none is refused, and left as it is."""
    with Running("--state", str(tmp_path)) as controller:
        assert controller.end() == 0
    (database,) = [path for path in tmp_path.iterdir() if path.suffix in {".db", ".sqlite", ".sqlite3"}]
    for path in tmp_path.iterdir():
        if path.name.startswith(database.name) and path != database:
            path.unlink()
    database.write_bytes(b"not a database, but something of somebody's\n" * 100)
    before = database.read_bytes()
    assert str(tmp_path) in refused(*LOOPBACK, "--state", str(tmp_path))
    assert database.read_bytes() == before


def test_locked_state(tmp_path: Path) -> None:
    """A state folder that another controller holds is refused, and that one goes on."""
    with Running("--state", str(tmp_path)) as controller:
        assert str(tmp_path) in refusal(*LOOPBACK, "--state", str(tmp_path))
        assert controller.ask("GET", "/readyz")[0] == 200


def test_port_in_use(refused: Refused, tmp_path: Path, taken: int) -> None:
    """A port that is taken is refused with its number, OpenFlow's as well as the API's."""
    address = f"127.0.0.1:{taken}"
    said = refused("--state", "memory", "--api-listen", "127.0.0.1:0", "--openflow-listen", address)
    assert address in said
    assert "OpenFlow" in said
    assert address in refused("--state", "memory", "--openflow-listen", "127.0.0.1:0", "--api-listen", address)
    assert list(tmp_path.iterdir()) == []


def test_unknown_address(refused: Refused) -> None:
    """An address that is not this machine's is refused."""
    assert "192.0.2.1:6653" in refused("--state", "memory", "--openflow-listen", "192.0.2.1:6653")
    assert "no.such.name.invalid:1" in refused("--state", "memory", "--openflow-listen", "no.such.name.invalid:1")


def test_api_without_token(refused: Refused, tmp_path: Path) -> None:
    """An API that other machines can reach is refused without a token; the message says what to do."""
    for address in ("0.0.0.0:0", "[::]:0"):
        said = refused("--state", "memory", "--openflow-listen", "127.0.0.1:0", "--api-listen", address)
        assert address in said
        assert "token" in said
    assert "token" in refused("--state", "memory", "--api-token-file", str(tmp_path / "missing"))


@pytest.mark.parametrize("address", ["8653", "localhost", "::1:8653", "unix:", "127.0.0.1:99999"])
def test_bad_api_address(refused: Refused, address: str) -> None:
    """An API address that is none is refused, and the setting is named."""
    said = refused("--state", "memory", "--openflow-listen", "127.0.0.1:0", "--api-listen", address)
    assert said.startswith("api_listen: ")
    assert address in said


def test_unusable_unix_socket(refused: Refused, tmp_path: Path) -> None:
    """A socket's path that is a file is left alone; one in a folder that is missing is refused."""
    file = tmp_path / "file"
    file.write_text("precious")
    flags = ("--state", "memory", "--openflow-listen", "127.0.0.1:0", "--api-listen")
    assert str(file) in refused(*flags, f"unix:{file}")
    assert file.read_text() == "precious"
    assert str(tmp_path / "no") in refused(*flags, f"unix:{tmp_path / 'no' / 'socket'}")
    assert "too long" in refused(*flags, f"unix:{tmp_path / ('x' * 120)}")


def test_one_line_whatever_the_problem(capsys: pytest.CaptureFixture[str]) -> None:
    """A problem of several lines is told in one."""
    with pytest.raises(SystemExit) as end:
        fail("one\n  two\nthree")
    assert end.value.code == UNUSABLE
    assert capsys.readouterr().err == "daoli: one two three\n"


def test_main_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    """The entry point takes its arguments from its caller too."""
    with pytest.raises(SystemExit) as end:
        main(["--idle-timeout", "never"])
    assert end.value.code == UNUSABLE
    assert capsys.readouterr().err == "daoli: idle_timeout: 'never' in --idle-timeout is not a whole number\n"


# -- what runs ---------------------------------------------------------------------------------------------------


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    """The help mentions each flag, and goes to standard output."""
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    said = capsys.readouterr()
    assert (end.value.code, said.err) == (0, "")
    for name in (*Settings.__dataclass_fields__, "config", "version", "help"):
        assert f"--{name.replace('_', '-')}" in said.out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_cleanly(number: signal.Signals) -> None:
    """A signal ends it with exit code 0 within seconds, even with clients that hang on."""
    with Running("--state", "memory") as controller:
        with (
            socket.create_connection(controller.address("openflow"), PATIENCE) as switch,
            socket.create_connection(controller.address("api"), PATIENCE) as listener,
        ):
            assert switch.recv(4) == b"\x04\x00\x00\x10"  # its hello
            listener.sendall(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert listener.recv(15) == b"HTTP/1.1 200 OK"
            began = time.monotonic()
            assert controller.end(number) == 0
            assert time.monotonic() - began < 5
        assert "stopping" in [entry["event"] for entry in controller.said]
        assert {entry["level"] for entry in controller.said} == {"info"}


def test_log_lines() -> None:
    """What it says is one JSON object a line, and tells where it listens."""
    with Running("--state", "memory") as controller:
        assert controller.listening["openflow"].startswith("127.0.0.1:")
        assert controller.listening["state"] == "memory"
        assert controller.listening["hosts"] == 0
        assert controller.end() == 0


def test_state_survives(tmp_path: Path) -> None:
    """What was answered is there after SIGKILL, in a folder that only its owner can read."""
    network = {"name": "net", "subnet": "10.7.0.0/24"}
    folder = tmp_path / "new" / "state"
    with Running("--state", str(folder)) as controller:
        assert controller.ask("POST", "/networks", network)[0] == 201
        assert controller.end(signal.SIGKILL) == -signal.SIGKILL
    with Running("--state", str(folder)) as controller:
        assert controller.ask("GET", "/networks/net")[1]["subnet"] == network["subnet"]
        assert controller.end() == 0
    assert folder.stat().st_mode & 0o077 == 0


def test_memory_forgets() -> None:
    """State in memory is gone with the process."""
    with Running("--state", "memory") as controller:
        assert controller.ask("POST", "/networks", {"name": "net", "subnet": "10.7.0.0/24"})[0] == 201
    with Running("--state", "memory") as controller:
        assert controller.ask("GET", "/networks") == (200, {"networks": []})


def test_token(tmp_path: Path) -> None:
    """With a token the API asks for it, on loopback too."""
    file = tmp_path / "token"
    file.write_text("secret\n")
    with Running("--state", "memory", "--api-token-file", str(file)) as controller:
        status, problem = controller.ask("GET", "/hosts")
        assert (status, problem["type"]) == (401, "urn:daoli:problem:unauthorized")
        assert controller.ask("GET", "/healthz")[0] == 200
        controller.token = "secret"  # noqa: S105  the one above
        assert controller.ask("GET", "/hosts")[0] == 200
        assert "secret" not in json.dumps(controller.said)


def test_file_and_environment(tmp_path: Path) -> None:
    """A file and the environment set what no flag does."""
    file = tmp_path / "daoli.toml"
    file.write_text(f'openflow_listen = "127.0.0.1:0"\napi_listen = "nonsense"\nstate = "{tmp_path / "state"}"\n')
    variables = {"DAOLI_CONFIG": str(file), "DAOLI_API_LISTEN": f"unix:{tmp_path / 'api'}", "DAOLI_LOG_LEVEL": "debug"}
    with subprocess.Popen(
        command(), env={**environment(), **variables}, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stderr is not None
            said = next(line for line in process.stderr if '"listening"' in line)
            assert json.loads(said)["api"] == f"unix:{tmp_path / 'api'}"
            assert (tmp_path / "api").stat().st_mode & 0o777 == 0o600
            process.terminate()
            assert process.wait(PATIENCE) == 0
            assert not (tmp_path / "api").exists()
        finally:
            process.kill()


def test_stale_unix_socket(refused: Refused, tmp_path: Path) -> None:
    """The socket file of a controller that was killed is no obstacle; that of one that lives is."""
    path = tmp_path / "api"
    flags = ("--openflow-listen", "127.0.0.1:0", "--state", "memory", "--api-listen", f"unix:{path}")
    for again in range(2):
        with Running(*flags) as controller:
            assert controller.listening["api"] == f"unix:{path}", again
            assert str(path) in refused(*flags)
            controller.end(signal.SIGKILL)
        assert path.exists()
