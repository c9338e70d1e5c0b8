"""Groups over HTTP."""

from __future__ import annotations

from tests.api.client import Api


async def test_life_of_a_group(populated: Api) -> None:
    """A group is made, changed, shown, listed and removed."""
    made = await populated.ask("PUT", "/groups/g", {"networks": ["blue"]})
    assert (made.status, made.body["networks"], made.body["cut"]) == (201, ["blue"], [])
    assert (await populated.ask("PUT", "/groups/g", {"networks": []})).status == 200
    assert (await populated.ask("GET", "/groups/g")).body == {"name": "g", "networks": []}
    assert (await populated.ask("GET", "/groups")).body["groups"] == [{"name": "g", "networks": []}]
    assert (await populated.ask("DELETE", "/groups/g")).status == 200
    assert (await populated.ask("GET", "/groups/g")).status == 404


async def test_unknown_networks(populated: Api) -> None:
    """A network that there is not is refused with its place in the list, unless that is wanted."""
    body = {"networks": ["blue", "green"]}
    refused = await populated.ask("PUT", "/groups/g", body)
    assert (refused.status, refused.field) == (422, "networks[1]")
    assert (await populated.ask("PUT", "/groups/g?allow_unknown=true", body)).status == 201


async def test_dry_run(populated: Api) -> None:
    """What a change would cut is told, and nothing is written."""
    assert (await populated.ask("PUT", "/groups/g?dry_run=true", {"networks": ["blue"]})).status == 200
    assert (await populated.ask("GET", "/groups")).body["groups"] == []
    await populated.ask("PUT", "/groups/g", {"networks": ["blue"]})
    assert (await populated.ask("DELETE", "/groups/g?dry_run=true")).status == 200
    assert (await populated.ask("GET", "/groups/g")).status == 200
    assert populated.fabric.tried == [{"groups/g"}] * 2


async def test_no_name_for_a_group(populated: Api) -> None:
    """A name in the path that cannot be one is refused as a field is."""
    refused = await populated.ask("PUT", "/groups/-", {"networks": []})
    assert (refused.status, refused.field) == (422, "name")
