"""Records by what people call them."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from tests.hosts.records import endpoint, host, network, put, values

from daoli.hosts.errors import Invalid, NotFound
from daoli.hosts.finding import find_endpoint, find_host, find_network, search_end, search_endpoint
from daoli.hosts.mirror import Mirror


def test_found(mirror: Mirror) -> None:
    """What is there is found by its name or id."""
    put(mirror, endpoint(1))
    assert find_host(mirror.view, "h1") == host(1).record()
    assert find_network(mirror.view, "n1") == network(1).record()
    assert find_endpoint(mirror.view, "e1") == endpoint(1).record()


@pytest.mark.parametrize("name", ["x9", "", "h1/x"])
def test_not_found(mirror: Mirror, name: str) -> None:
    """What is not there is NotFound, by what was looked for."""
    for find in (find_host, find_network, find_endpoint, search_endpoint):
        with pytest.raises(NotFound, match=rf" {name}$"):
            find(mirror.view, name)


def test_search_endpoint(mirror: Mirror) -> None:
    """An endpoint is found by id, address or name, in this order; a name that two have is refused with both."""
    put(mirror, endpoint(1, name="web"), endpoint(2, name="e1"), endpoint(3, name="db"))
    put(mirror, endpoint(4, name="web", host="h2"))
    assert search_endpoint(mirror.view, "e1").id == "e1"
    assert search_endpoint(mirror.view, "db").id == "e3"
    assert search_endpoint(mirror.view, values(2)["ipv4"]).id == "e2"
    with pytest.raises(Invalid, match=r"e1 \(10\.1\.0\.3 on host h1\), e4") as ambiguous:
        search_endpoint(mirror.view, "web", "source")
    assert ambiguous.value.field == "source"
    with pytest.raises(NotFound, match=r"10\.1\.0\.77") as absent:
        search_endpoint(mirror.view, "10.1.0.77", "destination")
    assert absent.value.field == "destination"


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("10.1.0.1", NotFound, "is the gateway of network n1"),
        ("10.1.0.77", NotFound, "no endpoint has the address"),
        ("127.0.0.1", Invalid, "no packet is routed"),
        ("0.0.0.0", Invalid, "no packet is routed"),
        ("224.0.0.1", Invalid, "no packet is routed"),
        ("255.255.255.255", Invalid, "no packet is routed"),
        ("nobody", NotFound, "nothing that runs has the id"),
    ],
)
def test_search_end(mirror: Mirror, text: str, error: type[Exception], words: str) -> None:
    """An address outside all networks is taken; one that nobody can have is refused."""
    put(mirror, endpoint(1, name="web"))
    assert (
        search_end(mirror.view, "web") == search_end(mirror.view, values(1)["ipv4"]) == find_endpoint(mirror.view, "e1")
    )
    assert search_end(mirror.view, "192.0.2.77") == IPv4Address("192.0.2.77")
    with pytest.raises(error, match=words):
        search_end(mirror.view, text, "source")
