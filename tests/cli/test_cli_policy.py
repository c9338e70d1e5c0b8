"""``daolictl apply`` and ``policy``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Run
from tests.cli.fake import FakeApi, endpoint
from tests.cli.test_cli_rule import CUT, ROUTE, RULE

GROUP = {"name": "b", "networks": ["n"]}


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A policy of one group and one rule."""
    path = tmp_path / "p.yaml"
    path.write_text("groups: {b: [n]}\nrules: [{id: x, action: deny}]\n")
    return str(path)


@pytest.fixture
def there(api: FakeApi) -> FakeApi:
    """Let the group be there."""
    api.says("GET", "/policy", {"groups": [GROUP], "rules": []})
    return api


def test_apply(there: FakeApi, run: Run, file: str) -> None:
    """The difference is told, and what it cut; it is one request."""
    there.says("PUT", "/policy", CUT | {"cut": [ROUTE]})
    said = run("apply", "-f", file)
    assert (said.code, said.out) == (0, "+ rule x: deny any > any all priority 100\n1 route cut\n")
    assert there.asked[-1].body == {"groups": [GROUP], "rules": [{"id": "x", "action": "deny"}]}


def test_dry_run(there: FakeApi, run: Run, file: str) -> None:
    """Trying it ends as diff does, and names the routes that would be cut."""
    there.says("GET", "/endpoints", {"endpoints": [endpoint("e1")]})
    there.says("PUT", "/policy", CUT | {"cut": [ROUTE]})
    said = run("apply", "-f", file, "--dry-run")
    assert said.code == 1
    assert said.out.splitlines()[1] == "would cut route 7: web > 198.51.100.7:80"
    assert there.asked[1].path == "/policy?dry_run=true"
    there.answers["GET", "/policy"].clear()
    there.says("GET", "/policy", {"groups": [GROUP], "rules": [{"id": "x", "action": "deny"}]})
    said = run("apply", "-f", file, "--dry-run")
    assert (said.code, said.out) == (0, "nothing changes\n")


def test_refused(there: FakeApi, run: Run, file: str) -> None:
    """A refusal is 1, and of a trial 2: there 1 is a difference."""
    there.refuses("PUT", "/policy", 422, "there is no network n")
    assert run("apply", "-f", file).code == 1
    said = run("apply", "-f", file, "--dry-run")
    assert (said.code, said.err) == (2, "daolictl: there is no network n\n")


def test_refused_field(there: FakeApi, run: Run, file: str) -> None:
    """A field that the controller refuses is told with its line."""
    errors = [{"field": "rules[0].ports", "detail": "too many"}]
    for method, path in (("PUT", "/policy"), ("POST", "/policy/replay")):
        there.refuses(method, path, 422, "rules[0].ports: too many", errors=errors)
    for words in (("apply", "-f", file), ("policy", "replay", file)):
        assert run(*words).err.splitlines()[1] == f"  rules[0].ports: {file}, line 2"


def test_export(api: FakeApi, run: Run) -> None:
    """What there is is written as it is applied."""
    api.says("GET", "/policy", {"groups": [GROUP], "rules": [RULE]})
    assert run("policy", "export").out.startswith("groups:\n  b:\n  - n\nrules:\n- id: 3f2a9c000001\n")
    assert json.loads(run("policy", "export", "-o", "json").out)["groups"] == {"b": ["n"]}


CONVERSATION: dict[str, Any] = {
    "source": "e1",
    "source_name": "web",
    "source_address": "10.1.0.2",
    "destination": None,
    "destination_address": "198.51.100.7",
    "protocol": "tcp",
    "destination_port": 80,
    "was": True,
    "allowed": False,
    "reason": "denied by rule x",
    "rule": "x",
    "count": 3,
}


def test_replay(api: FakeApi, run: Run, file: str) -> None:
    """Conversations that would be judged otherwise are listed; the exit code is that of diff."""
    found = {"conversations": [CONVERSATION], "judged": 9, "left_out": 1}
    api.says("POST", "/policy/replay", found)
    said = run("policy", "replay", file, "--since", "1d")
    assert said.code == 1
    assert said.lines[0] == "web > 198.51.100.7 tcp/80 allowed, would be denied denied by rule x 3 times".split()  # noqa: SIM905 - as it is read
    assert said.out.splitlines()[1] == (
        "1 of 9 conversations, and 1 that cannot be judged any more would be judged otherwise"
    )
    assert api.asked[0].body["since"] == "1d"


def test_replay_without_difference(api: FakeApi, run: Run, file: str) -> None:
    """Nothing to tell is 0, a refusal 2."""
    api.says("POST", "/policy/replay", {"conversations": [], "judged": 1, "left_out": 0})
    said = run("policy", "replay", file)
    assert (said.code, said.out) == (0, "0 of 1 conversation would be judged otherwise\n")
    api.answers.clear()
    api.refuses("POST", "/policy/replay", 422, "no")
    assert run("policy", "replay", file).code == 2


@pytest.mark.parametrize("words", [("apply", "--dry-run", "-f"), ("policy", "replay")], ids=["apply", "replay"])
def test_wrong_file(words: tuple[str, ...], run: Run, tmp_path: Path) -> None:
    """A file that is no policy is 2 as a refusal is, where 1 is a difference."""
    path = tmp_path / "wrong.yaml"
    path.write_text("rules: [{id: x, action: deny, surce: {}}]")
    said = run(*words, str(path))
    assert said.code == 2
    assert f"{path}, line 1: a rule has no field surce" in said.err


def test_no_token(api: FakeApi, run: Run, file: str) -> None:
    """Not to be let in is no difference."""
    api.refuses("GET", "/policy", 401, "the token is wrong")
    assert run("apply", "-f", file, "--dry-run").code == 2
    assert run("apply", "-f", file).code == 1


def test_unquoted_time(there: FakeApi, run: Run, tmp_path: Path) -> None:
    """A time without quotes, which is a type of its own in YAML, comes to the controller as it is written."""
    path = tmp_path / "p.yaml"
    path.write_text("rules:\n- {id: z, action: deny, until: 2030-01-01T00:00:00Z}\n")
    there.says("PUT", "/policy", CUT)
    assert run("apply", "-f", str(path)).code == 0
    assert there.asked[-1].body["rules"][0]["until"] == "2030-01-01T00:00:00Z"


def test_replay_reaches(api: FakeApi, run: Run, file: str) -> None:
    """Where the ledger does not go back so far, that is noted."""
    reach = {"begins": "2030-01-01T00:00:00.000Z", "whole": False}
    api.says("POST", "/policy/replay", {"conversations": [], "judged": 0, "left_out": 0, **reach})
    said = run("policy", "replay", file, "--since", "1d", "--allow-unknown")
    assert said.err.startswith("nothing older than 2030-01-01T00:00:00.000Z is here")
    assert api.asked[-1].path == "/policy/replay?allow_unknown=true"
