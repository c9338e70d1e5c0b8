"""Containers made from blueprints, and made whole where that was interrupted."""

from __future__ import annotations

import pytest
from tests.agent.docker_fake import OLD, WEB, FakeEngine, shown

from daoli.agent.blueprint import Blueprint, NetworkPart, blueprint_of, pinned_addresses
from daoli.agent.making import blueprint_in, failed, is_half_made, is_running, make, pin
from daoli.agent.networks import EngineError
from daoli.hosts.move import Move


@pytest.fixture
def blueprint() -> Blueprint:
    """The blueprint of a container on two networks."""
    blueprint = blueprint_of(shown(), {"n1"}, without_volumes=False)
    blueprint.networks.append(NetworkPart(network="n2", ipv4="10.2.0.2", mac="02:42:0a:02:00:02", aliases=[]))
    return blueprint


async def test_make(blueprint: Blueprint) -> None:
    """A container is created on its first network and connected to the others."""
    engine = FakeEngine("h2")
    container = await make(engine, blueprint)
    assert engine.calls == ["create", "connect"]
    assert pinned_addresses(engine.containers[container]) == {WEB.ipv4, "10.2.0.2"}
    assert await make(engine, blueprint) == container
    assert engine.calls == ["create", "connect"]


async def test_goes_on(blueprint: Blueprint) -> None:
    """One that was created but not connected everywhere is."""
    engine = FakeEngine("h2")
    engine.broken["connect"] = EngineError("no")
    with pytest.raises(EngineError):
        await make(engine, blueprint)
    engine.broken.clear()
    container = await make(engine, blueprint)
    assert engine.calls == ["create", "connect", "connect"]
    assert engine.containers.keys() == {container}


async def test_pin(blueprint: Blueprint) -> None:
    """One with an address of Docker's choice is made to keep it."""
    engine = FakeEngine("h1")
    engine.containers[OLD] = shown(State__Running=False)
    del blueprint.networks[1]
    await pin(engine, blueprint, OLD)
    assert engine.calls == ["disconnect", "connect"]
    assert pinned_addresses(engine.containers[OLD]) == {WEB.ipv4}
    await pin(engine, blueprint, OLD)
    assert len(engine.calls) == 2


async def test_half_made(blueprint: Blueprint) -> None:
    """Only what was never started, and is for these addresses, counts as ours."""
    engine = FakeEngine("h2")
    made = engine.containers[await make(engine, blueprint)]
    assert is_half_made(made, blueprint)
    assert not is_half_made({**made, "State": {"Status": "exited"}}, blueprint)
    assert not is_half_made({**made, "NetworkSettings": {}}, blueprint)
    assert not is_half_made(made, blueprint.model_copy(update={"networks": blueprint.networks[:1]}))
    assert not is_half_made(shown(), blueprint)


def test_words() -> None:
    """A blueprint that cannot be read is an error of the engine's kind; what is not there does not run."""
    move = Move(id="m1", container=OLD, name="web", source="h1", to="h2", created=1.0, updated=1.0)
    with pytest.raises(EngineError, match="no usable blueprint"):
        blueprint_in(move)
    assert failed("why") == {"state": "failed", "detail": "why"}
    assert [is_running(found) for found in (None, {}, shown(), shown(State__Running=False))] == [
        False,
        False,
        True,
        False,
    ]
