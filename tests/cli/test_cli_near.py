"""Names that somebody may have meant."""

from __future__ import annotations

import pytest
from tests.cli.conftest import Run
from tests.cli.fake import FakeApi, endpoint, host, network

from daoli.cli.near import question


def test_question() -> None:
    """The nearest are named, those far from it are not, and none is no question."""
    assert question("web-1", ["web-2", "db", "web-12", "web-2"]) == "did you mean web-12 or web-2?"
    assert question("web", ["db"]) is None


@pytest.mark.parametrize(
    ("words", "path", "detail", "asked"),
    [
        (("host", "show", "h11"), "/hosts/h11", "there is no host h11", "h1"),
        (("network", "rm", "bleu"), "/networks/bleu", "there is no network bleu", "blue"),
    ],
)
def test_unknown_to_the_controller(
    api: FakeApi, run: Run, words: tuple[str, ...], path: str, detail: str, asked: str
) -> None:
    """A name that the controller refuses is compared with those that it has."""
    api.says("GET", "/hosts", {"hosts": [host("h1"), host("other")], "unregistered": []})
    api.says("GET", "/networks", {"networks": [network("blue")]})
    for method in ("GET", "DELETE"):
        api.refuses(method, path, 404, detail)
    said = run(*words)
    assert said.code == 1
    assert said.err.splitlines()[1] == f"  did you mean {asked}?"


def test_unknown_in_a_body(api: FakeApi, run: Run) -> None:
    """So is one that stands in what was sent."""
    api.says("GET", "/endpoints", {"endpoints": [endpoint(name="web"), endpoint("e2", name=None)]})
    api.refuses("POST", "/rules", 422, "source: there is no endpoint wep; ?allow_unknown=true does")
    assert "did you mean web?" in run("rule", "add", "allow", "--from", "wep").err


def test_no_list(api: FakeApi, run: Run) -> None:
    """Where the list cannot be had, the refusal is told as it is."""
    api.refuses("GET", "/hosts/h11", 404, "there is no host h11")
    said = run("host", "show", "h11")
    assert "did you mean" not in said.err
    assert said.code == 1


def test_found_here(api: FakeApi, run: Run) -> None:
    """What daolictl itself looks for in a list is compared with the list."""
    api.refuses("GET", "/endpoints/wep", 404, "there is no endpoint wep")
    api.says("GET", "/endpoints", {"endpoints": [endpoint(name="web")]})
    said = run("endpoint", "show", "wep")
    assert said.err == "daolictl: there is no endpoint wep; did you mean web? daolictl endpoint ls lists them\n"
