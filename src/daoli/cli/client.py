"""The controller's REST API, as a command asks it: one request after another, each waited for.

The standard library's client is enough for that, and is imported in a tenth of the time. Two things can go wrong, and
each is a type: nobody answers (`Unreachable`), or the answer is no (`Refused`).
"""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from daoli.cli.settings import UNIX, Settings

STREAM_SILENCE: Final = 60.0
"""Seconds without a byte (there is a ping each 15 s) after which a followed controller counts as gone."""
LONGEST_LINE: Final = 1 << 24


class Unreachable(Exception):
    """Nobody answers there, or somebody who is no controller."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"the daoli controller at {url} cannot be reached: {reason}")
        self.url = url
        self.reason = reason


class Refused(Exception):
    """The controller answers no: the request's path, an HTTP status, and a problem document's fields (RFC 9457)."""

    def __init__(self, path: str, status: int, problem: Mapping[str, Any], client: Client | None = None) -> None:
        """`client` can ask the one who refused for more."""
        self.path = path
        self.status = status
        self.client = client
        self.title = str(problem.get("title") or f"the controller answers {status}")
        self.detail = str(problem.get("detail") or "")
        self.field = str(problem.get("field") or "")
        self.kind = str(problem.get("type") or "about:blank")
        errors = problem.get("errors")
        self.errors: list[dict[str, Any]] = errors if isinstance(errors, list) else []
        super().__init__(self.detail or self.title)


class Reply(NamedTuple):
    """A good answer."""

    status: int
    body: Any


class Client:
    """Requests to one controller, each by a connection of its own."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock_skew: float | None = None
        """Seconds that the controller's clock is ahead of ours, to a second, as the last answer told."""
        self._base = "" if settings.url.startswith(UNIX) else urlsplit(settings.url).path

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """Give the body of what stands there; a query's None is left out."""
        asked = {key: value for key, value in (query or {}).items() if value is not None}
        return self.request("GET", path + (f"?{urlencode(asked)}" if asked else "")).body

    def request(self, method: str, path: str, body: Any = None) -> Reply:
        """Give a good answer; Unreachable, or Refused with the controller's words."""
        with self._asked(method, path, body, silence=self.settings.timeout) as response:
            text = response.read()
        return Reply(response.status, self._parsed(response, path, text))

    def lines(self, path: str, headers: Mapping[str, str] | None = None) -> Iterator[str]:
        """Follow an endless answer line by line, the first an empty one once it begins; Unreachable when it ends."""
        with self._asked("GET", path, silence=STREAM_SILENCE, headers=headers) as response:
            if response.status != http.client.OK:
                self._parsed(response, path, response.read())
            yield ""
            while line := response.readline(LONGEST_LINE):
                yield line.decode(errors="replace").rstrip("\r\n")
        raise Unreachable(self.settings.url, "it ended the connection")

    @contextmanager
    def _asked(
        self, method: str, path: str, body: Any = None, *, silence: float, headers: Mapping[str, str] | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        limit = self.settings.timeout
        connection = self._connection(limit)
        try:
            connection.connect()
            limit = silence
            connection.sock.settimeout(limit)
            content = None if body is None else json.dumps(body)
            connection.request(method, self._base + path, content, {**self._headers(body), **(headers or {})})
            response = connection.getresponse()
            self._compare_clocks(response)
            yield response
        except TimeoutError as error:
            raise Unreachable(self.settings.url, f"no answer within {limit:g} s") from error
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(self.settings.url, _reason(error)) from error
        finally:
            connection.close()

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        if self.settings.url.startswith(UNIX):
            return _UnixConnection(self.settings.url.removeprefix(UNIX), timeout)
        parts = urlsplit(self.settings.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        return kind(parts.hostname or "", parts.port, timeout=timeout)

    def _headers(self, body: Any) -> dict[str, str]:
        headers = {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self.settings.token is not None:
            headers["Authorization"] = f"Bearer {self.settings.token}"
        return headers

    def _parsed(self, response: http.client.HTTPResponse, path: str, text: bytes) -> Any:
        try:
            content = json.loads(text)
        except ValueError as error:
            reason = f"what answers there is no daoli controller ({response.status} {response.reason})"
            raise Unreachable(self.settings.url, reason) from error
        if 200 <= response.status < 300:
            return content
        raise Refused(path, response.status, content if isinstance(content, dict) else {}, self)

    def _compare_clocks(self, response: http.client.HTTPResponse) -> None:
        if date := response.headers.get("Date"):
            try:
                self.clock_skew = parsedate_to_datetime(date).timestamp() - int(time.time())
            except ValueError:
                self.clock_skew = None


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket file."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def place(*steps: str) -> str:
    """Write a path of the API; names may have any character."""
    return "".join(f"/{quote(step, safe='')}" for step in steps)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__
