"""The demo is honest: it ends well only if every fact that it shows holds."""

from __future__ import annotations

import io
import re
import subprocess
import sys

import pytest
from rich.console import Console

from daoli.lab import demo


def test_a_fact_that_does_not_hold_is_a_failure() -> None:
    """What is checked and not so is shown as such, with the reason, and remembered."""
    output = io.StringIO()
    shown = demo.Demo(Console(file=output))
    shown.check("water is wet", holds=True)
    shown.check("pigs fly", holds=False, otherwise="no wings")
    assert (shown.passed, shown.failures) == (1, ["pigs fly"])
    assert "✗ pigs fly" in output.getvalue()
    assert "no wings" in output.getvalue()


def test_ping_times_are_read() -> None:
    """Round-trip times come from ping's own lines."""
    text = "64 bytes from 10.1.0.12: icmp_seq=1 ttl=62 time=2.23 ms\n64 bytes from x: icmp_seq=2 ttl=62 time=12 ms"
    assert demo.ping_times(text) == [2.23, 12.0]


@pytest.mark.e2e
def test_demo_holds() -> None:
    """`python -m daoli.lab.demo` runs through and says that all facts held."""
    done = subprocess.run(
        [sys.executable, "-m", "daoli.lab.demo"], capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert re.search(r"All 1[4-9] facts held", done.stdout)


@pytest.mark.e2e
def test_demo_fails_when_a_fact_does_not_hold(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A demo whose expectation is wrong says which fact did not hold, and ends with 1."""
    monkeypatch.setattr(demo, "ROUTER_ADDRESS", "10.1.0.254")
    assert demo.main([]) == 1
    output = capsys.readouterr().out
    assert "✗ the hops are 10.1.0.254" in output
    assert "1 of" in output
