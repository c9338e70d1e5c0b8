"""``daolictl status``."""

from __future__ import annotations

import json

from tests.cli.conftest import Run
from tests.cli.fake import FakeApi, host, move, publication

CONTROLLER = {
    "version": "0.1.0",
    "openflow": {"port": 6653},
    "pool": "10.210.0.0/16",
    "hosts": 2,
    "networks": 1,
    "endpoints": 5,
    "routes": 3,
    "refused": [
        {"address": "192.0.2.2", "host": "h2", "count": 3, "last_seconds": 4.0, "reason": "the token is wrong"}
    ],
    "ledger": {"written": 5, "dropped": 2, "problem": None},
}


def says_all(api: FakeApi) -> None:
    stray = {"dpid": "00000000000000ff", "peer": "192.0.2.9:5", "connected_seconds": 1.0}
    hosts = [host("h1"), host("h2", ("no datapath",), connected=False)]
    api.says("GET", "/controller", CONTROLLER)
    api.says("GET", "/hosts", {"hosts": hosts, "unregistered": [stray]})
    api.says("GET", "/publish", {"publications": [publication()]})
    api.says("GET", "/moves", {"moves": [move(), move("done")]})


def test_status(api: FakeApi, run: Run) -> None:
    """The whole is on one page, with what is wrong."""
    says_all(api)
    api.says("GET", "/readyz", {"status": "ready"})
    said = run("status")
    assert said.code == 0
    assert said.out == (
        f"Controller:   {api.url}, version 0.1.0, OpenFlow port 6653\n"
        "Ready:        yes\n"
        "Hosts:        2, 1 connected\n"
        "Networks:     1, pool 10.210.0.0/16\n"
        "Endpoints:    5\n"
        "Routes:       3\n"
        "Published:    1 port\n"
        "Moves:        1 under way\n"
        "Problem:      h2: no datapath\n"
        "Problem:      datapath 00000000000000ff at 192.0.2.9:5 is no host\n"
        "Problem:      h2 (192.0.2.2) was refused 3 times, the last 4s ago: the token is wrong\n"
        "Problem:      the ledger's file lacks 2 entries, which could not be written\n"
    )


def test_not_ready(api: FakeApi, run: Run) -> None:
    """A controller that is not ready says why; programs get all that was told."""
    says_all(api)
    api.refuses("GET", "/readyz", 503, "the store is being read")
    assert "Ready:        no: the store is being read\n" in run("status").out
    told = json.loads(run("status", "-o", "json").out)
    assert told["not_ready"] == "the store is being read"
    assert told["controller"] == CONTROLLER
    assert set(told) == {"controller", "not_ready", "hosts", "unregistered", "publications", "moves"}


def test_refused(api: FakeApi, run: Run) -> None:
    """Another answer about readiness is a refusal."""
    says_all(api)
    api.refuses("GET", "/readyz", 500, "something is wrong")
    assert run("status").code == 1
