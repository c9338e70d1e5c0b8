"""What all commands of daolictl have in common."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from tests.cli.conftest import Run
from tests.cli.fake import FakeApi

from daoli.api.app import OPERATIONS
from daoli.cli.__main__ import daolictl
from daoli.cli.verbs import Explained


def leaves(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """List the commands with their words."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from leaves(command, (*path, name))
        else:
            yield (*path, name), command


LEAVES = dict(leaves(daolictl))


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_help_has_examples(path: tuple[str, ...], call: Run) -> None:
    """The help of each command ends with examples of itself, and says what it does."""
    command = LEAVES[path]
    assert isinstance(command, Explained)
    assert any(f"daolictl {' '.join(path)}" in example for example in command.examples)
    said = call(*path, "--help")
    assert said.code == 0
    assert "Examples:\n" + "".join(f"  {line}\n" for line in command.examples) in said.out


@pytest.mark.parametrize("path", [path for path in LEAVES if path[-1] == "ls"], ids=" ".join)
def test_lists_can_be_watched(path: tuple[str, ...], call: Run) -> None:
    """Each ls has --watch."""
    assert "--watch" in call(*path, "--help").out


def test_flags_stand_before_or_behind(api: FakeApi, call: Run) -> None:
    """The controller may be named before or behind the command; the last wins."""
    api.says("GET", "/networks", {"networks": []})
    elsewhere = "unix:/nowhere"
    assert call("--controller", api.url, "network", "ls").code == 0
    assert call("network", "ls", "--controller", api.url, "--timeout", "5").code == 0
    assert call("network", "--controller", api.url, "ls").code == 0
    assert call("--controller", elsewhere, "network", "ls", "--controller", api.url).code == 0
    assert call("--controller", api.url, "network", "ls", "--controller", elsewhere).code == 3


def test_other_words(api: FakeApi, run: Run) -> None:
    """What docker and kubectl call a command is understood."""
    api.says("GET", "/networks", {"networks": []})
    assert run("network", "list").code == 0
    assert run("network", "inspect", "--help").out.startswith("Usage: daolictl network inspect")


@pytest.mark.parametrize(
    "words",
    [("host", "show"), ("nothing",), ("host", "ls", "-o", "xml"), ("host", "ls", "--timeout", "0"), ("host", "x")],
)
def test_wrong_use(words: tuple[str, ...], run: Run) -> None:
    """A command line that makes no sense is refused with its own exit code, and the controller is not asked."""
    said = run(*words)
    assert (said.code, said.out) == (2, "")
    assert "--help" in said.err


SPOKEN = {
    "show_controller": "status",
    "show_readiness": "status",
    "show_health": "doctor",
    "list_hosts": "host ls",
    "show_host": "host show",
    "remove_host": "host rm",
    "list_networks": "network ls",
    "make_network": "network create",
    "show_network": "network show",
    "remove_network": "network rm",
    "list_endpoints": "endpoint ls",
    "show_endpoint": "endpoint show",
    "list_groups": "group ls",
    "show_group": "group show",
    "put_group": "group put",
    "remove_group": "group rm",
    "list_rules": "rule ls",
    "make_rule": "rule add",
    "put_rule": "connect",
    "show_rule": "rule show",
    "remove_rule": "rule rm",
    "show_policy": "policy export",
    "put_policy": "apply",
    "replay_policy": "policy replay",
    "list_leases": "lease ls",
    "list_publications": "publish ls",
    "publish": "publish create",
    "show_publication": "publish create",
    "unpublish": "publish rm",
    "list_moves": "move ls",
    "begin_move": "container move",
    "show_move": "move show",
    "list_routes": "route ls",
    "explain": "explain",
    "trace": "trace",
    "read_ledger": "ledger",
    "stream_events": "events",
}
"""Operations of the API, by the verb that has each."""
UNSPOKEN = {
    "join_host": "an agent knows its host, daoli agent makes it one",
    "replace_endpoints": "a host's agent tells what runs there, and nobody else knows",
    "put_endpoint": "likewise",
    "remove_endpoint": "likewise: the agent would tell of it again",
    "grant_lease": "Docker asks for addresses, by the agent",
    "release_lease": "Docker gives them back, and the agent what Docker forgot",
    "replace_leases": "likewise",
    "remove_container": "the agent tells that a container is no more",
    "take_report": "agents tell what is not in place",
    "answer_inquiry": "agents answer",
    "report_move": "the agents that move a container tell how far they are",
    "watch": "programs that keep a copy read it; for people there are events and --watch",
    "show_metrics": "Prometheus reads them",
    "show_description": "programs read it",
}
"""Operations without a verb, and why."""


def test_every_operation_has_a_verb() -> None:
    """What the API can do daolictl can ask for, or there is a reason why not; a new operation needs one of both."""
    operations = {operation.handler.__name__ for operation in OPERATIONS}
    assert SPOKEN.keys() | UNSPOKEN.keys() == operations
    assert not SPOKEN.keys() & UNSPOKEN.keys()
    assert set(SPOKEN.values()) <= {" ".join(path) for path in LEAVES}
