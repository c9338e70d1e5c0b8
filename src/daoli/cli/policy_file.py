"""A policy as a file: groups and rules in YAML. Pure but for reading it.

groups:
  backend: [dnet1, dnet2]
rules:
  - {id: web-db, action: allow, source: {label: app=web}, destination: {label: app=db}, protocol: tcp, ports: [5432]}
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, TextIO

from daoli.cli.rules import FIELDS, brief, content_id, moment_text, rule_text
from daoli.cli.session import Failure
from daoli.cli.yaml_file import read

Rule = dict[str, Any]


class PolicyFile(NamedTuple):
    """Networks by the names of groups, and rules, each with an id."""

    groups: dict[str, list[str]]
    rules: list[Rule]
    lines: tuple[int, ...] = ()
    """Where each rule stands in the file."""

    def body(self) -> dict[str, Any]:
        """Write it as the API takes it."""
        groups = [{"name": name, "networks": networks} for name, networks in self.groups.items()]
        return {"groups": groups, "rules": self.rules}

    def place(self, field: str) -> str:
        """Say where a field of the body stands, such as ``line 7`` for ``rules[2].ports``; empty if it is no rule's."""
        found = re.match(r"rules\[(\d+)\]", field)
        return f"line {self.lines[int(found[1])]}" if found and int(found[1]) < len(self.lines) else ""


def load(file: TextIO) -> PolicyFile:
    """Read a file; Failure where it is no policy. A rule without an id gets one that is made of what it says."""
    content, lines = read(file)
    if content is None:
        raise Failure(f"{file.name} is empty; for a policy without rules and groups write: rules: []")
    if not isinstance(content, dict) or content.keys() - {"groups", "rules"}:
        raise Failure(f"{file.name} is no policy: it has groups and rules, and nothing else")
    groups, rules = content.get("groups") or {}, content.get("rules") or []
    if not isinstance(groups, dict) or not all(isinstance(networks, list) for networks in groups.values()):
        raise Failure(f"{file.name}: groups are written as NAME: [NETWORK, …]")
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise Failure(f"{file.name}: rules are a list, each with its fields")
    named = {str(name): networks for name, networks in groups.items()}
    return PolicyFile(named, _numbered(file.name, rules, lines), tuple(lines))


def _numbered(name: str, rules: Iterable[Rule], lines: Iterable[int]) -> list[Rule]:
    found: dict[str, Rule] = {}
    for rule, line in zip(rules, lines, strict=True):
        if unknown := sorted(map(str, rule.keys() - set(FIELDS))):
            raise Failure(f"{name}, line {line}: a rule has no field {unknown[0]}; there are {', '.join(FIELDS)}")
        whole = {"id": str(rule.get("id") or content_id(rule)), **{key: rule[key] for key in rule if key != "id"}}
        if whole["id"] in found:
            raise Failure(f"{name}, line {line}: two rules have the id {whole['id']}")
        found[whole["id"]] = whole
    return list(found.values())


def exported(groups: Iterable[Mapping[str, Any]], rules: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Write what the API lists as a file has it."""
    return {
        "groups": {group["name"]: list(group["networks"]) for group in groups},
        "rules": [brief(rule) for rule in rules],
    }


def difference(there: PolicyFile, wanted: PolicyFile) -> list[str]:
    """Say in lines what is to come (+) and to go (-); nothing if both are the same."""
    old = {**_group_lines(there), **_rule_lines(there)}
    new = {**_group_lines(wanted), **_rule_lines(wanted)}
    lines = []
    for key in [*old, *(key for key in new if key not in old)]:
        if old.get(key) != new.get(key):
            lines += [f"{sign} {text}" for sign, text in (("-", old.get(key)), ("+", new.get(key))) if text]
    return lines


def _group_lines(policy: PolicyFile) -> dict[str, str]:
    return {
        f"group {name}": f"group {name}: {', '.join(networks) or 'no network'}"
        for name, networks in policy.groups.items()
    }


def _rule_lines(policy: PolicyFile) -> dict[str, str]:
    lines = {}
    for rule in policy.rules:
        comment = f"  # {rule['comment']}" if rule.get("comment") else ""
        lines[f"rule {rule['id']}"] = f"rule {rule['id']}: {rule_text(_timed(rule))}{comment}"
    return lines


def _timed(rule: Rule) -> Rule:
    """Have a rule's time as the API writes it, that the same time is the same text."""
    try:
        return rule | {"until": moment_text(datetime.fromisoformat(str(rule["until"])))}
    except (KeyError, ValueError):  # it has none, or one that the controller refuses
        return rule
