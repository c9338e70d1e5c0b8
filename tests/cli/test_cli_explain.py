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
    "live_route": None,
}


def test_allowed(api: FakeApi, run: Run) -> None:
    """The verdict, its reason, the path, the live route and the flows are told."""
    api.says("GET", "/explain", ALLOWED)
    assert run("explain", "web", "db", "5432/tcp").out == (
        "web > db 5432/tcp: allowed, deliverable\n"
        "reason:    same network\n"
        "path:      h1 > h2\n"
        "route:     none now; the first packet opens it\n"
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
    api.refuses("GET", "/explain", 404, "no endpoint has the id, name or address e1a", field="source")
    api.refuses("GET", "/explain", 404, "no endpoint has the id, name or address e2b", field="destination")
    api.says("GET", "/explain", ALLOWED)
    api.refuses("GET", "/endpoints/e1a", 404, "there is no endpoint e1a")
    api.refuses("GET", "/endpoints/e2b", 404, "there is no endpoint e2b")
    api.says("GET", "/endpoints", {"endpoints": [endpoint("e1abc"), endpoint("e2bcd", name="db")]})
    assert run("explain", "e1a", "e2b").code == 0
    assert api.asked[-1].path == "/explain?source=e1abc&destination=e2bcd"


def test_address_of_nobody(api: FakeApi, run: Run) -> None:
    """An address inside a network that nobody has is told in the controller's words, and not looked for."""
    api.refuses("GET", "/explain", 404, "no endpoint has the address 10.1.0.99", field="destination")
    said = run("explain", "web", "10.1.0.99")
    assert said.code == 1
    assert "no endpoint has the address 10.1.0.99" in said.err
    assert len(api.asked) == 1


def test_refused(api: FakeApi, run: Run) -> None:
    """Another refusal is told as it is; what no packet carries is refused before."""
    api.refuses("GET", "/explain", 422, "2 endpoints are named web: e1 (10.1.0.2 on host h1), ...")
    said = run("explain", "web", "db", "icmp")
    assert said.code == 1
    assert "2 endpoints are named web" in said.err
    assert run("explain", "web", "db", "8/icmp").code == 2


COUNTED: dict[str, Any] = {"packets": 3, "bytes": 294, "packets_back": 2, "bytes_back": 196, "problem": None}
END: dict[str, Any] = {
    "id": "e1",
    "name": "web",
    "address": "10.1.0.2",
    "host": "h1",
    "connected": True,
    "settled": True,
    "port": "dl1",
    "port_no": 5,
    "link": "up",
    "uplink": "eth1",
    "uplink_link": "up",
    "gateway": False,
}


def test_live_state(api: FakeApi, run: Run) -> None:
    """Both ends, the name, and each live route with what both hosts count are told."""
    away = {"connected": False, "settled": False, "port_no": None, "link": None, "uplink_link": None}
    names = {"resolves": True, "reason": "both are on network n", "names": ["db", "db.n"], "also": ["10.1.0.9"]}
    route = {"id": 4, "source": "e1", "destination": "e2", "protocol": "tcp", "source_port": 40000}
    route |= {"destination_port": 5432, "age_seconds": 12.0, "source_address": "", "destination_address": ""}
    missing = {"host": "h2", "problem": "host h2 is not connected"} | dict.fromkeys(set(COUNTED) - {"problem"})
    live = {
        "source_end": END,
        "destination_end": END | away | {"id": "e2", "name": "db", "host": "h2", "port": "dl2"},
        "names": names,
        "routes": [{"route": route, "counters": [{"host": "h1", **COUNTED}, missing]}],
        "routes_total": 3,
    }
    api.says("GET", "/explain", ALLOWED | live | {"flows": []})
    assert run("explain", "web", "db").out.splitlines()[3:] == [
        "source:    web, 10.1.0.2 on h1, port dl1 (5) up, host settled, uplink eth1 up",
        "to:        db, 10.1.0.2 on h2, port dl2 missing, host not connected, uplink eth1 missing",
        "name:      found as db, db.n; also leads to 10.1.0.9",
        "route:     4 is live, web:40000 > db:5432 tcp, for 12s",
        "  on h1: 3 packets, 294 bytes forth; 2 packets, 196 bytes back",
        "  on h2: host h2 is not connected",
        "route:     2 more; daolictl route ls lists them",
    ]
    unknown = names | {"resolves": False, "reason": "no agent", "names": [], "also": []}
    api.answers.clear()
    api.says("GET", "/explain", ALLOWED | {"names": unknown})
    assert "name:      db is not found by name: no agent\n" in run("explain", "web", "db").out


def test_outside(api: FakeApi, run: Run) -> None:
    """A source that is outside enters by a host, and the published ports that lead there are told."""
    outside = END | {
        "id": None,
        "name": None,
        "address": "198.51.100.7",
        "port": "daoli",
        "port_no": 4294967294,
        "gateway": True,
    }
    ports = [
        {"id": "p1", "host": "h1", "address": None, "protocol": "tcp", "port": 8080, "target_port": 80},
        {"id": "p2", "host": None, "address": "192.0.2.1", "protocol": "tcp", "port": 81, "target_port": 80},
    ]
    api.says("GET", "/explain", ALLOWED | {"source": None, "source_end": outside, "published": ports, "flows": []})
    assert run("explain", "198.51.100.7", "db", "80/tcp", "--via", "h1").out.splitlines()[3:-1] == [
        "source:    198.51.100.7 on h1, port daoli (LOCAL) up, host settled, uplink eth1 up, a gateway",
        "published: port 8080/tcp of host h1 leads to its port 80",
        "published: 192.0.2.1:81/tcp of every host leads to its port 80",
    ]
    assert api.asked[0].path == "/explain?source=198.51.100.7&destination=db&protocol=tcp&port=80&via=h1"


def test_why_not(api: FakeApi, run: Run) -> None:
    """What would have to change is told with the commands, and what else is in the way."""
    why_not = {
        "said": "policy denies it: different networks",
        "remedies": [
            {"said": "a rule", "touches": "nothing else", "steps": [{"command": "daolictl rule add …"}]},
            {"said": "a group", "touches": "much", "steps": [{"command": "daolictl group put …"}]},
        ],
        "besides": ["host h2 is not connected: see there"],
    }
    api.says("GET", "/explain", ALLOWED | {"why_not": why_not, "flows": []})
    assert run("explain", "web", "db", "--why-not").out.splitlines()[4:] == [
        "why not:   policy denies it: different networks",
        "change:    a rule; it touches: nothing else",
        "             daolictl rule add …",
        "or:        a group; it touches: much",
        "             daolictl group put …",
        "besides:   host h2 is not connected: see there",
    ]
    assert api.asked[0].path == "/explain?source=web&destination=db&why_not=true"
