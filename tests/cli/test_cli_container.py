"""``daolictl container``."""

from __future__ import annotations

import json

from tests.cli.conftest import Run
from tests.cli.fake import CONTAINER, FakeApi, endpoint, move


def test_ls(api: FakeApi, run: Run) -> None:
    """A container is a line, with all its networks."""
    endpoints = [endpoint("e1", aliases=("www",)), endpoint("e2", network="red", ipv4="10.2.0.2")]
    api.says("GET", "/endpoints", {"endpoints": endpoints})
    words = ["web", CONTAINER[:12], "h1", "blue,red", "10.1.0.2,10.2.0.2", "yes"]
    assert run("container", "ls").lines[1] == words
    assert run("container", "ls", "-o", "wide").lines[1][-2:] == ["www", "-"]
    assert json.loads(run("container", "ls", "-o", "json").out)["containers"][0]["container"] == CONTAINER


def test_move(api: FakeApi, run: Run) -> None:
    """A move is begun as it was asked for, and followed."""
    api.says("POST", "/moves", move("done"), 202)
    said = run("container", "move", "web", "--to", "h2", "--without-volumes")
    assert (said.code, said.out) == (0, "done       web runs on h2\n")
    assert api.asked[0].body == {"container": "web", "to": "h2", "without_volumes": True}


def test_move_detached(api: FakeApi, run: Run) -> None:
    """A move may be left to itself."""
    api.says("POST", "/moves", move(), 202)
    assert run("container", "move", "web", "--to", "h2", "--detach").out == "move fade01 of web to h2 has begun\n"
    assert len(api.asked) == 1


def test_move_refused(api: FakeApi, run: Run) -> None:
    """A move that cannot be is told, and where to look for the container."""
    api.refuses("POST", "/moves", 404, "no running container has the id or name wbe")
    said = run("container", "move", "wbe", "--to", "h2")
    assert said.code == 1
    assert said.err.splitlines() == [
        "daolictl: no running container has the id or name wbe",
        "  daolictl container ls lists what there is",
    ]
