"""``daolictl endpoint``."""

from __future__ import annotations

from tests.cli.conftest import Run
from tests.cli.fake import FakeApi, endpoint


def test_ls(api: FakeApi, run: Run) -> None:
    """Endpoints are listed by the beginning of their ids, those of one host and network if asked."""
    api.says("GET", "/endpoints", {"endpoints": [endpoint("e" * 64), endpoint("x", name=None)]})
    said = run("endpoint", "ls", "--host", "h1", "--network", "blue")
    assert [line[:2] for line in said.lines[1:]] == [["e" * 12, "web"], ["x", "x"]]
    assert api.asked[0].path == "/endpoints?host=h1&network=blue"


def test_show_by_id(api: FakeApi, run: Run) -> None:
    """An endpoint's id is asked for alone."""
    api.says("GET", "/endpoints/e1", endpoint("e1"))
    assert ["Id:", "e1"] in run("endpoint", "show", "e1").lines
    assert len(api.asked) == 1


def test_show_by_name(api: FakeApi, run: Run) -> None:
    """Another name is looked for among all endpoints."""
    api.refuses("GET", "/endpoints/web", 404, "there is no endpoint web")
    api.says("GET", "/endpoints", {"endpoints": [endpoint("e1")]})
    assert ["Id:", "e1"] in run("endpoint", "show", "web").lines


def test_show_refused(api: FakeApi, run: Run) -> None:
    """Another refusal is told as it is."""
    api.refuses("GET", "/endpoints/web", 401, "the token is wrong")
    assert "the token is wrong" in run("endpoint", "show", "web").err
