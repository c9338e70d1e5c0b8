"""The driver's socket: calls as libnetwork makes them, answers as it reads them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from tests.agent.driver.parts import Parts
from tests.agent.fakes import NETWORK_ID

from daoli.agent.driver.app import MEDIA_TYPE, make_driver_app


@pytest.fixture
async def docker(parts: Parts) -> AsyncIterator[TestClient[Any, Any]]:
    """Docker's side."""
    async with TestClient(TestServer(make_driver_app(parts.ipam, parts.driver))) as client, parts:
        yield client


async def ask(docker: TestClient[Any, Any], call: str, body: Any = None) -> tuple[int, Any]:
    """Make a call."""
    async with docker.post(f"/{call}", json=body) as response:
        assert response.content_type == MEDIA_TYPE
        return response.status, await response.json(content_type=None)


async def test_handshake(docker: TestClient[Any, Any]) -> None:
    """Docker is told that this is a driver of local networks and of addresses."""
    assert await ask(docker, "Plugin.Activate") == (200, {"Implements": ["NetworkDriver", "IpamDriver"]})
    assert (await ask(docker, "NetworkDriver.GetCapabilities"))[1]["Scope"] == "local"
    assert (await ask(docker, "IpamDriver.GetCapabilities"))[1]["RequiresMACAddress"] is False
    spaces = (await ask(docker, "IpamDriver.GetDefaultAddressSpaces"))[1]
    assert spaces["LocalDefaultAddressSpace"] == "daoli"


async def test_calls(docker: TestClient[Any, Any]) -> None:
    """A network is made and removed by the calls that Docker makes, unknown fields and all."""
    pool = {"AddressSpace": "daoli", "Pool": "10.2.0.0/24", "SubPool": "", "Options": None, "V6": False, "New": 1}
    status, answer = await ask(docker, "IpamDriver.RequestPool", pool)
    assert (status, answer["Pool"]) == (200, "10.2.0.0/24")
    gateway = {
        "PoolID": answer["PoolID"],
        "Address": "",
        "Options": {"RequestAddressType": "com.docker.network.gateway"},
    }
    assert (await ask(docker, "IpamDriver.RequestAddress", gateway))[1]["Address"] == "10.2.0.1/24"
    data = [{"AddressSpace": "daoli", "Gateway": "10.2.0.1/24", "Pool": "10.2.0.0/24"}]
    made = {"NetworkID": "ee" * 32, "Options": {"com.docker.network.generic": {}}, "IPv4Data": data, "IPv6Data": []}
    assert await ask(docker, "NetworkDriver.CreateNetwork", made) == (200, {})
    assert await ask(docker, "NetworkDriver.DeleteNetwork", {"NetworkID": "ee" * 32}) == (200, {})
    assert await ask(docker, "IpamDriver.ReleasePool", {"PoolID": answer["PoolID"]}) == (200, {})


@pytest.mark.parametrize(
    ("call", "body", "why"),
    [
        ("NetworkDriver.Join", {"NetworkID": NETWORK_ID, "EndpointID": "x"}, "start the container again"),
        ("NetworkDriver.Join", {"NetworkID": 7}, "does not understand NetworkDriver.Join"),
        ("IpamDriver.RequestAddress", {"PoolID": "x", "Address": ""}, "not known to the agent"),
    ],
)
async def test_no(docker: TestClient[Any, Any], call: str, body: Any, why: str) -> None:
    """A no is a sentence that Docker shows."""
    status, answer = await ask(docker, call, body)
    assert status == 500
    assert why in answer["Err"]


async def test_failure_is_told(docker: TestClient[Any, Any], parts: Parts) -> None:
    """What nobody foresaw is an error of Docker's too, and the driver goes on."""
    parts.controller.answers["POST", "/leases"] = RuntimeError("boom")
    body = {"PoolID": next(iter(parts.registry.pools)), "Address": ""}
    status, answer = await ask(docker, "IpamDriver.RequestAddress", body)
    assert status == 500
    assert "see its log: boom" in answer["Err"]
    assert (await ask(docker, "Plugin.Activate"))[0] == 200
