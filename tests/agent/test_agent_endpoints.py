"""The host's list of endpoints, as the controller gets it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.agent.fakes import FakeController, away, refused

from daoli.agent.client import Refused, Unreachable
from daoli.agent.endpoints import Endpoints
from daoli.hosts.spec import ListedEndpoint, PublishedPort


def endpoint(number: int) -> ListedEndpoint:
    return ListedEndpoint(
        id=f"e{number}",
        network="dnet1",
        mac=f"02:42:0a:01:00:{number:02x}",
        ipv4=f"10.1.0.{number}",
        port=f"dl{number}",
    )


@asynccontextmanager
async def running(controller: FakeController) -> AsyncIterator[Endpoints]:
    endpoints = Endpoints(controller, "h1", retry_seconds=0.001)
    task = asyncio.create_task(endpoints.run())
    try:
        yield endpoints
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def ids(body: Any) -> list[str]:
    return [entry["id"] for entry in body["endpoints"]]


async def test_put_returns_when_the_controller_has_it() -> None:
    """An endpoint is sent with the whole list, to this host's path."""
    controller = FakeController()
    async with running(controller) as endpoints:
        await endpoints.put(endpoint(2))
        await endpoints.put(endpoint(3))
    assert [(method, path) for method, path, _ in controller.requests] == [("PUT", "/hosts/h1/endpoints")] * 2
    assert ids(controller.requests[-1][2]) == ["e2", "e3"]


async def test_burst_takes_few_requests() -> None:
    """What comes while a request is under way goes with the next one, all of it."""
    controller = FakeController()
    controller.held = asyncio.Event()
    async with running(controller) as endpoints:
        puts = [asyncio.create_task(endpoints.put(endpoint(number))) for number in range(2, 202)]
        await asyncio.sleep(0)
        controller.held.set()
        await asyncio.gather(*puts)
    assert len(controller.requests) <= 2
    assert len(ids(controller.requests[-1][2])) == 200


async def test_refused_endpoint_leaves_the_others_known() -> None:
    """The one at fault is told why and left out; the rest of the list is taken."""

    def judge(_method: str, _path: str, body: Any) -> Any:
        at = next((index for index, entry in enumerate(body["endpoints"]) if entry["id"] == "e3"), None)
        return {} if at is None else refused("MAC is taken by endpoint db", f"endpoints[{at}].mac")

    controller = FakeController({("PUT", "/hosts"): judge})
    async with running(controller) as endpoints:
        puts = [asyncio.create_task(endpoints.put(endpoint(number))) for number in (2, 3, 4)]
        done = await asyncio.gather(*puts, return_exceptions=True)
        await endpoints.sent()
    assert [type(result) for result in done] == [type(None), Refused, type(None)]
    assert "taken by endpoint db" in str(done[1])
    assert ids(controller.requests[-1][2]) == ["e2", "e4"]
    assert set(endpoints.listed) == {"e2", "e4"}


async def test_controller_away_fails_the_put_and_keeps_the_list() -> None:
    """Who waits is told that the controller is away, and is off the list; what was known is sent when it is back."""
    controller = FakeController({("PUT", "/hosts"): away()})
    async with running(controller) as endpoints:
        endpoints.restore([endpoint(2)])
        with pytest.raises(Unreachable, match="cannot be reached"):
            await endpoints.put(endpoint(3))
        controller.answers.clear()
        await endpoints.sent()
    assert ids(controller.requests[-1][2]) == ["e2"]


async def test_unknown_host_is_told_to_who_waits() -> None:
    """A refusal that is no endpoint's fault reaches everybody who waits, and is not repeated without end."""
    controller = FakeController({("PUT", "/hosts"): refused("there is no host h1", status=404)})
    async with running(controller) as endpoints:
        with pytest.raises(Refused, match="no host h1"):
            await endpoints.put(endpoint(2))
    assert len(controller.requests) <= 2


async def test_facts_follow_in_the_background() -> None:
    """Name, container, labels and aliases are sent when they become known; the same again is not."""
    controller = FakeController()
    async with running(controller) as endpoints:
        await endpoints.put(endpoint(2))
        facts: dict[str, Any] = {"name": "web", "container": "ab" * 32, "labels": {"a": "b"}, "aliases": ["www"]}
        endpoints.describe("e2", **facts)
        await endpoints.sent()
        sent = len(controller.requests)
        endpoints.describe("e2", **facts)
        endpoints.describe("unknown", **facts)
        await asyncio.sleep(0)
    assert controller.requests[-1][2]["endpoints"][0].items() >= facts.items()
    assert len(controller.requests) == sent


async def test_identity_without_aliases() -> None:
    """Whose an endpoint is may be known before its other names, which then stay as they were."""
    endpoints = Endpoints(FakeController(), "h1")
    endpoints.restore([endpoint(2).model_copy(update={"pending": True})])
    endpoints.describe("e2", name="web", container="ab" * 32, labels={}, aliases=["www"])
    endpoints.describe("e2", name="www", container="ab" * 32, labels={"a=": "b"})
    known = endpoints.listed["e2"]
    assert (known.name, known.aliases, known.labels, known.pending) == ("www", ("www",), {"a=": "b"}, False)


async def test_labels_beyond_the_bounds() -> None:
    """A container with too many labels is known by the others, and that is told and logged once."""
    endpoints = Endpoints(FakeController(), "h1")
    endpoints.restore([endpoint(2)])
    facts: dict[str, Any] = {"name": "web", "container": "ab" * 32, "labels": {"a": "1", "b": "x" * 65_536}}
    with capture_logs() as logs:
        endpoints.describe("e2", **facts)
        endpoints.describe("e2", **facts)
    assert endpoints.listed["e2"].labels == {"a": "1"}
    assert endpoints.trimmed["e2"].startswith("container web: 1 of its 2 labels are not known to the fabric")
    assert [(entry["event"], entry["container"]) for entry in logs] == [("labels_left_out", "web")]
    endpoints.describe("e2", **facts | {"labels": {}})
    assert endpoints.trimmed == {}
    endpoints.describe("e2", **facts)
    endpoints.forget("e2")
    assert endpoints.trimmed == {}


async def test_published_ports_are_told_before_they_lead_in() -> None:
    """Ports that lead to an endpoint are sent, and waited for, once; those of an unknown endpoint are nobody's."""
    controller, port = FakeController(), PublishedPort(port=8080, target_port=80)
    async with running(controller) as endpoints:
        await endpoints.put(endpoint(2))
        await endpoints.publish("e2", [port])
        await endpoints.publish("e2", [port])
        await endpoints.publish("e3", [port])
    assert len(controller.requests) == 2
    assert controller.requests[-1][2]["endpoints"][0]["published"] == [{"port": 8080, "target_port": 80}]


async def test_controller_that_takes_no_note_is_told_of() -> None:
    """Who publishes a port hears when the controller does not answer in time."""
    endpoints = Endpoints(FakeController(), "h1", timeout=0.0)
    endpoints.restore([endpoint(2)])
    with pytest.raises(TimeoutError):
        await endpoints.publish("e2", [PublishedPort(port=8080, target_port=80)])


async def test_forgotten_endpoint_is_off_the_list_at_once() -> None:
    """What is forgotten is not in the next list, and nobody has to wait for that."""
    controller = FakeController()
    async with running(controller) as endpoints:
        await endpoints.put(endpoint(2))
        endpoints.forget("e2")
        endpoints.forget("unknown")
        await endpoints.sent()
    assert ids(controller.requests[-1][2]) == []


async def test_left_out_endpoint_is_tried_again_on_demand() -> None:
    """What the controller refused may be right after something else has changed."""
    controller = FakeController({("PUT", "/hosts"): refused("no network dnet1", "endpoints[0].network", 422)})
    async with running(controller) as endpoints:
        endpoints.restore([endpoint(2)])
        for _ in range(5):
            await asyncio.sleep(0)
        assert "e2" in endpoints.left_out
        controller.answers.clear()
        endpoints.resend()
        await endpoints.sent()
        assert endpoints.left_out == {}
    assert ids(controller.requests[-1][2]) == ["e2"]
