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


def test_rules(api: FakeApi, run: Run) -> None:
    """The rules that match the two are told in their order, with what each has to do with the verdict."""
    rules = [
        {"id": rule_id, "allow": allow, "priority": 100, "comment": comment, "applies": applies}
        for rule_id, allow, applies, comment in (
            ("r1", True, True, ""),
            ("r2", False, True, "why"),
            ("r3", True, False, ""),
        )
    ]
    more = {"rule": "r1", "reason": "allowed by rule r1", "rules": rules, "overridden": ["r2"], "live_route": None}
    api.says("GET", "/explain", ALLOWED | more | {"default": "same network", "granularity": "connection", "flows": []})
    assert run("explain", "web", "db", "5432/tcp").out.splitlines()[1:] == [
        "reason:    allowed by rule r1",
        "rule:      r1, allow, priority 100, decides",
        "rule:      r2, deny, priority 100, overridden: why",
        "rule:      r3, allow, priority 100, speaks of other traffic",
        "default:   same network",
        "path:      h1 > h2",
        "route:     none now; the first packet opens one of that connection alone",
    ]


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
        "route:     none\n"
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
