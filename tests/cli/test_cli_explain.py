"""``daolictl explain``."""

from __future__ import annotations

from typing import Any

from tests.cli.conftest import Run
from tests.cli.fake import FakeApi, endpoint

ALLOWED: dict[str, Any] = {
    "source": "e1",
    "destination": "e2",
    "protocol": "tcp",
    "port": 5432,
    "allowed": True,
    "deliverable": True,
    "reason": "same network",
    "rule": None,
    "problems": [],
    "path": ["h1", "h2"],
    "flows": [{"host": "h1", "flow": "table=1,ip actions=output:1"}],
    "live_route": 4,
}


def test_allowed(api: FakeApi, run: Run) -> None:
    """The verdict, its reason, the path, the live route and the flows are told."""
    api.says("GET", "/explain", ALLOWED)
    assert run("explain", "web", "db", "5432/tcp").out == (
        "web > db 5432/tcp: allowed, deliverable\n"
        "reason:    same network\n"
        "path:      h1 > h2\n"
        "route:     4 is live\n"
        "flow:      on h1: table=1,ip actions=output:1\n"
    )
    assert api.asked[0].path == "/explain?source=web&destination=db&protocol=tcp&port=5432"
    assert run("explain", "web", "db", "-o", "name").out == "allowed\n"


def test_denied(api: FakeApi, run: Run) -> None:
    """The rule that decided is named, and each problem."""
    denied = {"allowed": False, "deliverable": False, "rule": "r1", "problems": ["host h2 is not connected"]}
    quiet: dict[str, Any] = {"protocol": None, "port": None, "live_route": None, "flows": []}
    api.says("GET", "/explain", ALLOWED | denied | quiet)
    assert run("explain", "web", "db").out == (
        "web > db: denied, not delivered\n"
        "reason:    same network (rule r1)\n"
        "problem:   host h2 is not connected\n"
        "path:      h1 > h2\n"
        "route:     none now; the first packet opens it\n"
    )


def test_beginnings_of_ids(api: FakeApi, run: Run) -> None:
    """An endpoint that the controller does not know by this name is looked for by the beginning of its id."""
    api.refuses("GET", "/explain", 404, "no endpoint has the id, name or address e1a")
    api.says("GET", "/explain", ALLOWED)
    api.refuses("GET", "/endpoints/e1a", 404, "there is no endpoint e1a")
    api.says("GET", "/endpoints/db", endpoint("db"))
    api.says("GET", "/endpoints", {"endpoints": [endpoint("e1abc"), endpoint("db", name="db")]})
    assert run("explain", "e1a", "db").code == 0
    assert api.asked[-1].path == "/explain?source=e1abc&destination=db"


def test_refused(api: FakeApi, run: Run) -> None:
    """Another refusal is told as it is; what no packet carries is refused before."""
    api.refuses("GET", "/explain", 422, "2 endpoints are named web: e1 (10.1.0.2 on host h1), ...")
    said = run("explain", "web", "db", "icmp")
    assert said.code == 1
    assert "2 endpoints are named web" in said.err
    assert run("explain", "web", "db", "8/icmp").code == 2
