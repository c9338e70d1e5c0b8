"""Leases over HTTP."""

from __future__ import annotations

from tests.api.client import Api


async def test_grant(populated: Api) -> None:
    """A lease is new once, and its host's when it asks again; another host is told whose it is."""
    answer = await populated.ask("POST", "/leases", {"host": "h1", "subnet": "10.1.0.0/16"})
    assert (answer.status, answer.headers["Location"]) == (201, "/leases/10.1.0.4")
    assert answer.body == {
        "ipv4": "10.1.0.4",
        "network": "blue",
        "subnet": "10.1.0.0/16",
        "gateway": "10.1.0.1",
        "host": "h1",
        "mac": None,
    }
    again = {"host": "h1", "network": "blue", "ipv4": "10.1.0.4"}
    assert (await populated.ask("POST", "/leases", again)).status == 200
    refused = await populated.ask("POST", "/leases", again | {"host": "h2"})
    assert (refused.status, refused.field) == (409, "ipv4")
    assert refused.body["detail"] == "10.1.0.4 is leased by host h1"


async def test_list_and_release(populated: Api) -> None:
    """Leases are listed by address, by host and by network, until they are given back."""
    for host, ipv4 in (("h1", "10.1.0.10"), ("h1", "10.1.0.9"), ("h2", "10.1.0.8")):
        await populated.ask("POST", "/leases", {"host": host, "network": "blue", "ipv4": ipv4})

    async def listed(query: str = "") -> list[str]:
        return [lease["ipv4"] for lease in (await populated.ask("GET", f"/leases{query}")).body["leases"]]

    assert await listed() == await listed("?network=blue") == ["10.1.0.8", "10.1.0.9", "10.1.0.10"]
    assert await listed("?host=h1") == ["10.1.0.9", "10.1.0.10"]
    assert (await populated.ask("GET", "/leases?host=h9")).status == 404
    assert (await populated.ask("DELETE", "/leases/10.1.0.9?host=h2")).status == 409
    assert (await populated.ask("DELETE", "/leases/10.1.0.9")).status == 400
    answer = await populated.ask("DELETE", "/leases/10.1.0.9?host=h1")
    assert answer.body == {"ipv4": "10.1.0.9", "kept_for": None}
    assert (await populated.ask("DELETE", "/leases/10.1.0.9?host=h1")).status == 404
    assert await listed("?host=h1") == ["10.1.0.10"]


async def test_replace(populated: Api) -> None:
    """A host's list answers what it added, removed, and could not have."""
    await populated.ask("POST", "/leases", {"host": "h2", "network": "blue", "ipv4": "10.1.0.8"})
    await populated.ask("POST", "/leases", {"host": "h1", "network": "blue", "ipv4": "10.1.0.9"})
    answer = await populated.ask("PUT", "/hosts/h1/leases", {"leases": ["10.1.0.10", "10.1.0.8"]})
    assert answer.body == {
        "added": ["10.1.0.10"],
        "removed": ["10.1.0.9"],
        "refused": [{"ipv4": "10.1.0.8", "detail": "10.1.0.8 is leased by host h2"}],
    }
    assert (await populated.ask("PUT", "/hosts/h9/leases", {"leases": []})).status == 404
    assert (await populated.ask("PUT", "/hosts/h1/leases", {"leases": ["web"]})).field == "leases[0]"
