"""The API over HTTP, with a real inventory and a fabric that does as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from json import loads as json_loads
from typing import Any, NamedTuple

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from daoli.api import make_app
from daoli.api.app import OPERATIONS
from daoli.api.problems import MEDIA_TYPE, ProblemBody
from daoli.hosts.events import EventHub
from daoli.hosts.inquiries import Inquiries
from daoli.hosts.inventory import Inventory
from daoli.hosts.question import Question, ends
from daoli.hosts.reports import CutReport, Explanation, HostStatus, Quarantined, RouteReport
from daoli.hosts.stored import Record
from daoli.hosts.trace import Step, Trace
from daoli.routing.model import Endpoint, ipv4_text
from daoli.routing.view import View
from daoli.store.memory import MemoryStore

HOST = {"name": "h1", "dpid": "00000000000000a1", "address": "192.0.2.1", "uplink": "eth0"}
OTHER_HOST = {"name": "h2", "dpid": "00000000000000a2", "address": "192.0.2.2", "uplink": "eth0"}
NETWORK = {"name": "blue", "subnet": "10.1.0.0/16"}


def listed(n: int) -> dict[str, Any]:
    """Describe endpoint number n for the list of a host."""
    return {
        "id": f"e{n}",
        "name": f"web{n}",
        "network": "blue",
        "mac": f"02:42:00:00:00:{n:02x}",
        "ipv4": f"10.1.0.{n + 1}",
        "port": f"veth{n}",
    }


class FakeFabric:
    """Knows what a test puts in, and remembers what it was asked."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.counters: dict[str, int] = {}
        self.measured: dict[str, float] = {}
        self.problem: str | None = None
        self.unregistered: list[Quarantined] = []
        self.live: list[RouteReport] = []
        self.cuts: dict[int, CutReport] = {}
        self.tried: list[set[str]] = []
        self.explained: list[Question] = []
        self.inquiries = Inquiries()

    def gauges(self) -> Mapping[str, float]:
        """Give what the test measured."""
        return self.measured

    def ready(self) -> str | None:
        """Give what the test finds wrong."""
        return self.problem

    def host_status(self, name: str) -> HostStatus:
        """Say that all is well."""
        return HostStatus(True, f"{name}:40000", 1.5, 4, 0, {"eth0": 1}, ("all is well",))

    def quarantined(self) -> list[Quarantined]:
        """Give the test's datapaths."""
        return self.unregistered

    async def routes(self) -> list[RouteReport]:
        """Give the test's routes."""
        return self.live

    async def explain(self, question: Question) -> Explanation:
        """Allow everything."""
        self.explained.append(question)
        source, destination = (
            end.id if isinstance(end, Endpoint) else None for end in (question.source, question.destination)
        )
        return Explanation(
            source,
            destination,
            question.protocol,
            question.port,
            allowed=True,
            deliverable=True,
            published=question.published,
            reason="same network",
            rule=None,
        )

    def would_cut(self, changes: Mapping[str, Record | None]) -> CutReport:
        """Give what the test would cut."""
        self.tried.append(set(changes))
        return self.cuts.get(0, CutReport())

    async def trace(self, question: Question) -> Trace:
        """Lose everything."""
        source, to = ends(self.view, question)
        a, b = (end.endpoint.id if end.endpoint else ipv4_text(end.ipv4) for end in (source, to))
        step = Step(source.switch.host.name, f"{a} {b} {question.protocol} {question.port}")
        return Trace(a, b, question.protocol or "icmp", question.port, False, "lost", step.host, (step,))

    async def confirmed(self, revision: int) -> CutReport:
        """Give what the test cut at this revision."""
        return self.cuts.get(revision, CutReport())


class Response(NamedTuple):
    """What the API answered."""

    status: int
    headers: Mapping[str, str]
    body: Any
    text: str

    @property
    def field(self) -> str | None:
        """The field that a problem names."""
        found: str | None = self.body.get("field")
        return found


@dataclass
class Api:
    """A client that checks each answer against the declaration of the operation."""

    client: TestClient[web.Request, web.Application]
    inventory: Inventory
    fabric: FakeFabric
    events: EventHub
    store: MemoryStore
    headers: dict[str, str] = field(default_factory=dict)

    async def ask(self, method: str, path: str, json: Any = None, **options: Any) -> Response:
        """Make a request; `json` or `data` is the body."""
        options = {"headers": self.headers} | options
        if json is not None:
            options["json"] = json
        async with self.client.request(method, path, **options) as answer:
            text = await answer.text()
            if answer.status >= 400:
                assert answer.content_type == MEDIA_TYPE
                assert ProblemBody.model_validate_json(text).status == answer.status
            else:
                self._check(answer.request_info.method, answer.url.path, answer.status, text)
            body = json_loads(text) if answer.content_type.endswith("json") else None
            return Response(answer.status, answer.headers, body, text)

    @staticmethod
    def _check(method: str, path: str, status: int, text: str) -> None:
        (operation,) = [o for o in OPERATIONS if o.method == method and _matches(o.path, path)]
        reply = {int(key): reply for key, reply in operation.replies.items()}[status]
        if reply.model is not None:
            reply.model.model_validate_json(text)


def _matches(template: str, path: str) -> bool:
    parts = list(zip(template.split("/"), path.split("/"), strict=False))
    same_length = template.count("/") == path.count("/")
    return same_length and all(part == given or part.startswith("{") for part, given in parts)


@asynccontextmanager
async def serving(*, token: str | None = None, store: MemoryStore | None = None) -> AsyncIterator[Api]:
    """Serve the API on a free port."""
    store = store or MemoryStore()
    view = View()
    inventory, fabric, events = Inventory(store, view), FakeFabric(view), EventHub(clock=lambda: 0.0)
    await inventory.load()
    following = asyncio.ensure_future(inventory.run())
    app = make_app(inventory, fabric, events, token=token, version="1.2.3")
    try:
        async with TestClient(TestServer(app)) as client:
            yield Api(client, inventory, fabric, events, store)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
