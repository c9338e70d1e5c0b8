"""Things by what people call them."""

from __future__ import annotations

import pytest
from tests.cli.fake import CONTAINER, endpoint

from daoli.cli.finding import find, find_endpoint
from daoli.cli.session import Failure

ONE = endpoint("e1abc", name="web", ipv4="10.1.0.2")
OTHER = endpoint("e1abd", name="db", ipv4="10.1.0.3", container="d0" * 32)
NAMESAKE = endpoint("e1ab", name="web", ipv4="10.1.0.4", container=None)


@pytest.mark.parametrize("text", ["e1abd", "db", "10.1.0.3", "d0d0", "d0" * 32])
def test_finds_by_each_name(text: str) -> None:
    """An endpoint is found by id, name, address, and the beginning of its container's id."""
    assert find_endpoint([ONE, OTHER], text) == OTHER


def test_whole_id_wins() -> None:
    """An id is found although others begin with it."""
    assert find_endpoint([ONE, OTHER, NAMESAKE], "e1ab") == NAMESAKE
    assert find_endpoint([ONE, NAMESAKE], CONTAINER[:6]) == ONE


def test_ambiguous() -> None:
    """Several that are called so are named, and it is said what to do."""
    with pytest.raises(Failure, match=r"2 endpoints are called web: e1abc \(web, 10.1.0.2, h1\), .* by its id"):
        find_endpoint([ONE, NAMESAKE], "web")
    with pytest.raises(Failure, match="2 endpoints are called e1"):
        find_endpoint([ONE, OTHER], "e1")


@pytest.mark.parametrize("text", ["", "nothing"])
def test_nothing(text: str) -> None:
    """What is not there is said, and where to look."""
    with pytest.raises(Failure, match="daolictl endpoint ls lists them"):
        find_endpoint([ONE, OTHER], text)
    with pytest.raises(Failure, match=r"there is no publication .*; daolictl publish ls"):
        find([{"id": "a"}], text, "publication", lambda _: (), "publish")


def test_bare_items() -> None:
    """Things that have only an id are named by it."""
    with pytest.raises(Failure, match="called a: a1, a2"):
        find([{"id": "a1"}, {"id": "a2"}], "a", "move", lambda _: ())
