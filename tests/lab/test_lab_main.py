"""The command line, as a user meets it."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from daoli.lab import wait_until
from daoli.lab.__main__ import main
from daoli.lab.processes import environment, marked

DAOLI_LAB = [sys.executable, "-m", "daoli.lab"]


def run(*arguments: str | Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*DAOLI_LAB, *map(str, arguments)], input=stdin, capture_output=True, text=True, check=False)


@pytest.fixture
def lab(root: Path) -> Iterator[list[str]]:
    """Bring a lab up by the command line; yield the options that name it."""
    where = ["--name", "cli", "--state-dir", str(root)]
    assert run("up", "--hosts", "1", "--endpoints", "1", *where).returncode == 0
    yield where
    assert run("down", *where).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["up", "--hosts", "201"], "bad number of hosts 201: 1 to 200 are possible"),
        (["up", "--hosts", "0"], "bad number of hosts 0"),
        (["up", "--controller", "10.0.0.1"], "bad controller '10.0.0.1': say tcp:ADDRESS:PORT"),
        (["up", "--name", "../x"], "bad lab name '../x'"),
        (["up", "--no-join"], "--image and --no-join go with --docker"),
        (["up", "--docker", "--endpoints", "2"], "--endpoints, --networks and --controller do not go with --docker"),
        (["exec", "h1"], "no command; say: exec h1 -- COMMAND"),
        (["exec", "h1", "--"], "no command"),
        (["exec", "--name", "never", "h1", "--", "true"], "there is no lab never; labs here: none"),
        (["status", "--name", "never"], "there is no lab never"),
    ],
)
def test_refused(
    arguments: list[str],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A request that cannot be met is one line on stderr and exit code 2."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # up would catch this process's
    monkeypatch.setattr("daoli.lab.lab.check_programs", lambda **_: None)
    assert main([arguments[0], "--state-dir", str(tmp_path), *arguments[1:]]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"daoli.lab: {complaint}")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["sideways"], ["up", "--hosts", "many"], ["down", "--all", "--name", "x"]])
def test_misunderstood(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """What the command line does not know is refused with a hint and exit code 2."""
    with pytest.raises(SystemExit) as leave:
        main(arguments)
    assert leave.value.code == 2
    assert "usage: daoli.lab" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["up", "status", "exec h1 -- true", "down", "down --all"])
def test_not_root(command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command says in one line that it needs root."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert main(command.split()) == 2
    assert capsys.readouterr().err == "daoli.lab: the lab makes network namespaces: run it as root\n"


def test_missing_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without Open vSwitch, up says how to install it, and makes nothing."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr("daoli.lab.preflight.PACKAGES", {"openvswitch-switch": ("no-such-program",)})
    assert main(["up", "--state-dir", str(tmp_path)]) == 2
    assert capsys.readouterr().err.endswith("install them with: apt-get install -y openvswitch-switch\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.e2e
def test_closed_stderr(root: Path) -> None:
    """A reader of the progress that goes away does not stop the building."""
    command = [*DAOLI_LAB, "up", "--hosts", "1", "--endpoints", "0", "--name", "deaf", "--state-dir", str(root)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        process.stderr.close()
    assert process.returncode == 0
    assert run("status", "--name", "deaf", "--state-dir", root).returncode == 0


@pytest.mark.e2e
def test_life(root: Path) -> None:
    """A lab comes up with a line for each machine and a description, is shown, refuses to come up twice, and goes."""
    where = ["--name", "life", "--state-dir", str(root)]
    came = run("up", "--hosts", "2", "--networks", "2", "--json", *where)
    assert came.returncode == 0
    lines = came.stderr.splitlines()
    assert sorted(line.split(" (")[0] for line in lines[:-1]) == [
        "controller: ready",
        "fabric: ready",
        "h1: ready",
        "h2: ready",
    ]
    assert lines[-1].startswith("lab life is up: 2 hosts, 4 endpoints, 2 networks")
    described = json.loads(came.stdout)
    assert [body["network"] for body in described["endpoints"]] == ["dnet1", "dnet2", "dnet1", "dnet2"]

    again = run("up", *where)
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr == "daoli.lab: lab life is up already; end it with: down --name life\n"

    shown = json.loads(run("status", "--json", *where).stdout)
    assert shown["machines"]["h2"] == {"on": True, "ovs": True, "connected": False}
    assert {key: shown[key] for key in described} == described
    assert "h2/c2      10.2.0.11" in run("status", *where).stdout

    assert run("down", *where).stderr == "removed: life\n"
    gone = run("down", *where)
    assert (gone.returncode, gone.stderr) == (0, "nothing to remove\n")
    assert marked("DAOLI_LAB", str(root / "life")) == []


@pytest.mark.e2e
def test_down_all(root: Path) -> None:
    """All labs of a directory go at once."""
    for name in ("one", "two"):
        assert run("up", "--hosts", "1", "--endpoints", "0", "--name", name, "--state-dir", root).returncode == 0
    assert run("down", "--all", "--started-below", "1", "--state-dir", root).stderr == "removed: one, two\n"
    assert run("down", "--all", "--state-dir", root).stderr == "nothing to remove\n"


@pytest.mark.e2e
def test_exec(lab: list[str]) -> None:
    """Input, output, errors and exit code pass through."""
    done = run("exec", *lab, "h1/c1", "--", "sh", "-c", "cat; echo wrong >&2; exit 7", stdin="text")
    assert (done.returncode, done.stdout, done.stderr) == (7, "text", "wrong\n")
    assert run("exec", *lab, "controller", "hostname").stdout == "controller\n"
    assert run("exec", *lab, "fabric", "--", "no-such-program").returncode == 127
    assert run("exec", *lab, "h1", "--", "sh", "-c", "kill -9 $$").returncode == 128 + 9


@pytest.mark.e2e
def test_exec_bad_place(lab: list[str]) -> None:
    """A bad place is one line that lists the places, and exit code 2."""
    done = run("exec", *lab, "h1/c2", "--", "true")
    assert done.returncode == 2
    assert done.stderr == "daoli.lab: no place 'h1/c2' in lab cli; there are: h1, h1/c1, controller, fabric\n"


@pytest.mark.e2e
def test_exec_on_a_terminal(lab: list[str]) -> None:
    """The command has the caller's terminal, and Ctrl-C reaches it there; the caller lives on to tell its exit code."""
    master, slave = pty.openpty()
    name = os.ttyname(slave)
    script = "trap 'echo caught; exit 5' INT; tty; while :; do sleep 0.01; done"
    # setsid --ctty makes the terminal the controlling one, so that ^C means something.
    command = ["setsid", "--ctty", "--wait", *DAOLI_LAB, "exec", *lab, "h1/c1", "--", "sh", "-c", script]
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)  # so that reading ends when the command does
        said = b""
        while b"\n" not in said:
            said += os.read(master, 100)
        assert said.startswith(name.encode())
        os.write(master, b"\x03")
        while b"caught" not in said:
            said += os.read(master, 100)
        assert process.wait(5) == 5
    os.close(master)


@pytest.mark.e2e
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_exec_ends_with_its_caller(lab: list[str], number: int) -> None:
    """A signal to the caller is the command's too, and whatever ends the caller leaves no command behind."""
    command = [*DAOLI_LAB, "exec", *lab, "h1", "--", "env", "DAOLI_TEST_EXEC=1", "sleep", "86410"]
    with subprocess.Popen(command) as process:
        pids = wait_until(lambda: marked("DAOLI_TEST_EXEC", "1"))
        process.send_signal(number)
        code = process.wait(5)
    assert code == (-number if number == signal.SIGKILL else 128 + number)
    wait_until(lambda: not any(environment(pid.pid) for pid, _ in pids))
