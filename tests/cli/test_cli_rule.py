"""``daolictl rule``."""

from __future__ import annotations

from typing import Any

import pytest
from tests.cli.conftest import Run
from tests.cli.fake import FakeApi, endpoint

NOBODY = dict.fromkeys(("endpoint", "network", "group", "label", "cidr"))
RULE: dict[str, Any] = {
    "id": "3f2a9c000001",
    "action": "allow",
    "priority": 100,
    "source": NOBODY | {"network": "dnet1"},
    "destination": NOBODY | {"label": "app=db"},
    "protocol": "tcp",
    "ports": [5432],
    "both_ways": False,
    "until": None,
    "comment": "why",
    "source_matches": 2,
    "destination_matches": 0,
}
CUT: dict[str, Any] = {"revision": 5, "cut": [], "unconfirmed": []}
ROUTE: dict[str, Any] = {
    "id": 7,
    "source": "e1",
    "destination": None,
    "source_address": "10.1.0.2",
    "destination_address": "198.51.100.7",
    "destination_port": 80,
}


def test_ls(api: FakeApi, run: Run) -> None:
    """Rules are listed, with all columns if they are wanted."""
    api.says("GET", "/rules", {"rules": [RULE]})
    assert run("rule", "ls").lines[1] == "3f2a9c000001 100 allow network:dnet1 label:app=db tcp/5432 no - no".split()  # noqa: SIM905 - as it is read
    assert run("rule", "ls", "-o", "wide").lines[1][8:] == ["no", "2", "0", "why"]


@pytest.mark.parametrize(
    ("more", "matches"),
    [
        ({"destination_matches": 1}, "yes"),
        ({"source_matches": 0, "destination_matches": 1}, "no"),
        ({"destination": NOBODY | {"cidr": "192.0.2.0/24"}}, "yes"),
    ],
)
def test_matches(more: dict[str, Any], matches: str, api: FakeApi, run: Run) -> None:
    """A rule with a side that no endpoint is on does nothing, which is shown; addresses may be those of others."""
    api.says("GET", "/rules", {"rules": [RULE | more]})
    assert run("rule", "ls").lines[1][-1] == matches


def test_show(api: FakeApi, run: Run) -> None:
    """One rule is shown, a field a line."""
    api.says("GET", "/rules/3f2a", RULE)
    assert ["Destination", "matches:", "0"] in run("rule", "show", "3f2a").lines


def test_add(api: FakeApi, run: Run) -> None:
    """All that can be said of a rule reaches the API; what it is, and what matches nothing, is told."""
    api.says("POST", "/rules", RULE | CUT, 201)
    words = "allow --from network:dnet1 --to label:app=db --proto tcp --port 5432 --port 80-90 --priority 7 --both-ways"
    said = run("rule", "add", *words.split(), "--until", "2030-01-01T00:00:00Z", "--comment", "why", "--id", "x")
    assert said.out == (
        "rule 3f2a9c000001 made: allow network:dnet1 > label:app=db tcp/5432 priority 100\n"
        "its destination matches no endpoint now\n"
    )
    assert api.asked[0].path == "/rules"
    assert api.asked[0].body == {
        "id": "x",
        "action": "allow",
        "source": {"network": "dnet1"},
        "destination": {"label": "app=db"},
        "protocol": "tcp",
        "ports": [5432, "80-90"],
        "priority": 7,
        "both_ways": True,
        "until": "2030-01-01T00:00:00Z",
        "comment": "why",
    }


def test_add_dry_run(api: FakeApi, run: Run) -> None:
    """A rule that is only tried says which routes it would cut."""
    api.says("GET", "/endpoints", {"endpoints": [endpoint("e1")]})
    api.says("POST", "/rules", RULE | CUT | {"cut": [ROUTE]})
    said = run("rule", "add", "deny", "--dry-run", "--allow-unknown")
    assert api.asked[0].path == "/rules?allow_unknown=true&dry_run=true"
    assert said.out.splitlines()[0].startswith("rule 3f2a9c000001 would be made: ")
    assert said.out.splitlines()[-1] == "would cut route 7: web > 198.51.100.7:80"
    api.says("POST", "/rules", RULE | CUT)
    run("rule", "add", "deny", "--dry-run")
    assert run("rule", "add", "deny", "--dry-run").out.splitlines()[-1] == "would cut no route"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("allow --port 80", "--port needs --proto tcp or --proto udp"),
        ("allow --proto icmp --port 80", "--port needs"),
        ("allow --proto tcp --port x", "'x' is not a port"),
        ("allow --from net:x", "'net:x' is not any"),
        ("allow --until soon", "'soon' is neither"),
        ("permit", "'permit' is not one of"),
    ],
)
def test_wrong_use(words: str, reason: str, run: Run) -> None:
    """What makes no sense is refused before the controller is asked."""
    said = run("rule", "add", *words.split())
    assert said.code == 2
    assert reason in said.err


def test_rm(api: FakeApi, run: Run) -> None:
    """Rules are removed one by one; what that cut is told."""
    api.says("GET", "/endpoints", {"endpoints": [endpoint("e1")]})
    api.says("DELETE", "/rules/a", CUT | {"cut": [ROUTE]})
    api.refuses("DELETE", "/rules/b", 404, "there is no rule b")
    said = run("rule", "rm", "a", "b")
    assert (said.code, said.out) == (1, "rule a removed\n1 route cut\n")
    assert said.err == "daolictl: there is no rule b\n  daolictl rule ls lists what there is\n"
    assert run("rule", "rm", "a", "--dry-run").out.splitlines()[0] == "rule a would be removed"
