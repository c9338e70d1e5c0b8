"""``daolictl doctor``."""

from __future__ import annotations

import json

from tests.cli.conftest import Run
from tests.cli.fake import FakeApi, host


def says_all(api: FakeApi, *hosts: dict[str, object]) -> None:
    api.says("GET", "/healthz", {"status": "ok"})
    api.says("GET", "/controller", {})
    api.says("GET", "/hosts", {"hosts": list(hosts), "unregistered": []})
    api.says("GET", "/endpoints", {"endpoints": []})
    api.says("GET", "/publish", {"publications": []})
    api.says("GET", "/rules", {"rules": []})
    api.says("GET", "/moves", {"moves": []})


def test_all_well(api: FakeApi, run: Run) -> None:
    """Where all is well each line says ok, and the exit code is 0."""
    says_all(api, host())
    api.says("GET", "/readyz", {})
    said = run("doctor")
    assert said.code == 0
    assert {line[0] for line in said.lines} == {"ok"}
    assert ["ok", "hosts", "1", "host,", "all", "connected"] in said.lines


def test_problem(api: FakeApi, run: Run) -> None:
    """What is wrong is a line with what to do, and makes the exit code 1."""
    says_all(api, host("h2", connected=False))
    api.refuses("GET", "/readyz", 503, "the store is being read")
    said = run("doctor")
    assert said.code == 1
    assert [line for line in said.out.splitlines() if line.startswith("problem")] == [
        "problem  ready            the store is being read; see the controller's log",
        "problem  hosts            h2 (192.0.2.1) is not connected; run daoli doctor on that host",
    ]
    assert run("doctor", "-o", "name").out == "ready\nhosts\n"
    told = json.loads(run("doctor", "-o", "json").out)
    assert told["ok"] is False
    assert {"check": "ready", "text": "the store is being read", "remedy": "see the controller's log"} in told[
        "findings"
    ]


def test_unreachable(call: Run) -> None:
    """Without a controller the rest is left out."""
    said = call("doctor", "--controller", "unix:/nowhere/api.sock")
    assert said.code == 1
    assert said.out.startswith(
        "problem  controller       the daoli controller at unix:/nowhere/api.sock cannot be reached"
    )
    assert said.out.endswith("; start it, or say where it is with --controller or DAOLI_CONTROLLER\n")
    assert said.out.count("\n") == 1


def test_token(api: FakeApi, run: Run) -> None:
    """A token that is wrong is told, and the rest left out."""
    api.says("GET", "/healthz", {})
    api.refuses("GET", "/controller", 401, "the token is wrong")
    said = run("doctor")
    assert said.code == 1
    assert said.lines[-1][:2] == ["problem", "token"]
    assert "--token-file or DAOLI_TOKEN_FILE" in said.out


def test_foreign(api: FakeApi, run: Run) -> None:
    """An API that refuses for another reason is told with its words."""
    api.says("GET", "/healthz", {})
    api.refuses("GET", "/controller", 403, "without a token the API is asked by address")
    assert "without a token the API is asked by address" in run("doctor").out
