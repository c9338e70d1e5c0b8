"""The controller's REST API, as the agent asks it.

Two things can go wrong, and each is a type: nobody answers (`Unreachable`), or the answer is no (`Refused`). The text
of both is a sentence that may be shown to a person.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

import aiohttp
from pydantic_core import from_json

WATCH_SILENCE: Final = 25.0
"""Seconds without a sign of life (there is one each 10 s) after which the watched controller counts as gone."""
_UNIX: Final = "unix:"
_READ_SIZE: Final = 1 << 16
UNREACHABLE: Final = "cannot be reached"
"""Stands in the text of `Unreachable`, and in what Docker says of a driver that has met it."""


class Unreachable(Exception):
    """Nobody answers there."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"the daoli controller at {url} {UNREACHABLE}: {reason}")
        self.url = url
        self.reason = reason


class Refused(Exception):
    """The controller answers no: an HTTP status, and a problem document's fields (RFC 9457)."""

    def __init__(self, status: int, title: str, detail: str = "", errors: list[dict[str, Any]] | None = None) -> None:
        super().__init__(detail or title)
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = errors or []


class Client:
    """Requests to one controller; to be closed, and used by one event loop only."""

    def __init__(self, url: str, token: str | None = None, *, timeout: float = 3.0) -> None:
        """`url` is ``http(s)://HOST:PORT`` or ``unix:PATH``; `timeout`, in seconds, is that of a whole request."""
        self.url = url
        self.clock_skew: float | None = None
        """Seconds that the controller's clock is ahead of ours, to a second, as the last answer told."""
        self._base = "http://localhost" if url.startswith(_UNIX) else url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        timeout: float | None = None,
    ) -> Any:
        """Give the answer's JSON; Unreachable, or Refused with the controller's words."""
        limit = timeout or self._timeout
        try:
            async with self._open().request(
                method,
                self._base + path,
                json=body,
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=limit),
                allow_redirects=False,
            ) as response:
                text = await response.read()
                self._compare_clocks(response.headers)
        except TimeoutError as error:
            raise Unreachable(self.url, f"no answer within {limit:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unreachable(self.url, _reason(error)) from error
        return _parsed(response, text)

    async def watch(self) -> AsyncIterator[dict[str, Any]]:
        """Follow GET /watch, line by line; Unreachable at the latest when it ends."""
        limits = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout, sock_read=WATCH_SILENCE)
        try:
            async with self._open().request(
                "GET", self._base + "/watch", headers=self._headers, timeout=limits, allow_redirects=False
            ) as response:
                if response.status != HTTPStatus.OK:
                    _parsed(response, await response.read())
                pending = bytearray()
                async for chunk in response.content.iter_chunked(_READ_SIZE):
                    pending += chunk
                    if b"\n" not in chunk:
                        continue
                    *lines, pending = pending.split(b"\n")
                    for line in lines:
                        if line.strip():
                            yield from_json(bytes(line))
        except TimeoutError as error:
            raise Unreachable(self.url, "it is silent") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unreachable(self.url, _reason(error)) from error
        raise Unreachable(self.url, "it ended the connection")

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            path = self.url.removeprefix(_UNIX) if self.url.startswith(_UNIX) else None
            connector = aiohttp.UnixConnector(path) if path else aiohttp.TCPConnector()
            self._session = aiohttp.ClientSession(connector=connector)
        return self._session

    def _compare_clocks(self, headers: Mapping[str, str]) -> None:
        if date := headers.get("Date"):
            self.clock_skew = parsedate_to_datetime(date).timestamp() - int(time.time())


def _parsed(response: aiohttp.ClientResponse, text: bytes) -> Any:
    try:
        content = from_json(text) if text else None
    except ValueError:
        content = None
    if 200 <= response.status < 300:
        return content
    problem = content if isinstance(content, dict) else {}
    title = problem.get("title") or f"the controller answers {response.status} {response.reason}"
    raise Refused(response.status, title, problem.get("detail") or "", problem.get("errors"))


def _reason(error: Exception) -> str:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, OSError) and cause.errno:
        return os.strerror(cause.errno).lower()
    return str(cause) or type(cause).__name__
