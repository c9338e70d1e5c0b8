"""Whatever goes wrong is a problem document."""

from __future__ import annotations

import io
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.api.client import HOST, Api

from daoli.api.app import BODY_LIMIT
from daoli.api.problems import STATUS, TITLES
from daoli.hosts.errors import InventoryError


async def test_shape(api: Api) -> None:
    """A problem has a type that stays, a title, the status, a sentence and every field at fault."""
    answer = await api.ask("POST", "/hosts", {"name": "h1", "dpid": "zz", "address": "192.0.2.1", "colour": "red"})
    assert answer.body == {
        "type": "urn:daoli:problem:invalid",
        "title": "The request makes no sense",
        "status": 422,
        "detail": "dpid: a dpid is 16 hex digits; uplink: this is required; colour: this is not known here",
        "field": "dpid",
        "errors": [
            {"field": "dpid", "detail": "a dpid is 16 hex digits"},
            {"field": "uplink", "detail": "this is required"},
            {"field": "colour", "detail": "this is not known here"},
        ],
    }


async def test_unknown_path(api: Api) -> None:
    """A path that does not exist is told as HTTP tells it."""
    answer = await api.ask("GET", "/nope")
    assert (answer.status, answer.body["type"], answer.body["title"]) == (404, "about:blank", "Not Found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [("PATCH", "/hosts", "GET,POST"), ("POST", "/routes", "GET"), ("PUT", "/hosts/h1", "DELETE,GET")],
)
async def test_wrong_method(api: Api, method: str, path: str, allow: str) -> None:
    """A method that a path does not take is answered with those that it does."""
    answer = await api.ask(method, path)
    assert (answer.status, answer.headers["Allow"]) == (405, allow)


async def test_too_large(api: Api) -> None:
    """A body over the limit is refused."""
    answer = await api.ask("POST", "/hosts", data=io.BytesIO(b" " * (BODY_LIMIT + 1)))
    assert (answer.status, answer.body["type"]) == (413, "about:blank")


async def test_store_away(api: Api) -> None:
    """With the store away reading goes on, and writing fails with the reason."""
    await api.ask("POST", "/hosts", HOST)
    await api.store.close()
    answer = await api.ask("DELETE", "/hosts/h1")
    assert (answer.status, answer.body["type"]) == (503, "urn:daoli:problem:unavailable")
    assert (await api.ask("GET", "/hosts/h1")).status == 200


async def test_unexpected(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug is logged with its traceback, and the answer says nothing of it."""

    async def broken() -> Any:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(api.fabric, "routes", broken)
    with capture_logs() as logs:
        answer = await api.ask("GET", "/routes")
    assert (answer.status, answer.body["type"]) == (500, "urn:daoli:problem:internal")
    assert "secret" not in answer.text
    assert [(entry["event"], entry["path"], entry["exc_info"]) for entry in logs] == [
        ("api_request_failed", "/routes", True)
    ]


def test_every_refusal_has_a_status() -> None:
    """Each way in which the inventory refuses has a status and a title."""
    assert set(STATUS) == set(InventoryError.__subclasses__())
    assert {kind for _, kind in STATUS.values()} <= set(TITLES)
