"""Keeps `PUT /hosts/{name}/endpoints` true: one request carries all that changed while the last one was under way.

The list is the whole truth about this host, so an endpoint that the controller refuses must not keep the others from
being known: it is left out, and whoever put it is told why.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Never, Protocol

import structlog

from daoli.agent.client import Refused, Unreachable
from daoli.hosts.labels import excess, fitting
from daoli.hosts.spec import ListedEndpoint, PublishedPort

RETRY_SECONDS: Final = 2.0
"""How long to wait before the controller is asked again; a connection that comes back ends the wait."""
_INDEX: Final = re.compile(r"endpoints\[(\d+)\]")

log = structlog.get_logger(__name__)


class Controller(Protocol):
    """What is asked of `agent.client.Client`."""

    async def request(self, method: str, path: str, body: Any = None, *, timeout: float | None = None) -> Any:
        """Make a request, and return the JSON of its answer."""
        ...


class Endpoints:
    """This host's list of endpoints."""

    def __init__(
        self, controller: Controller, host: str, *, retry_seconds: float = RETRY_SECONDS, timeout: float = 5.0
    ) -> None:
        self._controller = controller
        self._path = f"/hosts/{host}/endpoints"
        self._retry_seconds = retry_seconds
        self._timeout = timeout
        self._listed: dict[str, ListedEndpoint] = {}
        self._left_out: dict[str, str] = {}
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._marks: list[asyncio.Future[None]] = []
        self._work = asyncio.Event()
        self.trimmed: dict[str, str] = {}
        """By endpoint id, of which containers rules do not see all labels, and why."""

    @property
    def listed(self) -> Mapping[str, ListedEndpoint]:
        """The endpoints of this host by id, those that the controller refuses included."""
        return self._listed

    @property
    def left_out(self) -> Mapping[str, str]:
        """What the controller refuses, and why."""
        return self._left_out

    def restore(self, endpoints: Iterable[ListedEndpoint]) -> None:
        """Start with these, before `run`: the controller takes what is not in the list for gone."""
        self._listed |= {endpoint.id: endpoint for endpoint in endpoints}
        self._work.set()

    async def put(self, endpoint: ListedEndpoint) -> None:
        """Add an endpoint; return when the controller has it.

        Raises:
            Refused: the controller does not take it; it is off the list again.
            Unreachable: the controller is away; it is off the list again.
        """
        waiting = asyncio.get_running_loop().create_future()
        self._listed[endpoint.id] = endpoint
        self._waiting[endpoint.id] = waiting
        self._work.set()
        try:
            await waiting
        except BaseException:  # undone whatever ends it, a cancellation too, and raised again
            self.forget(endpoint.id)
            raise

    def describe(
        self,
        endpoint_id: str,
        *,
        name: str,
        container: str,
        labels: Mapping[str, str],
        aliases: Sequence[str] | None = None,
    ) -> None:
        """Say whose an endpoint is that was put; it is sent in the background. Without aliases they stay."""
        known = self._listed.get(endpoint_id)
        if known is None:
            return
        kept = fitting(labels)
        self._note(endpoint_id, name, excess(labels, kept))
        facts: dict[str, Any] = {"name": name, "container": container, "labels": kept, "pending": False}
        facts["aliases"] = known.aliases if aliases is None else tuple(aliases)
        described = known.model_copy(update=facts)
        if described != known:
            self._listed[endpoint_id] = described
            self._work.set()

    def _note(self, endpoint_id: str, name: str, problem: str | None) -> None:
        if problem is None:
            self.trimmed.pop(endpoint_id, None)
        elif self.trimmed.get(endpoint_id) != (told := f"container {name}: {problem}"):
            self.trimmed[endpoint_id] = told
            log.warning("labels_left_out", endpoint=endpoint_id, container=name, reason=problem)

    async def publish(self, endpoint_id: str, published: Sequence[PublishedPort]) -> None:
        """Say which ports of the host lead to an endpoint; return when the controller has it.

        Raises:
            TimeoutError: the controller has not taken it in time; it is told when it can be.
        """
        known = self._listed.get(endpoint_id)
        if known is None or known.published == tuple(published):
            return
        self._listed[endpoint_id] = known.model_copy(update={"published": tuple(published)})
        self._work.set()
        async with asyncio.timeout(self._timeout):
            await self.sent()

    def forget(self, endpoint_id: str) -> None:
        """Take an endpoint off the list; the list is sent when it can be."""
        self._listed.pop(endpoint_id, None)
        self.trimmed.pop(endpoint_id, None)
        self._left_out.pop(endpoint_id, None)
        waiting = self._waiting.pop(endpoint_id, None)
        if waiting is not None:
            waiting.cancel()
        self._work.set()

    def resend(self) -> None:
        """Send the list once more: the controller is back, or may know something else."""
        self._left_out.clear()
        self._work.set()

    async def sent(self) -> None:
        """Wait until the controller has the list as it is now."""
        mark = asyncio.get_running_loop().create_future()
        self._marks.append(mark)
        self._work.set()
        await mark

    async def run(self) -> Never:
        """Send the list whenever it changed."""
        while True:
            await self._work.wait()
            self._work.clear()
            marks, self._marks = self._marks, []
            try:
                await self._send()
                for mark in marks:
                    _finish(mark, None)
            except Unreachable as error:
                self._marks += marks
                self._fail_all(error)
                await self._pause()

    async def _pause(self) -> None:
        """Wait before the next attempt, but not if somebody waits for it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._retry_seconds):
                await self._work.wait()
        self._work.set()

    async def _send(self) -> None:
        while True:
            batch = [endpoint for endpoint in self._listed.values() if endpoint.id not in self._left_out]
            waiting = {endpoint.id: self._waiting[endpoint.id] for endpoint in batch if endpoint.id in self._waiting}
            body = {"endpoints": [endpoint.model_dump(mode="json", exclude_defaults=True) for endpoint in batch]}
            try:
                await self._controller.request("PUT", self._path, body, timeout=self._timeout)
            except Refused as error:
                if not self._leave_out(error, batch):
                    self._refuse(waiting, error)
                    return
            else:
                self._done(waiting)
                return

    def _leave_out(self, error: Refused, batch: list[ListedEndpoint]) -> bool:
        """Leave those at fault out, so that the rest can go; False if it is none's fault."""
        at_fault = {index for index in map(_index, _fields(error)) if index is not None and index < len(batch)}
        for index in at_fault:
            endpoint = batch[index]
            if (waiting := self._waiting.pop(endpoint.id, None)) is not None:
                _finish(waiting, error)
            self._left_out[endpoint.id] = str(error)
            log.error("endpoint_refused", endpoint=endpoint.id, name=endpoint.name, reason=str(error))
        return bool(at_fault)

    def _done(self, waiting: Mapping[str, asyncio.Future[None]]) -> None:
        for endpoint_id, future in waiting.items():
            if self._waiting.get(endpoint_id) is future:
                del self._waiting[endpoint_id]
            _finish(future, None)

    def _refuse(self, waiting: Mapping[str, asyncio.Future[None]], error: Refused) -> None:
        log.error("endpoints_refused", reason=str(error))
        for endpoint_id, future in waiting.items():
            self._waiting.pop(endpoint_id, None)
            _finish(future, error)

    def _fail_all(self, error: Unreachable) -> None:
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            _finish(future, error)


def _finish(future: asyncio.Future[None], error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)


def _fields(error: Refused) -> list[str]:
    return [str(fault.get("field", "")) for fault in error.errors]


def _index(field: str) -> int | None:
    found = _INDEX.match(field)
    return int(found[1]) if found else None
