"""A policy as a file."""

from __future__ import annotations

import io

import pytest

from daoli.cli.policy_file import PolicyFile, difference, exported, load
from daoli.cli.session import Failure


def read(text: str) -> PolicyFile:
    file = io.StringIO(text)
    file.name = "p.yaml"
    return load(file)


def test_load() -> None:
    """Groups and rules are read; a rule without an id gets one that is always the same."""
    text = "groups: {b: [n1, n2]}\nrules:\n- {id: x, action: allow}\n- {action: deny, priority: 7}\n"
    policy = read(text)
    assert policy.groups == {"b": ["n1", "n2"]}
    assert policy.rules[0] == {"id": "x", "action": "allow"}
    assert policy.rules[1]["id"] == read(text).rules[1]["id"] != "x"
    assert policy.body()["groups"] == [{"name": "b", "networks": ["n1", "n2"]}]
    assert policy.lines == (3, 4)
    assert read("rules: []").body() == read("groups:").body() == {"groups": [], "rules": []}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "p.yaml is not YAML"),
        ("- 1", "it has groups and rules, and nothing else"),
        ("rule: []", "it has groups and rules, and nothing else"),
        ("groups: [b]", "groups are written as NAME"),
        ("groups: {b: n}", "groups are written as NAME"),
        ("rules: {a: b}", "rules are a list"),
        ("rules: [{action: allow, port: 1}]", "p.yaml, line 1: a rule has no field port"),
        ("rules:\n- {id: x, action: allow}\n- {id: x, action: deny}", "p.yaml, line 3: two rules have the id x"),
        ("", "p.yaml is empty"),
        ("# only this\n", "p.yaml is empty"),
    ],
)
def test_wrong(text: str, reason: str) -> None:
    """What is no policy is refused in words."""
    with pytest.raises(Failure, match=reason):
        read(text)


def test_place() -> None:
    """A field of the body is found again in the file."""
    policy = read("groups: {}\nrules:\n- action: allow\n  ports: [1]\n- action: deny\n")
    assert [policy.place(field) for field in ("rules[1].ports[0]", "rules[0]", "groups[0].name", "rules[7]")] == [
        "line 5",
        "line 3",
        "",
        "",
    ]


def test_export_and_back() -> None:
    """What the API lists is written without defaults, and is the same policy when it is read again."""
    rule = {"id": "x", "action": "allow", "priority": 100, "source": {"network": "n", "cidr": None}, "destination": {}}
    found = exported([{"name": "b", "networks": ("n",)}], [rule | {"source_matches": 3, "ports": []}])
    assert found == {
        "groups": {"b": ["n"]},
        "rules": [{"id": "x", "action": "allow", "source": {"network": "n"}}],
    }


def test_difference() -> None:
    """What goes, comes or changes is a line each; what is the same is none."""
    old = PolicyFile({"a": ["n"], "same": ["n"]}, [{"id": "x", "action": "allow"}])
    new = PolicyFile({"same": ["n"], "b": []}, [{"id": "x", "action": "deny", "comment": "why"}])
    assert difference(old, new) == [
        "- group a: n",
        "- rule x: allow any > any all priority 100",
        "+ rule x: deny any > any all priority 100  # why",
        "+ group b: no network",
    ]
    assert difference(old, old) == []


@pytest.mark.parametrize("until", ["2030-01-01T00:00:00Z", "2030-01-01T01:00:00+01:00"])
def test_same_time(until: str) -> None:
    """A time is the same as the one that the controller has, however it is written."""
    rules = [{"id": "x", "action": "deny", "until": text} for text in ("2030-01-01T00:00:00.000Z", until)]
    assert difference(*(PolicyFile({}, [rule]) for rule in rules)) == []
