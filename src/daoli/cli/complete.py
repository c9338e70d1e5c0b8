"""Names that the shell may complete: the controller is asked, and if it does not answer at once there are none."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from daoli.cli.client import Client, Refused, Unreachable
from daoli.cli.rules import rule_text
from daoli.cli.session import FLAGS
from daoli.cli.settings import resolve

PATIENCE: Final = 1.0
"""Seconds that a person who has pressed Tab waits."""

Names = Callable[[Client], Iterable[tuple[str, str]]]
"""Gives words and a help text for each."""


def from_controller(names: Names) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Make a completion of what the controller knows."""

    def complete(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            settings = replace(resolve(context.meta.get(FLAGS, {}), os.environ), timeout=PATIENCE)
            found = list(names(Client(settings)))
        except (Unreachable, Refused, click.UsageError):
            return []
        return [CompletionItem(word, help=text) for word, text in found if word.startswith(incomplete)]

    return complete


def _hosts(client: Client) -> Iterable[tuple[str, str]]:
    return [(host["name"], host["address"]) for host in client.get("/hosts")["hosts"]]


def _networks(client: Client) -> Iterable[tuple[str, str]]:
    return [(network["name"], network["subnet"]) for network in client.get("/networks")["networks"]]


def _endpoints(client: Client) -> Iterable[tuple[str, str]]:
    endpoints: list[dict[str, Any]] = client.get("/endpoints")["endpoints"]
    named = {endpoint["name"]: endpoint for endpoint in endpoints if endpoint["name"]}
    unnamed = [(e["id"], f"{e['ipv4']} on {e['host']}") for e in endpoints if not e["name"]]
    return [(name, f"{e['ipv4']} on {e['host']}") for name, e in sorted(named.items())] + unnamed


def _containers(client: Client) -> Iterable[tuple[str, str]]:
    endpoints = client.get("/endpoints")["endpoints"]
    return sorted({(e["name"], f"on {e['host']}") for e in endpoints if e.get("container") and e["name"]})


def _publications(client: Client) -> Iterable[tuple[str, str]]:
    return [(p["id"], f"{p['port']}/{p['protocol']} to {p['name']}") for p in client.get("/publish")["publications"]]


def _moves(client: Client) -> Iterable[tuple[str, str]]:
    return [(move["id"], f"{move['name']} to {move['to']}: {move['state']}") for move in client.get("/moves")["moves"]]


def _groups(client: Client) -> Iterable[tuple[str, str]]:
    return [(group["name"], ", ".join(group["networks"])) for group in client.get("/groups")["groups"]]


def _rules(client: Client) -> Iterable[tuple[str, str]]:
    return [(rule["id"], rule_text(rule)) for rule in client.get("/rules")["rules"]]


hosts: Final = from_controller(_hosts)
networks: Final = from_controller(_networks)
endpoints: Final = from_controller(_endpoints)
containers: Final = from_controller(_containers)
publications: Final = from_controller(_publications)
moves: Final = from_controller(_moves)
groups: Final = from_controller(_groups)
rules: Final = from_controller(_rules)
