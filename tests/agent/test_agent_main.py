"""`daoli agent` on the command line."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
import structlog
from tests.agent.test_agent_status import FakeAgent

from daoli.agent import __main__ as program
from daoli.agent.preflight import Unfit
from daoli.agent.serve import serving
from daoli.agent.settings import AgentSettings
from daoli.agent.status import make_status_app


@pytest.fixture(autouse=True)
def root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests counts as root, and the log stays as it is."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(program, "configure_logging", lambda _: structlog.reset_defaults())


def test_refusals(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be asked is a line each, and exit code 2."""
    assert program.main([]) == 2
    assert "controller: must be given, such as --controller http://192.0.2.1:8653" in capsys.readouterr().err
    assert program.main(["--uplink", "a b"]) == 2
    assert "is not an interface's name" in capsys.readouterr().err

    async def start(_: AgentSettings) -> None:
        raise Unfit(["no Docker", "no NIC"])

    monkeypatch.setattr(program, "start", start)
    assert program.main(["--controller", "http://192.0.2.1:8653"]) == 2
    assert capsys.readouterr().err == "daoli: no Docker\ndaoli: no NIC\n"
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert program.main(["--controller", "http://192.0.2.1:8653"]) == 2
    assert "run it as root" in capsys.readouterr().err


def test_errors_of_parts(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """An error from within a group of tasks is told as any other."""

    async def start(_: AgentSettings) -> None:
        raise ExceptionGroup("parts", [ExceptionGroup("deeper", [OSError("another process listens")])])

    monkeypatch.setattr(program, "start", start)
    assert program.main(["--controller", "http://192.0.2.1:8653"]) == 2
    assert capsys.readouterr().err == "daoli: another process listens\n"


def test_ends_on_a_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM ends the agent cleanly."""
    closed: list[bool] = []

    async def start(_: AgentSettings) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    monkeypatch.setattr(program, "start", start)
    assert program.main(["--controller", "http://192.0.2.1:8653"]) == 0
    assert closed == [True]


async def test_leaving_by_the_running_agent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A running agent does the leaving; its steps are printed, its refusal is ours."""
    settings = AgentSettings(status_socket=str(tmp_path / "agent.sock"))
    async with serving(make_status_app(FakeAgent()), tmp_path / "agent.sock"):
        with pytest.raises(Unfit, match="c1 is on blue"):
            await program.leave(settings, force=False)
        assert await program.leave(settings, force=True)
    assert capsys.readouterr().out == "deleted the bridge\n"


def test_leaving_without_an_agent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where no agent runs and nothing was joined there is nothing to undo."""
    words = ["--leave", "--state-dir", str(tmp_path / "state"), "--status-socket", str(tmp_path / "none.sock")]
    assert program.main(words) == 0
    assert "there is nothing to undo" in capsys.readouterr().out
