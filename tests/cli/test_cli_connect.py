"""``daolictl connect`` and ``disconnect``."""

from __future__ import annotations

from typing import Any

import pytest
from tests.cli.conftest import Run
from tests.cli.fake import FakeApi, endpoint
from tests.cli.test_cli_rule import CUT, ROUTE, RULE

from daoli.cli.connect import rule_of
from daoli.cli.ports import Traffic


@pytest.fixture
def two(api: FakeApi) -> FakeApi:
    """Let there be web and db."""
    known = [
        endpoint("e1abc"),
        endpoint("e3", ipv4="10.2.0.2", network="red"),
        endpoint("e2", name="db", ipv4="10.1.0.3", container="d" * 64),
    ]
    api.says("GET", "/endpoints", {"endpoints": known})
    api.says("GET", "/rules", {"rules": []})
    return api


def posted(api: FakeApi) -> dict[str, Any]:
    body: dict[str, Any] = api.asked[-1].body
    return body


def path_of(traffic: Traffic | None = None) -> str:
    return f"/rules/{rule_of('allow', 'web', 'db', traffic)['id']}"


def test_connect(two: FakeApi, run: Run) -> None:
    """It is a both-ways rule on two endpoints, by the names that people gave them."""
    two.says("PUT", path_of(Traffic("tcp", 5432)), RULE | CUT, 201)
    said = run("connect", "web", "db", "5432/tcp")
    assert said.out.startswith("rule 3f2a9c000001 made: ")
    assert posted(two) == {
        "id": posted(two)["id"],
        "action": "allow",
        "priority": 1000,
        "both_ways": True,
        "source": {"endpoint": "web"},
        "destination": {"endpoint": "db"},
        "protocol": "tcp",
        "ports": [5432],
    }


@pytest.mark.parametrize("text", ["e1abc", "e1", "10.2.0.2", "c0ff", "web"])
def test_by_name(text: str, two: FakeApi, run: Run) -> None:
    """Whatever an endpoint is named by, the rule has its container's name, which outlives the endpoint."""
    two.says("PUT", path_of(), RULE | CUT, 201)
    assert run("disconnect", text, "dddd").code == 0
    assert [posted(two)[side] for side in ("source", "destination")] == [{"endpoint": "web"}, {"endpoint": "db"}]


def test_nameless(api: FakeApi, run: Run) -> None:
    """An endpoint that nobody has named goes by its id."""
    known = [endpoint("e1", name=None, container=None), endpoint("e2", name="db", ipv4="10.1.0.3")]
    api.says("GET", "/endpoints", {"endpoints": known})
    api.says("GET", "/rules", {"rules": []})
    api.says("PUT", f"/rules/{rule_of('allow', 'e1', 'db', None)['id']}", RULE | CUT, 201)
    assert run("connect", "10.1.0.2", "db").code == 0


@pytest.mark.parametrize("text", ["db", "e2"])
def test_name_of_several(text: str, api: FakeApi, run: Run) -> None:
    """A name that containers of two hosts have is refused: the rule would mean both."""
    others = [endpoint(f"e{n}", name="db", host=f"h{n}", container=f"{n}" * 64) for n in (2, 3)]
    api.says("GET", "/endpoints", {"endpoints": [endpoint(), *others]})
    said = run("connect", "web", text)
    assert (said.code, said.err.splitlines()[0]) == (
        1,
        "daolictl: 2 containers are called db, on h2, h3: a rule goes by the name, and would mean all",
    )


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("other", ["web", "10.2.0.2"])
def test_same_container(other: str, run: Run) -> None:
    """A container is not connected with itself, by whatever it is named."""
    said = run("connect", "web", other)
    assert (said.code, said.err) == (
        1,
        f"daolictl: web and {other} are the same container, which reaches itself by no network\n",
    )


def test_disconnect_takes_the_place_of_connect(two: FakeApi, run: Run) -> None:
    """The rule of the same two and the same port that says otherwise is replaced in one request; its cuts are told."""
    two.answers["GET", "/rules"].clear()
    two.says("GET", "/rules", {"rules": [rule_of("allow", "web", "db", None)]})
    now = RULE | rule_of("deny", "web", "db", None)
    two.says("PUT", path_of(), now | CUT | {"cut": [ROUTE], "unconfirmed": ["h3"]})
    said = run("disconnect", "web", "db").out.splitlines()
    assert said[0].startswith(f"rule {now['id']} replaced: deny ")
    assert said[-2:] == ["1 route cut", "not confirmed by h3; their flows go when they are connected again"]
    assert [asked.method for asked in two.asked if asked.method != "GET"] == ["PUT"]
    assert posted(two)["action"] == "deny"


def test_dry_run_is_asked_for(two: FakeApi, run: Run) -> None:
    """What would be cut is asked for by the same request, and named."""
    cut = ROUTE | {"source": "e1abc"}
    two.says("PUT", path_of(), RULE | CUT | {"cut": [cut]})
    said = run("disconnect", "web", "db", "--dry-run").out.splitlines()
    assert said[0].startswith("rule 3f2a9c000001 would be made: ")
    assert said[-1] == "would cut route 7: web > 198.51.100.7:80"
    assert next(asked.path for asked in two.asked if asked.method == "PUT") == f"{path_of()}?dry_run=true"


def test_again(two: FakeApi, run: Run) -> None:
    """What is so already is said to be."""
    there = {**RULE, "protocol": None, "ports": [], **rule_of("deny", "web", "db", None)}
    two.answers["GET", "/rules"].clear()
    two.says("GET", "/rules", {"rules": [there]})
    two.says("PUT", path_of(), there | CUT)
    assert run("disconnect", "web", "db").out.startswith(f"rule {there['id']} was there already: ")


def test_refusals(two: FakeApi, run: Run) -> None:
    """A refusal is told."""
    two.refuses("PUT", path_of(), 422, "no")
    assert run("connect", "web", "db").code == 1


def test_same_id() -> None:
    """The id is that of the two and what they speak, whoever is named first and whatever is said of them."""
    assert rule_of("allow", "a", "b", None)["id"] == rule_of("deny", "b", "a", None)["id"]
    assert rule_of("allow", "a", "b", None)["id"] != rule_of("allow", "a", "b", Traffic("icmp"))["id"]
