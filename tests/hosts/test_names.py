"""By which names containers find each other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from daoli.hosts.names import names_of, resolution
from daoli.hosts.spec import EndpointSpec
from daoli.routing.model import Endpoint


def endpoint(number: int, name: str | None, network: str = "dnet1", **facts: object) -> Endpoint:
    """Make an endpoint on h1."""
    values = {"id": f"e{number}", "name": name, "host": "h1", "network": network, "port": f"dl{number}", **facts}
    addresses = {"mac": f"02:42:0a:01:00:{number:02x}", "ipv4": f"10.1.0.{number}"}
    return EndpointSpec.model_validate(values | addresses).record()


def test_names_of_a_container() -> None:
    """A container has its name, its aliases and its short id, each also with the network behind."""
    found = names_of(endpoint(2, "Web", container="ab" * 32, aliases=["www"]))
    plain = {"web", "www", "ab" * 6}
    assert found == plain | {f"{name}.dnet1" for name in plain}


def test_namesakes_are_told() -> None:
    """Who shares a name on a network that the asker sees is told; who is elsewhere is not."""
    asker, sought = endpoint(2, "one"), endpoint(3, "web")
    everybody = [asker, sought, endpoint(4, "web"), endpoint(5, "web", "dnet2"), endpoint(6, "www", aliases=["web"])]
    said = resolution(asker, sought, everybody, answered=True)
    assert (said.resolves, said.names, said.also) == (True, ("web", "web.dnet1"), ("10.1.0.4", "10.1.0.6"))


@pytest.mark.parametrize(
    ("sought", "answered", "why"),
    [
        (endpoint(3, "web"), False, "no agent on host h1"),
        (endpoint(3, "web", "dnet2"), True, "one is not on network dnet2"),
        (endpoint(3, None), True, "endpoint e3 has no name"),
    ],
)
def test_why_not(sought: Endpoint, answered: bool, why: str) -> None:
    """A name that does not resolve is told with the reason."""
    asker = endpoint(2, "one")
    said = resolution(asker, sought, [asker, sought], answered=answered)
    assert (said.resolves, said.names) == (False, ())
    assert said.reason.startswith(why)


def test_all_networks_of_the_container_count() -> None:
    """A container on two networks finds who is on either."""
    asker = endpoint(2, "one", container="a" * 64)
    second = replace(asker, id="e9", network="dnet2")
    sought = endpoint(3, "web", "dnet2")
    assert resolution(asker, sought, [asker, second, sought], answered=True).resolves
