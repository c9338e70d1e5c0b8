"""What agents report: who is told what of it, and when it is forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pydantic import ValidationError
from tests.hosts.records import endpoint

from daoli.hosts.errors import NotFound
from daoli.hosts.events import EventHub, Subscription
from daoli.hosts.inventory import Inventory
from daoli.hosts.publication import LONGEST, MOST, HostReport, PublicationRequest
from daoli.hosts.publishing import plan_publication, plan_publication_removal
from daoli.hosts.reported import Reported

WEB = "a" * 64
TAKEN = "tcp port 80: Address already in use"


@pytest.fixture
async def published(inventory: Inventory) -> Inventory:
    """Port 80 of all hosts, p1, and port 81 of h1, p2, lead to a container; both hosts are connected."""
    await inventory.put_endpoint(endpoint(1, name="web", container=WEB))
    for new_id, request in (
        ("p1", PublicationRequest(port=80, target="web")),
        ("p2", PublicationRequest(port=81, target="web", host="h1")),
    ):
        await inventory.write(lambda mirror, request=request, new_id=new_id: plan_publication(mirror, request, new_id))  # type: ignore[misc]
    for switch in inventory.view.switches.values():
        switch.connected = True
    return inventory


@pytest.fixture
async def told() -> AsyncIterator[tuple[EventHub, Subscription]]:
    """Events, and somebody who listens."""
    hub = EventHub()
    async with hub.subscribe() as subscription:
        yield hub, subscription


def report(**publications: str | None) -> HostReport:
    return HostReport(publications=publications)


async def test_problem(published: Inventory) -> None:
    """A problem is one of its host and its publication until the host's next report."""
    reported = Reported(published, EventHub())
    reported.take("h1", report(p1=TAKEN, p2=None))
    one, other = (published.mirror.publications[each] for each in ("p1", "p2"))
    assert reported.of_publication(one) == {"h1": TAKEN}
    assert reported.of_publication(other) == {}
    assert list(reported.of_host("h1")) == [f"publication p1 is not in place: {TAKEN}"]
    assert list(reported.of_host("h2")) == []
    reported.take("h1", report(p1=None, p2=None))
    assert reported.of_publication(one) == {}


async def test_event(published: Inventory, told: tuple[EventHub, Subscription]) -> None:
    """A problem is told once, and again when it is another."""
    hub, subscription = told
    reported = Reported(published, hub)
    for problem in (None, TAKEN, TAKEN, "else"):
        reported.take("h1", report(p1=problem))
    events = [await anext(subscription) for _ in range(2)]
    assert hub.last_id == 2
    assert [(event.kind, event.fields["problem"]) for event in events] == [
        ("publication.problem", TAKEN),
        ("publication.problem", "else"),
    ]
    assert (events[0].fields["id"], events[0].fields["host"]) == ("p1", "h1")


async def test_awaited(published: Inventory) -> None:
    """The word of a host is awaited where it is connected, concerned, and has an agent that reports."""
    reported = Reported(published, EventHub())
    one, other = (published.mirror.publications[each] for each in ("p1", "p2"))
    assert reported.awaited(one) == []
    reported.take("h1", report())
    reported.take("h2", report())
    assert reported.awaited(one) == ["h1", "h2"]
    assert reported.awaited(other) == ["h1"]
    reported.take("h1", report(p1=None, p2=TAKEN))
    assert (reported.awaited(one), reported.awaited(other)) == (["h2"], [])
    published.view.switches[2].connected = False
    assert reported.awaited(one) == []


async def test_forgotten(published: Inventory) -> None:
    """What was reported goes with the publication, and with the host; what is not there is no news."""
    reported = Reported(published, EventHub())
    reported.take("h1", report(p1=TAKEN, p2=TAKEN, p9=TAKEN))
    one, other = (published.mirror.publications[each] for each in ("p1", "p2"))
    await published.write(lambda mirror: plan_publication_removal(mirror, "p2"))
    assert list(reported.of_host("h1")) == [f"publication p1 is not in place: {TAKEN}"]
    assert reported.of_publication(other) == {}
    await published.remove_host("h1")
    assert list(reported.of_host("h1")) == []
    assert reported.of_publication(one) == {}
    with pytest.raises(NotFound):
        reported.take("h1", report(p1=TAKEN))


def test_bounds() -> None:
    """A report has so many entries at most, and sentences of so many characters."""
    HostReport(publications={f"p{number}": "x" * LONGEST for number in range(MOST)})
    wrongs: list[dict[str, str | None]] = [
        dict.fromkeys(map(str, range(MOST + 1))),
        {"p1": "x" * (LONGEST + 1)},
        {"p1": ""},
    ]
    for wrong in wrongs:
        with pytest.raises(ValidationError):
            HostReport(publications=wrong)
