"""A controller in a lab: started as a user would, asked over its socket, ended in either way."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from daoli.lab import Lab, LabError
from daoli.lab.session import Controller

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.create(hosts=1, endpoints=1) as lab:
        yield lab


def test_controller_serves_until_it_is_stopped(lab: Lab) -> None:
    """A started controller answers; stopped, it ends with 0 and nobody listens any more."""
    controller = Controller(lab, name="stopped")
    controller.start()
    assert controller.get("/healthz").status == 200
    assert controller.stop() == 0
    with pytest.raises(OSError, match=r"No such file|refused"):
        controller.get("/healthz")


def test_killed_controller_is_gone(lab: Lab) -> None:
    """Kill ends the controller by SIGKILL; a second end of it is nothing."""
    controller = Controller(lab, name="killed")
    controller.start()
    assert controller.kill() in (-signal.SIGKILL, 128 + signal.SIGKILL)
    assert controller.stop() is None


def test_controller_that_cannot_start_says_why(lab: Lab) -> None:
    """A bad flag is a LabError with the controller's own words."""
    with pytest.raises(LabError, match="idle_timeout"):
        Controller(lab, "--idle-timeout", "0", name="bad").start()


def test_lab_is_posted_and_seen_as_connected(lab: Lab) -> None:
    """post_lab tells the controller of everything; events tell of it; the host connects."""
    with Controller(lab, name="posted") as controller:
        with controller.events() as events:
            controller.post_lab()
            kinds = {next(events)["kind"] for _ in range(3)}
        assert kinds == {"network.added", "host.added", "endpoint.added"}
        controller.wait_connected()
        assert [e["id"] for e in controller.get("/endpoints").body["endpoints"]] == ["h1-c1"]
