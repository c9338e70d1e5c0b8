"""Pools and addresses as Docker asks for them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.agent.driver.parts import POOL, Parts, creation
from tests.agent.fakes import away, refused, tell

from daoli.agent.client import Unreachable
from daoli.agent.driver.messages import ReleaseAddress, ReleasePool, RequestAddress, RequestPool
from daoli.agent.driver.refusal import Refusal

GATEWAY = {"RequestAddressType": "com.docker.network.gateway"}


def request(address: str = "", pool: str = POOL, options: dict[str, str] | None = None) -> RequestAddress:
    return RequestAddress(PoolID=pool, address=address, options=options)


async def pool(parts: Parts, subnet: str = "", sub_pool: str = "") -> str:
    answer = await parts.ipam.request_pool(RequestPool(pool=subnet, sub_pool=sub_pool))
    return str(answer["PoolID"])


async def test_pool_ids_differ(parts: Parts) -> None:
    """Each request has a pool of its own, whose id says the subnet; it is forgotten when it is given back."""
    ids = [await pool(parts, "10.2.0.0/24") for _ in range(2)]
    assert len(set(ids)) == 2
    assert all(each.startswith("10.2.0.0/24-") for each in ids)
    await parts.ipam.release_pool(ReleasePool(PoolID=ids[0]))
    await parts.ipam.release_pool(ReleasePool(PoolID="unknown"))
    assert ids[0] not in parts.registry.pools


@pytest.mark.parametrize(
    ("subnet", "sub_pool", "why"),
    [
        ("10.1.0.128/25", "", "overlaps 10.1.0.0/24, which is network dnet1"),
        ("10.1.0.0/24", "", "here on this host already"),
        ("192.0.2.128/25", "", "subnet 192.0.2.128/25 overlaps 192.0.2.0/24, on eth0 of this host"),
        ("172.17.5.0/24", "", "subnet 172.17.5.0/24 overlaps 172.17.0.0/16, on docker0 of host h2"),
        ("198.51.100.0/29", "", "subnet 198.51.100.0/29 overlaps 198.51.100.2/32, the address of host h2"),
        ("8.0.0.0/8", "", "8.0.0.0/8 has public addresses, of which a network takes a /16 at most"),
        ("10.2.0.0/31", "", "prefix length"),
        ("10.2.0.0/24", "10.3.0.0/25", "range: 10.3.0.0/25 is not in 10.2.0.0/24"),
    ],
)
async def test_subnet_that_cannot_be(parts: Parts, subnet: str, sub_pool: str, why: str) -> None:
    """What cannot be a network's subnet is refused with the reason, also where another host has it."""
    h2 = {"name": "h2", "dpid": "00000000000000a2", "address": "198.51.100.2", "uplink": "dlup"}
    tell(parts.world, {"hosts/h2": h2 | {"subnets": {"172.17.0.0/16": "docker0"}}})
    with pytest.raises(Refusal, match=why):
        await pool(parts, subnet, sub_pool)


async def test_ipv6_is_refused(parts: Parts) -> None:
    """There are no IPv6 pools."""
    with pytest.raises(Refusal, match="IPv4 only"):
        await parts.ipam.request_pool(RequestPool(pool="fd00::/64", V6=True))


async def test_subnet_of_the_pool(parts: Parts) -> None:
    """Without a subnet one is drawn from the controller's pool that nobody has, until there is none."""
    parts.controller.answers["GET", "/controller"] = {"pool": "192.0.2.0/24"}
    with pytest.raises(Refusal, match=r"all subnets of the controller's pool 192\.0\.2\.0/24 are in use"):
        await pool(parts)
    parts.controller.answers["GET", "/controller"] = {"pool": "10.1.0.0/23"}
    assert (await pool(parts)).startswith("10.1.1.0/24-")
    with pytest.raises(Refusal, match="all subnets of the controller's pool"):
        await pool(parts)
    parts.controller.answers["GET", "/controller"] = away()
    with pytest.raises(Refusal, match=r"give one with --subnet: .*cannot be reached"):
        await pool(parts)


async def test_gateway(parts: Parts) -> None:
    """The gateway is the one asked for, else the subnet's first; a network of the fabric has its own."""
    other = await pool(parts, "10.2.0.0/24")
    assert (await parts.ipam.request_address(request("", other, GATEWAY)))["Address"] == "10.2.0.1/24"
    assert (await parts.ipam.request_address(request("10.2.0.9", other, GATEWAY)))["Address"] == "10.2.0.9/24"
    with pytest.raises(Refusal, match=r"dnet1, with subnet .*, has the gateway 10.1.0.1"):
        await parts.ipam.request_address(request("10.1.0.9", POOL, GATEWAY))
    assert parts.controller.requests == []


async def test_reserved_address(parts: Parts) -> None:
    """An address that is asked for before the network is made is an auxiliary one."""
    other = await pool(parts, "10.2.0.0/24")
    assert (await parts.ipam.request_address(request("10.2.0.7", other)))["Address"] == "10.2.0.7/24"
    assert parts.registry.pools[other].reserved == ["10.2.0.7"]
    with pytest.raises(Refusal, match="before its network was made"):
        await parts.ipam.request_address(request("", other))


async def test_lease(parts: Parts) -> None:
    """An address is leased by the controller to this host, kept, and given back."""
    assert (await parts.ipam.request_address(request()))["Address"] == "10.1.0.2/24"
    assert parts.controller.made("POST", "/leases") == [{"host": "h1", "subnet": "10.1.0.0/24"}]
    assert parts.registry.leases == {"10.1.0.2": "10.1.0.0/24"}
    await parts.ipam.release_address(ReleaseAddress(PoolID=POOL, address="10.1.0.2"))
    assert parts.controller.requests[-1][:2] == ("DELETE", "/leases/10.1.0.2?host=h1")
    assert parts.registry.leases == {}
    await parts.ipam.release_address(ReleaseAddress(PoolID=POOL, address="10.1.0.1"))
    assert len(parts.controller.made("DELETE", "/leases")) == 1


async def test_address_in_use_here(parts: Parts) -> None:
    """An address that a container of this host has is refused by the container's name."""
    async with parts:
        await parts.ipam.request_address(request("10.1.0.2"))
        await parts.driver.create_endpoint(creation())
        listed = {"id": "12" * 32, "name": "web", "host": "h1", "network": "dnet1", "port": "dl"}
        tell(parts.world, {f"endpoints/{'12' * 32}": listed | {"mac": "02:42:0a:01:00:02", "ipv4": "10.1.0.2"}})
        with pytest.raises(Refusal, match="is in use on this host by web"):
            await parts.ipam.request_address(request("10.1.0.2"))


async def test_address_left_over(parts: Parts) -> None:
    """An address that was given, but never to an endpoint, is given again when it is asked for a while later."""
    now = parts.ipam._clock()
    await parts.ipam.request_address(request("10.1.0.2"))
    with pytest.raises(Refusal, match="is in use on this host"):
        await parts.ipam.request_address(request("10.1.0.2"))
    parts.ipam._clock = lambda: now + 60
    assert (await parts.ipam.request_address(request("10.1.0.2")))["Address"] == "10.1.0.2/24"


async def test_address_wanted_twice_at_once(parts: Parts) -> None:
    """Of two requests for one address the second is refused while the first is under way."""
    parts.controller.held = asyncio.Event()
    first = asyncio.create_task(parts.ipam.request_address(request("10.1.0.2")))
    await asyncio.sleep(0)
    with pytest.raises(Refusal, match="in use on this host"):
        await parts.ipam.request_address(request("10.1.0.2"))
    parts.controller.held.set()
    await first


@pytest.mark.parametrize(
    ("answer", "why"),
    [(away(), "no address can be leased: .*cannot be reached"), (refused("leased by host h2 for web"), "h2 for web")],
)
async def test_no_lease(parts: Parts, answer: Exception, why: str) -> None:
    """The controller's no, and its absence, reach whoever asked."""
    parts.controller.answers["POST", "/leases"] = answer
    with pytest.raises(Refusal, match=why):
        await parts.ipam.request_address(request("10.1.0.2"))
    assert parts.registry.leases == {}


async def test_lease_given_back_later(parts: Parts) -> None:
    """Without the controller a lease goes here at once, and there with the next list."""
    await parts.ipam.settle()
    await parts.ipam.request_address(request())
    assert not parts.ipam.unreleased
    parts.controller.answers["DELETE", "/leases"] = away()
    await parts.ipam.release_address(ReleaseAddress(PoolID=POOL, address="10.1.0.2"))
    assert parts.registry.leases == {}
    assert parts.ipam.unreleased
    await parts.ipam.settle()
    assert parts.controller.requests[-1] == ("PUT", "/hosts/h1/leases", {"leases": []})
    assert not parts.ipam.unreleased


async def test_lease_given_back_unconnected(parts: Parts) -> None:
    """A controller that is known to be away is not asked."""
    await parts.ipam.request_address(request())
    tell(parts.world, {}, connected=False)
    await parts.ipam.release_address(ReleaseAddress(PoolID=POOL, address="10.1.0.2"))
    assert parts.controller.made("DELETE", "/leases") == []


async def test_lease_of_another(parts: Parts) -> None:
    """A lease that has become another host's is let go."""
    await parts.ipam.settle()
    await parts.ipam.request_address(request())
    parts.controller.answers["DELETE", "/leases"] = refused("leased by host h2")
    await parts.ipam.release_address(ReleaseAddress(PoolID=POOL, address="10.1.0.2"))
    assert not parts.ipam.unreleased


async def test_list_waits_for_leases_under_way(parts: Parts) -> None:
    """A list is not sent while an address is being leased, which it would give back."""
    parts.controller.held = asyncio.Event()
    leasing = asyncio.create_task(parts.ipam.request_address(request()))
    await asyncio.sleep(0)
    await parts.ipam.settle()
    assert parts.ipam.unreleased
    parts.controller.held.set()
    await leasing
    await parts.ipam.settle()
    assert parts.controller.made("PUT", "/hosts") == [{"leases": ["10.1.0.2"]}]


async def test_list_under_way_holds_leases_up(parts: Parts) -> None:
    """An address is asked for only after a list that does not know of it was answered."""
    parts.controller.held = asyncio.Event()
    settling = asyncio.create_task(parts.ipam.settle())
    await asyncio.sleep(0)
    leasing = asyncio.create_task(parts.ipam.request_address(request()))
    await asyncio.sleep(0)
    assert [method for method, *_ in parts.controller.requests] == ["PUT"]
    parts.controller.held.set()
    await asyncio.gather(settling, leasing)
    assert [method for method, *_ in parts.controller.requests] == ["PUT", "POST"]


async def test_list_is_not_heard(parts: Parts) -> None:
    """A list that did not arrive is due again; lost leases are only logged."""
    parts.controller.answers["PUT", "/hosts"] = away()
    with pytest.raises(Unreachable):
        await parts.ipam.settle()
    assert parts.ipam.unreleased
    answer: Any = {"refused": [{"ipv4": "10.1.0.2", "detail": "leased by host h2"}]}
    parts.controller.answers["PUT", "/hosts"] = answer
    await parts.ipam.settle()
    assert not parts.ipam.unreleased


async def test_forgotten_pool(parts: Parts) -> None:
    """A pool that the file lost is known again by its id, where its network is known."""
    parts.registry.pools.clear()
    assert (await parts.ipam.request_address(request()))["Address"] == "10.1.0.2/24"
    assert parts.registry.pools[POOL].subnet == "10.1.0.0/24"
    with pytest.raises(Refusal, match="not known to the agent"):
        await parts.ipam.request_address(request("", "10.7.0.0/24-00"))
