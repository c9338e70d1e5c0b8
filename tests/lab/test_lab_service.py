"""Daemons of a machine: started, found again, stopped, and asked for their last words."""

import sys
from collections.abc import Callable

import pytest

from daoli.lab import Lab, LabError, wait_until
from daoli.lab.service import LAST_WORDS, Service

pytestmark = pytest.mark.e2e

STUBBORN = "trap '' TERM; echo up; while :; do sleep 1; done"


def service(lab: Lab, name: str, stop_timeout: int = 10) -> Service:
    """Ready as soon as it has said something."""
    machine = lab.controller
    log = machine.path / f"{name}.log"
    log.unlink(missing_ok=True)
    return Service(
        machine, name, lambda: log.exists() and "up" in log.read_text(), start_timeout=10.0, stop_timeout=stop_timeout
    )


def test_life(shared_lab: Lab) -> None:
    """A service is ready when start returns, runs on by itself, and is gone when stop returns; twice is no error."""
    daemon = service(shared_lab, "life")
    assert not daemon.runs
    daemon.start(["sh", "-c", "echo $WORD; exec sleep 1000"], {"WORD": "up"})
    assert daemon.runs
    assert Service(shared_lab.controller, "life", lambda: True).runs
    with pytest.raises(LabError, match="starting life of controller failed: it runs already"):
        daemon.start(["true"])
    for _ in range(2):
        daemon.stop()
        assert not daemon.runs


def test_early_end(shared_lab: Lab) -> None:
    """One that ends before it is ready is an error with the end of its log."""
    daemon = service(shared_lab, "early")
    code = f"for n in range({LAST_WORDS + 10}): print('line', n)"
    with pytest.raises(LabError, match=r"(?s)early of controller has ended; its last words:\nline 10\n.*line 29$"):
        daemon.start([sys.executable, "-c", code])


def test_stubborn(shared_lab: Lab) -> None:
    """One that does not end when it is asked is an error; it can be killed."""
    daemon = service(shared_lab, "stubborn", stop_timeout=1)
    daemon.start(["sh", "-c", STUBBORN])
    with pytest.raises(LabError, match="it does not end within 1 s"):
        daemon.stop()
    daemon.kill()
    assert not daemon.runs


def test_power_loss(create: Callable[..., Lab]) -> None:
    """A machine that lost power runs no services, and forgets that it did."""
    lab = create(hosts=1, endpoints=0)
    daemon = service(lab, "brief")
    daemon.start(["sh", "-c", "echo up; exec sleep 1000"])
    lab.controller.power_off()
    assert not daemon.runs
    lab.controller.boot()
    assert not daemon.runs
    daemon.start(["sh", "-c", "exec sleep 1000"])
    wait_until(lambda: daemon.runs)


def test_last_words(shared_lab: Lab) -> None:
    """Without a log, or with an empty one, that is what is said."""
    daemon = Service(shared_lab.controller, "silent", lambda: True)
    assert daemon.last_words() == "(it has no log)"
    daemon.log.touch()
    assert daemon.last_words() == "(its log is empty)"
    daemon.log.unlink()
