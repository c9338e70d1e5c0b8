"""Docker hosts over HTTP."""

from __future__ import annotations

from tests.api.client import HOST, OTHER_HOST, Api, listed

from daoli.hosts.reports import Quarantined


async def test_join(api: Api) -> None:
    """A new host is created at its own path, with its status."""
    answer = await api.ask("POST", "/hosts", HOST)
    assert (answer.status, answer.headers["Location"]) == (201, "/hosts/h1")
    assert HOST.items() <= answer.body.items()
    assert answer.body["status"]["peer"] == "h1:40000"
    assert (await api.ask("GET", "/hosts/h1")).body.items() <= answer.body.items()


async def test_join_again(populated: Api) -> None:
    """A host that is already so is left so; other fields than name and dpid can be changed."""
    assert (await populated.ask("POST", "/hosts", HOST)).status == 200
    answer = await populated.ask("POST", "/hosts", HOST | {"uplink": "eth1", "site": "north", "labels": {"rack": "7"}})
    assert (answer.status, answer.body["uplink"], answer.body["endpoints"]) == (200, "eth1", 2)
    assert (await populated.ask("GET", "/hosts/h1")).body["site"] == "north"


async def test_clash(populated: Api) -> None:
    """A host whose name, dpid or address is another's is refused with that field."""
    for field, body in {
        "name": HOST | {"dpid": "00000000000000ff"},
        "dpid": OTHER_HOST | {"name": "h3", "address": "192.0.2.3"},
        "address": OTHER_HOST | {"name": "h3", "dpid": "00000000000000ff"},
    }.items():
        answer = await populated.ask("POST", "/hosts", body)
        assert (answer.status, answer.field) == (409, field)
        assert answer.body["type"] == "urn:daoli:problem:clash"


async def test_list(populated: Api) -> None:
    """Hosts are listed by name, and connected datapaths without a host beside them."""
    populated.fabric.unregistered = [Quarantined(0xAB, "192.0.2.9:1234", 2.5)]
    body = (await populated.ask("GET", "/hosts")).body
    assert [(host["name"], host["endpoints"]) for host in body["hosts"]] == [("h1", 2), ("h2", 0)]
    assert body["unregistered"] == [{"dpid": "00000000000000ab", "peer": "192.0.2.9:1234", "connected_seconds": 2.5}]


async def test_what_is_shown_can_be_posted(api: Api) -> None:
    """The fields of a host that were posted come back as they were posted, and can be posted again."""
    full = HOST | {"site": "north", "docker": "unix:///run/docker.sock", "labels": {"a": "b"}}
    body = (await api.ask("POST", "/hosts", full)).body
    assert {key: body[key] for key in full} == full
    bare = (await api.ask("POST", "/hosts", OTHER_HOST)).body
    again = {key: bare[key] for key in full}
    assert (await api.ask("POST", "/hosts", again)).status == 200


async def test_leave(populated: Api) -> None:
    """A host leaves with its endpoints, and is then unknown."""
    answer = await populated.ask("DELETE", "/hosts/h1")
    assert (answer.status, answer.body["endpoints"]) == (200, ["e1", "e2"])
    for method, path in (("GET", "/hosts/h1"), ("DELETE", "/hosts/h1"), ("GET", "/endpoints/e1")):
        assert (await populated.ask(method, path)).status == 404
    assert (await populated.ask("PUT", "/hosts/h1/endpoints", {"endpoints": [listed(1)]})).status == 404
