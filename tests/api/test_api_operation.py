"""Requests that are no good: each is answered with a problem that names the field, and changes nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.api.client import HOST, NETWORK, OTHER_HOST, Api, listed, serving

ENDPOINT = listed(3) | {"host": "h2"}

BAD: list[tuple[str, str, Any, int, str | None]] = [
    ("POST", "/hosts", None, 400, None),
    ("POST", "/hosts", b"{", 400, None),
    ("POST", "/hosts", b"{'a': 1}", 400, None),
    ("POST", "/hosts", b'{"name": "h1",}', 400, None),
    ("POST", "/hosts", b'{"name": NaN}', 400, None),
    ("POST", "/hosts", b'{"name": "\\ud800"}', 400, None),
    ("POST", "/hosts", b'{"name": "h1"} more', 400, None),
    ("POST", "/hosts", b"\xff\xfe", 400, None),
    ("POST", "/hosts", b"[" * 100_000, 400, None),
    ("POST", "/hosts", b"1" * 100_000, 400, None),
    ("POST", "/hosts", [], 422, None),
    ("POST", "/hosts", "text", 422, None),
    ("POST", "/hosts", b"null", 422, None),
    ("POST", "/hosts", {}, 422, "name"),
    ("POST", "/hosts", HOST | {"name": "a b"}, 422, "name"),
    ("POST", "/hosts", HOST | {"dpid": 161}, 422, "dpid"),
    ("POST", "/hosts", HOST | {"address": "300.1.1.1"}, 422, "address"),
    ("POST", "/hosts", HOST | {"uplink": "much-too-long-for-linux"}, 422, "uplink"),
    ("POST", "/hosts", HOST | {"labels": {"a": 1}}, 422, "labels.a"),
    ("POST", "/hosts", HOST | {"color": "red"}, 422, "color"),
    ("POST", "/hosts?dry_run=1", HOST, 400, "dry_run"),
    ("POST", "/networks", NETWORK | {"subnet": "10.1.0.1/16"}, 422, "subnet"),
    ("POST", "/networks", NETWORK | {"subnet": 10}, 422, "subnet"),
    ("POST", "/networks", {"name": "red", "subnet": "10.2.0.0/16", "gateway": "10.3.0.1"}, 422, "gateway"),
    ("POST", "/networks", {"name": "red", "subnet": "10.0.0.0/8"}, 409, "subnet"),
    ("POST", "/endpoints", ENDPOINT | {"mac": "01:00:5e:00:00:01"}, 422, "mac"),
    ("POST", "/endpoints", ENDPOINT | {"mac": "02:da:01:1e:00:01"}, 422, "mac"),
    ("POST", "/endpoints", ENDPOINT | {"host": "h9"}, 422, "host"),
    ("POST", "/endpoints", ENDPOINT | {"network": "red"}, 422, "network"),
    ("POST", "/endpoints", ENDPOINT | {"ipv4": "10.2.0.1"}, 422, "ipv4"),
    ("POST", "/endpoints", ENDPOINT | {"ipv4": "10.1.0.1"}, 422, "ipv4"),
    ("POST", "/endpoints", ENDPOINT | {"ipv4": "10.1.0.2"}, 409, "ipv4"),
    ("POST", "/endpoints", ENDPOINT | {"port": "eth0"}, 409, "port"),
    ("POST", "/endpoints", listed(3), 422, "host"),
    ("PUT", "/hosts/h1/endpoints", [listed(3)], 422, None),
    ("PUT", "/hosts/h1/endpoints", {"endpoints": {}}, 422, "endpoints"),
    ("PUT", "/hosts/h1/endpoints", {"endpoints": [listed(3), 5]}, 422, "endpoints[1]"),
    ("PUT", "/hosts/h1/endpoints", {"endpoints": [listed(3) | {"ipv4": "x"}]}, 422, "endpoints[0].ipv4"),
    ("PUT", "/hosts/h1/endpoints", {"endpoints": [listed(3) | {"host": "h2"}]}, 422, "endpoints[0].host"),
    ("PUT", "/hosts/h1/endpoints", {"endpoints": [listed(3), listed(3)]}, 422, "endpoints[1].id"),
    ("PUT", "/hosts/h9/endpoints", {"endpoints": []}, 404, None),
    ("GET", "/hosts?name=h1", None, 400, "name"),
    ("GET", "/endpoints?host=h1&host=h2", None, 400, "host"),
    ("GET", "/hosts/%00", None, 404, None),
    ("GET", "/hosts/%ff%fe", None, 404, None),
    ("DELETE", "/hosts/h1?force=yes", None, 400, "force"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "field"), BAD)
async def test_bad_input(populated: Api, method: str, path: str, body: Any, status: int, field: str | None) -> None:
    """What is wrong with a request is told by status and field, and nothing is changed."""
    before = await populated.store.read()
    data = body if body is None or isinstance(body, bytes) else json.dumps(body)
    answer = await populated.ask(method, path, data=data)
    assert (answer.status, answer.field) == (status, field)
    assert answer.body["detail"]
    assert await populated.store.read() == before


async def test_where_the_json_is_wrong(api: Api) -> None:
    """A syntax error is told with its line and column."""
    answer = await api.ask("POST", "/hosts", data=b'{\n  "name": "h1"\n  "dpid": 1\n}')
    assert "line 3 column 3" in answer.body["detail"]


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
async def test_content_type(api: Api, content_type: str) -> None:
    """The body is read as JSON whatever it is called, so that curl -d works."""
    answer = await api.ask("POST", "/hosts", data=json.dumps(HOST), headers={"Content-Type": content_type})
    assert answer.status == 201


async def test_broken_encoding(api: Api) -> None:
    """A body that is not compressed as it says is refused."""
    answer = await api.ask("POST", "/hosts", data=b"not gzip", headers={"Content-Encoding": "gzip"})
    assert answer.status == 400


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
ANYTHING = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
FIELDS = st.sampled_from(sorted({*HOST, *NETWORK, *ENDPOINT, "gateway", "labels", "site", "docker", "endpoints"}))
NEAR = st.sampled_from([HOST, OTHER_HOST, NETWORK, ENDPOINT, {"endpoints": [listed(3)]}])
SPOILT = st.builds(lambda body, change: body | change, NEAR, st.dictionaries(FIELDS, ANYTHING, max_size=2))
TEXTS = st.text(st.characters(codec="utf-8"), max_size=10)
REQUESTS = st.sampled_from(
    [("POST", "/hosts"), ("POST", "/networks"), ("POST", "/endpoints"), ("PUT", "/hosts/h1/endpoints")]
)


def test_any_json(runner: asyncio.Runner, running: Api) -> None:
    """Whatever JSON is sent, the answer is a success or says what is wrong with the request."""

    @settings(max_examples=300, deadline=None)
    @given(REQUESTS, ANYTHING | SPOILT)
    def fuzz(request: tuple[str, str], body: Any) -> None:
        assert runner.run(running.ask(*request, data=json.dumps(body))).status < 500

    fuzz()


def test_any_path(runner: asyncio.Runner, running: Api) -> None:
    """Whatever is asked for, in path and query, there is an answer."""

    @settings(max_examples=100, deadline=None)
    @given(
        st.sampled_from(["GET", "DELETE", "PUT", "POST"]),
        st.sampled_from(["hosts", "networks", "endpoints", "explain"]),
        TEXTS,
        st.dictionaries(st.sampled_from(["source", "destination", "host", "x"]), TEXTS),
    )
    def fuzz(method: str, kind: str, name: str, query: dict[str, str]) -> None:
        path = f"/{kind}/{quote(name, safe='')}?{urlencode(query)}"
        assert runner.run(running.ask(method, path)).status < 500

    fuzz()


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """A loop that Hypothesis can run requests on, one by one."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def running(runner: asyncio.Runner) -> Iterator[Api]:
    """An API on that loop."""
    serve = serving()
    yield runner.run(serve.__aenter__())
    runner.run(serve.__aexit__(None, None, None))
