"""How this host becomes known to the controller, and stays so.

What cannot be is found before anything on the host is touched: a name that another machine has, and a machine id that
another one has too, since both were copied from one disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, Never

import structlog

from daoli.agent.client import Client, Refused, Unreachable
from daoli.agent.preflight import Unfit
from daoli.agent.settings import OPENFLOW_PORT
from daoli.agent.world import World
from daoli.hosts.spec import HostSpec

FIRST_BACKOFF: Final = 0.5
LAST_BACKOFF: Final = 5.0
RETRY_SECONDS: Final = 10.0
"""Before a host that the controller refuses is posted again."""
FRESH_ID: Final = "rm /etc/machine-id && systemd-machine-id-setup"

log = structlog.get_logger(__name__)


async def reach(client: Client) -> int:
    """Wait until the controller answers, and give the port of its OpenFlow side; Unfit if it does not let us in."""
    backoff, begun = FIRST_BACKOFF, asyncio.get_running_loop().time()
    while True:
        try:
            found = await client.request("GET", "/controller")
            return int(found["openflow"]["port"])
        except Unreachable as error:
            waited = asyncio.get_running_loop().time() - begun
            log.warning("controller_awaited", problem=str(error), waited=f"{waited:.0f} s", next=f"{backoff:g} s")
        except Refused as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return OPENFLOW_PORT
            raise Unfit([refusal(client, error)]) from error
        except (KeyError, TypeError, ValueError) as error:
            raise Unfit([f"what answers at {client.url} is not a daoli controller"]) from error
        await asyncio.sleep(backoff)
        backoff = min(2 * backoff, LAST_BACKOFF)


def refusal(client: Client, error: Refused) -> str:
    """Put a refusal of the whole API into words."""
    if error.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return f"the controller at {client.url} does not let this host in ({error}): check --token-file"
    return f"the controller at {client.url} refuses: {error}"


def clash(hosts: Sequence[Mapping[str, Any]], spec: HostSpec, *, joined: bool) -> str | None:
    """Tell why a host cannot join beside those that there are; None if it can."""
    for other in hosts:
        where = f"{other['name']} at {other['address']}"
        if other["name"] == spec.name and other["dpid"] != spec.dpid:
            return (
                f"the name {spec.name} is taken by another machine, at {other['address']} with datapath id "
                f"{other['dpid']}: give this one another with --name, or if that machine is gone, remove it first: "
                f"daolictl host remove {spec.name}"
            )
        if other["name"] != spec.name and other["dpid"] == spec.dpid:
            return (
                f"{where} has the same datapath id {spec.dpid}: the two machines have the same /etc/machine-id, as "
                f"copies of one disk have. Give this one its own: {FRESH_ID}. (Or was this host {other['name']} "
                f"before? Then: daolictl host remove {other['name']})"
            )
        peer = ((other.get("status") or {}).get("peer") or "").rpartition(":")[0]
        if other["name"] == spec.name and not joined and peer and peer != spec.address != other["address"]:
            return (
                f"a machine with the same name and the same /etc/machine-id is connected already, from {peer}: give "
                f"this one its own: {FRESH_ID}, and another host name"
            )
    return None


class Registration:
    """This host's entry at the controller."""

    def __init__(self, client: Client, world: World, spec: Callable[[], HostSpec]) -> None:
        """`spec` gives what the entry is to be now."""
        self._client = client
        self._world = world
        self._spec = spec
        self._work = asyncio.Event()
        self.problem: str | None = None
        """Why this host is not in the fabric."""

    async def check(self, *, joined: bool) -> None:
        """Ask whether this host can join; Unfit if it cannot. `joined`: it has, before."""
        try:
            hosts = (await self._client.request("GET", "/hosts"))["hosts"]
        except Refused as error:
            raise Unfit([refusal(self._client, error)]) from error
        if (why := clash(hosts, self._spec(), joined=joined)) is not None:
            raise Unfit([why])

    async def post(self) -> None:
        """Tell the controller of this host; Refused or Unreachable."""
        await self._client.request("POST", "/hosts", self._spec().model_dump(mode="json", exclude_defaults=True))
        self.problem = None

    def look(self) -> None:
        """Compare soon: the controller's list may have changed, or this host."""
        self._work.set()

    async def run(self) -> Never:
        """Post this host again whenever the controller's entry is not as it is to be, or is gone."""
        while True:
            spec = self._spec()
            if self._world.connected and self._world.hosts.get(spec.name) != spec:
                await self._post_again(spec)
            await self._work.wait()
            self._work.clear()

    async def _post_again(self, spec: HostSpec) -> None:
        try:
            await self.post()
        except (Refused, Unreachable) as error:
            self.problem = f"the controller does not take this host: {error}"
            log.warning("host_not_registered", host=spec.name, problem=str(error))
            asyncio.get_running_loop().call_later(RETRY_SECONDS, self._work.set)
        else:
            log.info("host_registered", host=spec.name, address=spec.address, mtu=spec.mtu)
