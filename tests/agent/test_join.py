"""How a host becomes known to the controller, and what keeps it from being."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from structlog.testing import capture_logs
from tests.agent.fakes import FakeController, away, make_world, refused, tell

from daoli.agent import join
from daoli.agent.client import Client
from daoli.agent.join import Registration, clash, reach
from daoli.agent.preflight import Unfit
from daoli.hosts.spec import HostSpec

SPEC = HostSpec(name="h1", dpid="00000000000000a1", address="192.0.2.1", uplink="dlup", gateway=True)
ENTRY = {"name": "h1", "dpid": "00000000000000a1", "address": "192.0.2.1", "status": {"peer": None}}


class Controller(FakeController):
    """Has a URL, as a client has."""

    url = "http://192.0.2.9:8653"


def as_client(controller: Controller) -> Client:
    return cast("Client", controller)


@pytest.mark.parametrize(
    ("other", "joined", "words"),
    [
        ({}, False, None),
        ({"address": "192.0.2.7"}, True, None),
        ({"name": "h2", "dpid": "00000000000000a2"}, False, None),
        ({"dpid": "00000000000000a2", "address": "192.0.2.7"}, False, "taken by another machine, at 192.0.2.7"),
        ({"name": "h2", "address": "192.0.2.7"}, False, "h2 at 192.0.2.7 has the same datapath id"),
        ({"address": "192.0.2.7", "status": {"peer": "192.0.2.1:4242"}}, False, None),
        ({"address": "192.0.2.7", "status": {"peer": "192.0.2.8:4242"}}, False, "connected already, from 192.0.2.8"),
        ({"address": "192.0.2.7", "status": {"peer": "192.0.2.8:4242"}}, True, None),
    ],
)
def test_clash(other: dict[str, Any], joined: bool, words: str | None) -> None:
    """Another machine's name or machine id keeps a host out, and the sentence says whose it is."""
    found = clash([ENTRY | other], SPEC, joined=joined)
    assert (found is None) == (words is None)
    assert (words or "") in (found or "")


async def test_waits_for_the_controller(monkeypatch: pytest.MonkeyPatch) -> None:
    """While nobody answers it is asked again, and each attempt is said."""
    monkeypatch.setattr(join, "FIRST_BACKOFF", 0.0)
    controller = Controller()

    def answer(*_: object) -> Any:
        return away() if len(controller.requests) < 3 else {"openflow": {"port": 7653}}

    controller.answers = {("GET", "/controller"): answer}
    with capture_logs() as logs:
        assert await reach(as_client(controller)) == 7653
    assert [entry["event"] for entry in logs] == ["controller_awaited"] * 2


async def test_what_answers_is_no_controller() -> None:
    """A refusal to let us in, and an answer of something else, are ends."""
    controller = Controller({("GET", "/controller"): refused("the token is wrong", status=401)})
    with pytest.raises(Unfit, match=r"does not let this host in .the token is wrong.: check --token-file"):
        await reach(as_client(controller))
    controller.answers = {("GET", "/controller"): {"hello": "world"}}
    with pytest.raises(Unfit, match="is not a daoli controller"):
        await reach(as_client(controller))
    controller.answers = {("GET", "/controller"): refused("no such path", status=404)}
    assert await reach(as_client(controller)) == 6653


async def test_check() -> None:
    """A host that clashes is told so before anything else."""
    controller = Controller({("GET", "/hosts"): {"hosts": [ENTRY | {"dpid": "00000000000000ff"}]}})
    registration = Registration(as_client(controller), make_world({}), lambda: SPEC)
    with pytest.raises(Unfit, match="the name h1 is taken"):
        await registration.check(joined=False)
    controller.answers = {("GET", "/hosts"): {"hosts": []}}
    await registration.check(joined=False)


async def test_entry_is_kept_as_it_is_to_be() -> None:
    """An entry that is gone or differs is posted again; one that is right is not."""
    controller = Controller()
    world = make_world({"hosts/h1": SPEC.model_dump()})
    registration = Registration(as_client(controller), world, lambda: SPEC)
    running = asyncio.create_task(registration.run())
    await asyncio.sleep(0)
    assert controller.requests == []
    tell(world, {"hosts/h1": None})
    registration.look()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [body["name"] for body in controller.made("POST", "/hosts")] == ["h1"]
    controller.answers = {("POST", "/hosts"): refused("another has the address")}
    registration.look()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert registration.problem == "the controller does not take this host: another has the address"
    running.cancel()
