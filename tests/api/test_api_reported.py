"""What agents report, over HTTP."""

from __future__ import annotations

from tests.api.client import Api, listed

TAKEN = "tcp port 8080: Address already in use"


async def test_report_is_shown(populated: Api) -> None:
    """A problem is shown with the publication and its host until the next report says otherwise."""
    await populated.ask("PUT", "/hosts/h1/endpoints", {"endpoints": [listed(1) | {"container": "a" * 64}]})
    made = (await populated.ask("POST", "/publish", {"port": 8080, "target": "web1"})).body
    assert (made["problems"], made["awaited"]) == ([], [])
    taken = await populated.ask("PUT", "/hosts/h1/problems", {"publications": {made["id"]: TAKEN}})
    assert (taken.status, taken.body) == (200, {"host": "h1"})
    shown = (await populated.ask("GET", f"/publish/{made['id']}")).body
    assert shown["problems"] == [{"host": "h1", "problem": TAKEN}]
    assert (await populated.ask("GET", "/publish")).body == {"publications": [shown]}
    status = (await populated.ask("GET", "/hosts/h1")).body["status"]
    assert status["problems"][1:] == [f"publication {made['id']} is not in place: {TAKEN}"]
    await populated.ask("PUT", "/hosts/h1/problems", {"publications": {made["id"]: None}})
    assert (await populated.ask("GET", f"/publish/{made['id']}")).body == made


async def test_report_of_nobody(populated: Api) -> None:
    """A host that is not there reports nothing, and a report that says too much is refused by field."""
    assert (await populated.ask("PUT", "/hosts/h9/problems", {"publications": {}})).status == 404
    answer = await populated.ask("PUT", "/hosts/h1/problems", {"publications": {"p1": "x" * 301}})
    assert (answer.status, answer.field) == (422, "publications.p1")
