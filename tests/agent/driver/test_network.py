"""Networks and endpoints as Docker asks for them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.agent.driver.parts import ENDPOINT, POOL, Parts, creation
from tests.agent.fakes import NETWORK_ID, away, refused, tell

from daoli.agent.driver import network as module
from daoli.agent.driver.messages import CreateNetwork, DeleteNetwork, EndpointCall, Join, RequestPool
from daoli.agent.driver.network import docker_mac, inner_name, port_name
from daoli.agent.driver.refusal import Refusal
from daoli.agent.links import LinkError
from daoli.agent.ovs import OvsError

OTHER = "dd" * 32
CALL = EndpointCall(NetworkID=NETWORK_ID, EndpointID=ENDPOINT)


def making(subnet: str = "10.2.0.0/24", **fields: Any) -> CreateNetwork:
    data = [{"AddressSpace": "daoli", "Pool": subnet, "Gateway": subnet.replace("0/24", "1/24")}]
    return CreateNetwork.model_validate({"NetworkID": OTHER, "IPv4Data": data, "IPv6Data": []} | fields)


async def test_network_takes_its_pool(parts: Parts) -> None:
    """A network belongs to the pool that was asked for before, has no name yet, and goes with a word to the fabric."""
    await parts.ipam.request_pool(RequestPool(pool="10.2.0.0/24"))
    await parts.driver.create_network(making(Options={"com.docker.network.internal": True}))
    made = parts.registry.networks[OTHER]
    assert (made.subnet, made.gateway, made.internal, made.name) == ("10.2.0.0/24", "10.2.0.1", True, None)
    assert parts.registry.pools[made.pool].network == OTHER
    for _ in range(2):
        await parts.driver.delete_network(DeleteNetwork(NetworkID=OTHER))
    assert parts.gone.networks == [made]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "add --ipam-driver daoli"),
        ({"IPv6Data": [{"Pool": "fd00::/64"}]}, "IPv4 only"),
        ({"IPv4Data": []}, "exactly one subnet"),
    ],
)
async def test_network_that_cannot_be(parts: Parts, fields: dict[str, Any], why: str) -> None:
    """A network that is not ours to address is refused."""
    with pytest.raises(Refusal, match=why):
        await parts.driver.create_network(making(**fields))


async def test_network_without_controller(parts: Parts) -> None:
    """A network is not made while the controller cannot be told, nor if the fabric's is of another kind."""
    await parts.ipam.request_pool(RequestPool(pool="10.2.0.0/24"))
    spec = {"name": "dnet2", "subnet": "10.2.0.0/24", "gateway": "10.2.0.1", "internal": True}
    tell(parts.world, {"networks/dnet2": spec})
    with pytest.raises(Refusal, match="dnet2 is internal on the other hosts"):
        await parts.driver.create_network(making())
    tell(parts.world, {"networks/dnet2": None}, connected=False)
    with pytest.raises(Refusal, match="no network can be made now"):
        await parts.driver.create_network(making())
    assert OTHER not in parts.registry.networks


async def test_endpoint(parts: Parts) -> None:
    """An endpoint is a veth on the bridge that the controller knows; its end takes all of it away."""
    async with parts:
        answer = await parts.driver.create_endpoint(creation(ports=[8080]))
        assert answer == {"Interface": {"MacAddress": "02:42:0a:01:00:02"}}
        (listed,) = parts.controller.made("PUT", "/hosts/h1/endpoints")[-1]["endpoints"]
        assert (listed["network"], listed["ipv4"], listed["port"]) == ("dnet1", "10.1.0.2", port_name(ENDPOINT))
        joined = await parts.driver.join(Join(NetworkID=NETWORK_ID, EndpointID=ENDPOINT, sandbox_key="/x"))
        assert joined["InterfaceName"] == {"SrcName": inner_name(ENDPOINT), "DstPrefix": "eth"}
        assert (joined["Gateway"], joined["DisableGatewayService"]) == ("10.1.0.1", True)
        await parts.driver.program_external_connectivity(CALL)
        assert [mapping.host_port for mapping in parts.publisher.published[ENDPOINT]] == [8080]
        await parts.driver.revoke_external_connectivity(CALL)
        assert parts.publisher.published == {}
        assert await parts.driver.endpoint_oper_info(CALL) == {"Value": {}}
        assert await parts.driver.leave(CALL) == {}
        for _ in range(2):
            assert await parts.driver.delete_endpoint(CALL) == {}
        assert parts.controller.made("PUT", "/hosts/h1/endpoints")[-1] == {"endpoints": []}
    assert (parts.veths.there, parts.ports.there, parts.registry.endpoints) == (set(), set(), {})


async def test_chosen_mac(parts: Parts) -> None:
    """A MAC that Docker gives is taken, and not told back."""
    async with parts:
        assert await parts.driver.create_endpoint(creation("02:42:AA:BB:CC:01")) == {"Interface": {}}
    assert parts.registry.endpoints[ENDPOINT].mac == "02:42:aa:bb:cc:01"


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (LinkError("the name is taken"), "the name is taken"),
        (OvsError("no such bridge"), "no such bridge"),
        (away(), "cannot be reached"),
        (refused("MAC is taken by web"), "taken by web"),
    ],
)
async def test_endpoint_that_fails(parts: Parts, fault: Exception, why: str) -> None:
    """Whatever goes wrong is told to Docker, and nothing is left of the endpoint."""
    if isinstance(fault, LinkError):
        parts.veths.fault = fault
    elif isinstance(fault, OvsError):
        parts.ports.fault = fault
    else:
        parts.controller.answers["PUT", "/hosts"] = fault
    async with parts:
        with pytest.raises(Refusal, match=why):
            await parts.driver.create_endpoint(creation())
    assert (parts.veths.there, parts.ports.there, parts.registry.endpoints) == (set(), set(), {})


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (creation(address=""), "need an IPv4 address"),
        (creation("01:00:00:00:00:01"), "mac: a container's MAC is not a multicast address"),
    ],
)
async def test_endpoint_that_cannot_be(parts: Parts, call: Any, why: str) -> None:
    """What the fabric could not take is refused before anything is made."""
    with pytest.raises(Refusal, match=why):
        await parts.driver.create_endpoint(call)
    assert parts.registry.endpoints == {}


async def test_end_without_controller(parts: Parts) -> None:
    """An endpoint ends at once while the controller is away, and when the switch fails."""
    async with parts:
        await parts.driver.create_endpoint(creation())
        tell(parts.world, {}, connected=False)
        parts.controller.answers["PUT", "/hosts"] = away()
        parts.ports.fault = OvsError("it does not answer")
        await parts.driver.delete_endpoint(CALL)
    assert (parts.veths.there, parts.registry.endpoints) == (set(), {})


async def test_end_with_silent_controller(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of an endpoint waits for a silent controller, but not for long."""
    monkeypatch.setattr(module, "TOLD_TIMEOUT", 0.001)
    async with parts:
        await parts.driver.create_endpoint(creation())
        parts.controller.held = asyncio.Event()
        await parts.driver.delete_endpoint(CALL)
    assert parts.registry.endpoints == {}


async def test_forgotten_endpoint(parts: Parts) -> None:
    """An endpoint that Docker has no more takes its lease along."""
    parts.registry.leases["10.1.0.2"] = "10.1.0.0/24"
    async with parts:
        await parts.driver.create_endpoint(creation())
        await parts.driver.forget(parts.registry.endpoints[ENDPOINT])
    assert (parts.registry.leases, parts.registry.endpoints) == ({}, {})


async def test_network_that_is_being_made_known(parts: Parts) -> None:
    """A container waits for its network, made just now, to be known to the fabric."""
    parts.registry.networks[NETWORK_ID].registered = False
    async with parts:
        starting = asyncio.create_task(parts.driver.create_endpoint(creation()))
        await asyncio.sleep(0)
        parts.driver.notice()
        await asyncio.sleep(0)
        assert not starting.done()
        parts.registry.networks[NETWORK_ID].registered = True
        parts.driver.notice()
        await starting


@pytest.mark.parametrize(("known", "why"), [(True, "not known to the controller"), (False, "not known to the agent")])
async def test_network_that_stays_unknown(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, *, known: bool, why: str
) -> None:
    """A container on a network that nobody gets to know is refused."""
    monkeypatch.setattr(module, "NAME_TIMEOUT", 0.001)
    parts.registry.networks[NETWORK_ID].registered = False
    if not known:
        parts.registry.networks.clear()
    with pytest.raises(Refusal, match=why):
        await parts.driver.create_endpoint(creation())


async def test_join_of_the_unknown(parts: Parts) -> None:
    """What the driver did not make cannot be joined, and is published nowhere."""
    with pytest.raises(Refusal, match="start the container again"):
        await parts.driver.join(Join(NetworkID=NETWORK_ID, EndpointID=ENDPOINT))
    await parts.driver.program_external_connectivity(CALL)
    assert parts.publisher.published == {}


def test_names() -> None:
    """Ports and MACs have the names that Docker's ids and addresses give them, fit for Linux."""
    assert (port_name(ENDPOINT), inner_name(ENDPOINT)) == ("dl121212121212", "dc121212121212")
    assert docker_mac("10.1.0.2") == "02:42:0a:01:00:02"
    assert POOL.startswith("10.1.0.0/24-")
