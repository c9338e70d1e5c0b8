"""The controller's state as this host knows it: followed while the controller is there, kept on disk when it is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, Never, TypeVar

import structlog
from pydantic import ValidationError
from pydantic_core import from_json, to_json

from daoli.agent.client import Client, Refused, Unreachable
from daoli.agent.state import write_atomically
from daoli.hosts.inquiry import Inquiry
from daoli.hosts.move import Move
from daoli.hosts.publication import Publication
from daoli.hosts.spec import EndpointSpec, HostSpec, NetworkSpec, Spec

log = structlog.get_logger(__name__)

FIRST_BACKOFF: Final = 0.2
LAST_BACKOFF: Final = 5.0
"""Seconds between attempts to reach the controller."""
SAVE_INTERVAL: Final = 1.0
"""Seconds between two writes of the copy on disk, at least."""

S = TypeVar("S", bound=Spec)

EndpointListener = Callable[[EndpointSpec | None, EndpointSpec | None], None]
"""Takes an endpoint as it was and as it is; None before it came and after it went."""


class World:
    """A mirror of what the controller keeps; `connected` tells whether it is followed right now."""

    def __init__(self, client: Client, cache: Path | None = None) -> None:
        """`cache` is the file for the copy on disk."""
        self.hosts: dict[str, HostSpec] = {}
        self.networks: dict[str, NetworkSpec] = {}
        self.endpoints: dict[str, EndpointSpec] = {}
        self.publications: dict[str, Publication] = {}
        self.moves: dict[str, Move] = {}
        self.revision = 0
        self.connected = False
        self.problem: str | None = None
        """Why it is not connected, in a sentence."""
        self._client = client
        self._cache = cache
        self._entries: dict[str, Any] = {}
        self._listeners: list[Callable[[], None]] = []
        self._of_endpoints: list[EndpointListener] = []
        self._of_inquiries: list[Callable[[Inquiry], None]] = []
        self._unsaved = asyncio.Event()

    @property
    def known(self) -> bool:
        """Whether anything is known, be it from the disk."""
        return self.revision > 0

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Have a function called after each change, of `connected` too; it may not raise."""
        self._listeners.append(listener)

    def subscribe_endpoints(self, listener: EndpointListener) -> None:
        """Have a function called with each endpoint before and after its change, and now with those there are."""
        self._of_endpoints.append(listener)
        for endpoint in self.endpoints.values():
            listener(None, endpoint)

    def subscribe_inquiries(self, listener: Callable[[Inquiry], None]) -> None:
        """Have a function called with each inquiry, for whichever host; it may not raise."""
        self._of_inquiries.append(listener)

    def load(self) -> None:
        """Start with the copy on disk, where there is a good one."""
        if self._cache is None:
            return
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            kept = from_json(self._cache.read_bytes())
            entries = dict(kept["snapshot"])
            self._take({"revision": int(kept["revision"]), "snapshot": entries})

    async def follow(self) -> Never:
        """Follow the controller, for ever."""
        backoff = FIRST_BACKOFF
        async with self._saving():
            while True:
                try:
                    async for line in self._client.watch():
                        self._take(line, connected=True)
                        backoff = FIRST_BACKOFF
                except (Unreachable, Refused) as error:
                    self._lost(error)
                await asyncio.sleep(backoff)
                backoff = min(2 * backoff, LAST_BACKOFF)

    def _take(self, line: Mapping[str, Any], *, connected: bool = False) -> None:
        changes = line.get("changes")
        if (snapshot := line.get("snapshot")) is not None:
            changes = {**dict.fromkeys(self._entries), **snapshot}
        for key, value in (changes or {}).items():
            self._put(key, value)
        news = changes is not None or connected != self.connected
        self.revision = line["revision"]
        if connected and not self.connected:
            log.info("controller_followed", url=self._client.url, revision=self.revision)
            self.problem = None
        self.connected = connected
        if changes is not None:
            self._unsaved.set()
        if news:
            self._notify()
        if (asked := line.get("inquiry")) is not None:
            self._ask(asked)

    def _ask(self, asked: Mapping[str, Any]) -> None:
        try:
            inquiry = _read(Inquiry, asked)
        except ValidationError as error:
            log.warning("inquiry_not_understood", problem=str(error))
            return
        for listener in self._of_inquiries:
            listener(inquiry)

    def _lost(self, error: Exception) -> None:
        if str(error) != self.problem:
            log.warning("controller_lost", url=self._client.url, problem=str(error))
        self.problem = str(error)
        if self.connected:
            self.connected = False
            self._notify()

    def _notify(self) -> None:
        for listener in self._listeners:
            listener()

    def _put(self, key: str, value: Any) -> None:
        kind, _, name = key.partition("/")
        if value is None:
            self._entries.pop(key, None)
        else:
            self._entries[key] = value
        try:
            match kind:
                case "hosts":
                    _set(self.hosts, name, value and _read(HostSpec, value))
                case "networks":
                    _set(self.networks, name, value and _read(NetworkSpec, value))
                case "endpoints":
                    before, after = self.endpoints.get(name), value and _read(EndpointSpec, value)
                    _set(self.endpoints, name, after)
                    self._changed(before, after)
                case "publications":
                    _set(self.publications, name, value and _read(Publication, value))
                case "moves":
                    _set(self.moves, name, value and _read(Move, value))
        except ValidationError as error:
            log.warning("entry_not_understood", key=key, problem=str(error))

    def _changed(self, before: EndpointSpec | None, after: EndpointSpec | None) -> None:
        for listener in self._of_endpoints if before != after else ():
            listener(before, after)

    @asynccontextmanager
    async def _saving(self) -> AsyncIterator[None]:
        if self._cache is None:
            yield
            return
        ended = asyncio.Event()
        saver = asyncio.create_task(self._save(self._cache, ended), name="world-cache")
        try:
            yield
        finally:
            ended.set()
            self._unsaved.set()
            await saver

    async def _save(self, cache: Path, ended: asyncio.Event) -> None:
        """Write after changes, and a last time at the end: the next agent may not find the controller."""
        last = False
        while not last:
            await self._unsaved.wait()
            self._unsaved.clear()
            last = ended.is_set()
            text = to_json({"revision": self.revision, "snapshot": self._entries})
            try:
                await asyncio.to_thread(write_atomically, cache, text)
            except OSError as error:
                log.warning("world_not_saved", problem=str(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(SAVE_INTERVAL):
                    await ended.wait()


def _read(spec: type[S], value: Mapping[str, Any]) -> S:
    """Read an entry; fields that only a newer controller knows are left out."""
    return spec.model_validate({name: value[name] for name in _known(spec, value)})


def _known(spec: type[Spec], value: Iterable[str]) -> list[str]:
    return [name for name in value if name in spec.model_fields]


def _set(kind: dict[str, Any], name: str, value: Any) -> None:
    if value is None:
        kind.pop(name, None)
    else:
        kind[name] = value
