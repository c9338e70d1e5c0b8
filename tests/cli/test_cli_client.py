"""Requests to the controller."""

from __future__ import annotations

import http.client
import socket
from email.utils import formatdate

import pytest
from tests.cli.fake import FakeApi

from daoli.cli.client import Client, Refused, Unreachable, place
from daoli.cli.settings import Settings


def test_asks_with_token_and_body(api: FakeApi) -> None:
    """A request carries the token, its query and its body; the answer comes with its status."""
    api.says("POST", "/networks", {"name": "x"}, 201)
    api.says("GET", "/leases", {"leases": []})
    client = Client(Settings(api.url, "secret"))
    assert client.request("POST", "/networks", {"name": "x"}) == (201, {"name": "x"})
    assert client.get("/leases", {"host": "h 1", "network": None}) == {"leases": []}
    assert [(asked.path, asked.body, asked.token) for asked in api.asked] == [
        ("/networks", {"name": "x"}, "Bearer secret"),
        ("/leases?host=h+1", None, "Bearer secret"),
    ]


def test_base_path(api: FakeApi) -> None:
    """A controller behind a path of a proxy is asked there."""
    api.says("GET", "/fabric/hosts", {"hosts": []})
    assert Client(Settings(api.url + "/fabric")).get("/hosts") == {"hosts": []}


def test_refusal(api: FakeApi) -> None:
    """A problem document becomes an exception with its words."""
    api.refuses("GET", "/hosts/x", 404, "there is no host x", errors=[{"field": "name", "detail": "d"}])
    with pytest.raises(Refused, match="there is no host x") as caught:
        Client(Settings(api.url)).get("/hosts/x")
    assert (caught.value.status, caught.value.path) == (404, "/hosts/x")
    assert caught.value.errors == [{"field": "name", "detail": "d"}]


def test_refusal_without_detail(api: FakeApi) -> None:
    """A refusal that says nothing is told by its status."""
    api.says("GET", "/hosts", [], 500)
    with pytest.raises(Refused, match="the controller answers 500"):
        Client(Settings(api.url)).get("/hosts")


def test_no_controller_there(api: FakeApi) -> None:
    """Somebody who answers without JSON is no controller."""
    api.says("GET", "/hosts", "<html>")
    with pytest.raises(Unreachable, match="what answers there is no daoli controller"):
        Client(Settings(api.url)).get("/hosts")


def test_nobody_there() -> None:
    """Where nobody listens, the URL and the reason are told."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(Unreachable, match=f"the daoli controller at {url} cannot be reached: connection refused"):
        Client(Settings(url)).get("/hosts")
    with pytest.raises(Unreachable, match="no such file"):
        Client(Settings("unix:/nowhere/api.sock")).get("/hosts")


def test_silence() -> None:
    """One who takes the connection and says nothing is unreachable after the timeout."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(Unreachable, match=r"no answer within 0\.05 s"):
            Client(Settings(url, timeout=0.05)).get("/hosts")


def test_clock_skew(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """The controller's clock is compared with ours."""
    api.says("GET", "/hosts", {}, Date=formatdate(1100, usegmt=True))
    monkeypatch.setattr("time.time", lambda: 1000.5)
    client = Client(Settings(api.url))
    client.get("/hosts")
    assert client.clock_skew == 100.0


def test_unreadable_date(api: FakeApi) -> None:
    """A date that is none is passed over."""
    api.says("GET", "/hosts", {}, Date="yesterday")
    client = Client(Settings(api.url))
    client.get("/hosts")
    assert client.clock_skew is None


def test_lines(api: FakeApi) -> None:
    """A stream is given line by line, the first as soon as there is an answer; its end is the controller's absence."""
    api.says("GET", "/events", "one\r\n\ntwo\n")
    stream = Client(Settings(api.url)).lines("/events")
    assert [next(stream) for _ in range(4)] == ["", "one", "", "two"]
    with pytest.raises(Unreachable, match="it ended the connection"):
        next(stream)


def test_stream_refused(api: FakeApi) -> None:
    """A stream that is refused is a refusal."""
    api.refuses("GET", "/events", 401, "the token is wrong")
    with pytest.raises(Refused, match="the token is wrong"):
        next(Client(Settings(api.url)).lines("/events"))


def test_https() -> None:
    """An https URL is asked with TLS."""
    client = Client(Settings("https://c.example"))
    assert isinstance(client._connection(1.0), http.client.HTTPSConnection)


def test_place() -> None:
    """A name with any character is one step of a path."""
    assert place("hosts", "a/b c?") == "/hosts/a%2Fb%20c%3F"
