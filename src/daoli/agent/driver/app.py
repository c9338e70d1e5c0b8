"""The driver's calls as libnetwork makes them: POST, JSON, and an `Err` where the answer is no."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import structlog
from aiohttp import web
from pydantic import ValidationError
from pydantic_core import from_json

from daoli.agent.driver import messages as m
from daoli.agent.driver.ipam import Ipam
from daoli.agent.driver.network import NetworkDriver
from daoli.agent.driver.refusal import Refusal

MEDIA_TYPE: Final = "application/vnd.docker.plugins.v1.2+json"
BODY_LIMIT: Final = 1 << 20
SPACE: Final = "daoli"
"""The one address space; networks of other drivers have another."""

T = TypeVar("T", bound=m.Call)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = structlog.get_logger(__name__)


def make_driver_app(ipam: Ipam, driver: NetworkDriver) -> web.Application:
    """Make the application that is served at the plugin's socket."""
    app = web.Application(client_max_size=BODY_LIMIT)
    constants: dict[str, dict[str, Any]] = {
        "Plugin.Activate": {"Implements": ["NetworkDriver", "IpamDriver"]},
        "NetworkDriver.GetCapabilities": {"Scope": "local", "ConnectivityScope": "local"},
        "NetworkDriver.DiscoverNew": {},
        "NetworkDriver.DiscoverDelete": {},
        "IpamDriver.GetCapabilities": {"RequiresMACAddress": False, "RequiresRequestReplay": False},
        "IpamDriver.GetDefaultAddressSpaces": {
            "LocalDefaultAddressSpace": SPACE,
            "GlobalDefaultAddressSpace": SPACE,
        },
    }
    for name, value in constants.items():
        app.router.add_post(f"/{name}", _constant(value))
    calls = (
        ("IpamDriver.RequestPool", m.RequestPool, ipam.request_pool),
        ("IpamDriver.ReleasePool", m.ReleasePool, ipam.release_pool),
        ("IpamDriver.RequestAddress", m.RequestAddress, ipam.request_address),
        ("IpamDriver.ReleaseAddress", m.ReleaseAddress, ipam.release_address),
        ("NetworkDriver.CreateNetwork", m.CreateNetwork, driver.create_network),
        ("NetworkDriver.DeleteNetwork", m.DeleteNetwork, driver.delete_network),
        ("NetworkDriver.CreateEndpoint", m.CreateEndpoint, driver.create_endpoint),
        ("NetworkDriver.DeleteEndpoint", m.EndpointCall, driver.delete_endpoint),
        ("NetworkDriver.EndpointOperInfo", m.EndpointCall, driver.endpoint_oper_info),
        ("NetworkDriver.Join", m.Join, driver.join),
        ("NetworkDriver.Leave", m.EndpointCall, driver.leave),
        ("NetworkDriver.ProgramExternalConnectivity", m.EndpointCall, driver.program_external_connectivity),
        ("NetworkDriver.RevokeExternalConnectivity", m.EndpointCall, driver.revoke_external_connectivity),
    )
    for name, model, handler in calls:
        app.router.add_post(f"/{name}", _call(name, model, handler))  # type: ignore[arg-type]  # each fits its model
    return app


def _constant(value: dict[str, Any]) -> Handler:
    async def handle(_: web.Request) -> web.StreamResponse:
        return _answer(value)

    return handle


def _call(name: str, model: type[T], handler: Callable[[T], Awaitable[dict[str, Any]]]) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            call = model.model_validate(from_json(await request.read() or b"{}"))
            answer = await handler(call)
        except Refusal as error:
            log.warning("driver_refused", call=name, reason=str(error))
            return _answer({"Err": str(error)}, status=500)
        except (ValidationError, ValueError) as error:
            log.exception("driver_call_not_understood", call=name)
            return _answer({"Err": f"daoli does not understand {name}: {error}"}, status=500)
        except Exception as error:
            log.exception("driver_failed", call=name)
            return _answer({"Err": f"{name} failed in the daoli agent, see its log: {error}"}, status=500)
        log.debug("driver_answered", call=name, asked=call.model_dump(exclude_defaults=True), answer=answer)
        return _answer(answer)

    return handle


def _answer(value: dict[str, Any], status: int = 200) -> web.Response:
    response = web.json_response(value, status=status)
    response.headers["Content-Type"] = MEDIA_TYPE
    return response
