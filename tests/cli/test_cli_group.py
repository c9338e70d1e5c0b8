"""``daolictl group``."""

from __future__ import annotations

from typing import Any

from tests.cli.conftest import Run
from tests.cli.fake import FakeApi

GROUP = {"name": "backend", "networks": ["dnet1", "dnet2"]}
CUT: dict[str, Any] = {"revision": 5, "cut": [], "unconfirmed": ["h2"]}


def test_ls_and_show(api: FakeApi, run: Run) -> None:
    """Groups are shown with their networks."""
    api.says("GET", "/groups", {"groups": [GROUP]})
    api.says("GET", "/groups/backend", GROUP)
    assert run("group", "ls").lines == [["NAME", "NETWORKS"], ["backend", "dnet1,dnet2"]]
    assert run("group", "show", "backend").lines[1] == ["Networks:", "dnet1,dnet2"]


def test_put(api: FakeApi, run: Run) -> None:
    """A group gets the networks that are named; who could not confirm is told."""
    api.says("PUT", "/groups/backend", GROUP | CUT, 201)
    said = run("group", "put", "backend", "dnet1", "dnet2")
    assert said.out.splitlines()[0] == "group backend made, with dnet1, dnet2"
    assert "not confirmed by h2" in said.out
    assert api.asked[0].body == {"networks": ["dnet1", "dnet2"]}
    assert (
        run("group", "put", "backend", "--dry-run").out == "group backend would have no network\nwould cut no route\n"
    )
    assert api.asked[1].path == "/groups/backend?dry_run=true"


def test_rm(api: FakeApi, run: Run) -> None:
    """A group is removed."""
    api.says("DELETE", "/groups/backend", CUT | {"unconfirmed": []})
    assert run("group", "rm", "backend").out == "group backend removed\n"
