"""Published ports: to whom they lead, who clashes, and when they go."""

from __future__ import annotations

from typing import Any

import pytest
from tests.hosts.records import carry_out, endpoint, listed, network, put

from daoli.hosts.errors import Clash, Invalid, InventoryError, NotFound
from daoli.hosts.mirror import Mirror
from daoli.hosts.plans import plan_endpoint, plan_host_removal, plan_list
from daoli.hosts.publication import Publication, PublicationRequest
from daoli.hosts.publishing import (
    find_publication,
    leading_to,
    plan_container_removal,
    plan_publication,
    plan_publication_removal,
)

WEB, DB = "a" * 64, "b" * 64


@pytest.fixture
def peopled(mirror: Mirror) -> Mirror:
    """A mirror with container web on h1, on two networks, and container db on h2."""
    put(mirror, network(2))
    put(mirror, endpoint(1, name="web", container=WEB), endpoint(3, name="db", host="h2", container=DB))
    put(mirror, endpoint(2, name="web", container=WEB, network="n2", ipv4="10.2.0.9"))
    return mirror


def publish(mirror: Mirror, new_id: str = "p1", **fields: Any) -> Publication:
    """Publish a port."""
    request = PublicationRequest.model_validate({"port": 80, "target": "web"} | fields)
    carry_out(mirror, plan_publication(mirror, request, new_id))
    return mirror.publications[new_id]


@pytest.mark.parametrize("target", ["web", "e1", "e2", WEB, "aaaa"])
def test_target(peopled: Mirror, target: str) -> None:
    """A container is found by its name, its id, the beginning of that, or an endpoint's id."""
    assert publish(peopled, target=target) == Publication(id="p1", port=80, container=WEB, name="web", target_port=80)


def test_renamed(peopled: Mirror) -> None:
    """A publication has its container's name, also when that has changed, and is not written again without need."""
    publish(peopled)
    carry_out(peopled, plan_endpoint(peopled, endpoint(1, name="web2", container=WEB)))
    assert peopled.publications["p1"].name == "web2"
    both = [listed(1, name="web3", container=WEB), listed(2, container=WEB, network="n2", ipv4="10.2.0.9")]
    carry_out(peopled, plan_list(peopled, "h1", both))
    assert peopled.publications["p1"].name == "web3"
    assert plan_list(peopled, "h1", both).changes == {}


@pytest.mark.parametrize(
    ("fields", "error", "field", "words"),
    [
        ({"host": "h9"}, Invalid, "host", "there is no host h9"),
        ({"target": "mail"}, NotFound, "target", "no running container has the id or name mail"),
        ({"network": "n9"}, Invalid, "network", "container web is not on a network n9"),
        ({"target": "db", "network": "n2"}, Invalid, "network", "container db is not on a network n2"),
    ],
)
def test_refused(peopled: Mirror, fields: dict[str, Any], error: type[InventoryError], field: str, words: str) -> None:
    """What cannot be published is refused by field."""
    with pytest.raises(error) as caught:
        publish(peopled, **fields)
    assert (caught.value.field, caught.value.detail) == (field, words)


def test_two_of_a_name(peopled: Mirror) -> None:
    """A name that several containers have is not enough; the error tells their ids."""
    put(peopled, endpoint(4, name="web", host="h2", container="c" * 64))
    with pytest.raises(Invalid, match=r"2 containers are called web: web on h1 \(aaaaaaaaaaaa\), web on h2 \(c"):
        publish(peopled)


@pytest.mark.parametrize(
    ("fields", "clashes"),
    [
        ({}, True),
        ({"host": "h1"}, True),
        ({"address": "192.0.2.1"}, True),
        ({"port": 81}, False),
        ({"protocol": "udp"}, False),
    ],
)
def test_clash(peopled: Mirror, fields: dict[str, Any], clashes: bool) -> None:
    """A port of all hosts is one of each; the same port by another protocol is another."""
    publish(peopled)
    if clashes:
        with pytest.raises(Clash, match=r"tcp port 80 of all hosts leads to web \(p1\)") as caught:
            publish(peopled, "p2", target="db", **fields)
        assert caught.value.field == "port"
    else:
        assert publish(peopled, "p2", target="db", **fields).name == "db"


def test_no_clash_elsewhere(peopled: Mirror) -> None:
    """One port may lead elsewhere on another host, or on another address of the same."""
    publish(peopled, "p1", host="h1", address="192.0.2.1")
    publish(peopled, "p2", host="h2", target="db")
    publish(peopled, "p3", host="h1", address="192.0.2.9", target="db")
    with pytest.raises(Clash, match="of host h1 leads to web"):
        publish(peopled, "p4", host="h1")


def test_removal(peopled: Mirror) -> None:
    """A port is published no more by its id, with its container, or with the host that either is on."""
    for number, fields in enumerate(({}, {"target": "db"}, {"host": "h2"}, {"host": "h1", "target": "db"})):
        publish(peopled, f"p{number}", port=8000 + number, **fields)
    carry_out(peopled, plan_publication_removal(peopled, "p0"))
    with pytest.raises(NotFound, match="there is no publication p0"):
        find_publication(peopled, "p0")
    carry_out(peopled, plan_container_removal(peopled, DB))
    assert set(peopled.publications) == {"p2"}
    assert plan_container_removal(peopled, DB).changes == {}
    publish(peopled, "p4", target="db")
    carry_out(peopled, plan_host_removal(peopled, "h2"))
    assert peopled.publications == {}


def test_leading_to(peopled: Mirror) -> None:
    """The ports that lead to an endpoint are told: by its container, its network, and what is asked about."""
    publish(peopled, "p0", port=8000, target_port=80)
    publish(peopled, "p1", port=8001, target_port=53, protocol="udp")
    publish(peopled, "p2", port=8002, target_port=80, network="n2")
    publish(peopled, "p3", port=8003, target_port=80, target="db")
    web, second = peopled.view.endpoints["e1"], peopled.view.endpoints["e2"]
    assert [port.id for port in leading_to(peopled, web, (None, None))] == ["p0", "p1"]
    assert [port.id for port in leading_to(peopled, second, (None, None))] == ["p0", "p1", "p2"]
    assert [port.id for port in leading_to(peopled, second, ("tcp", 80))] == ["p0", "p2"]
    assert leading_to(peopled, web, ("tcp", 443)) == []
