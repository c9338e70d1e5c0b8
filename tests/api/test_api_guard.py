"""Who may ask."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.api.client import HOST, Api, serving

TOKEN = "s3cret-\u00e4"  # noqa: S105 - a test's token


@pytest.fixture
async def guarded() -> AsyncIterator[Api]:
    """An API that asks for a token."""
    async with serving(token=TOKEN) as api:
        yield api


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN} more"]
)
@pytest.mark.parametrize("path", ["/hosts", "/nope", "/metrics", "/openapi.json", "/events"])
async def test_refused(guarded: Api, header: str | None, path: str) -> None:
    """Without the token nothing is told, not even which paths there are."""
    answer = await guarded.ask("GET", path, headers={} if header is None else {"Authorization": header})
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="daoli"')
    assert answer.body["type"] == "urn:daoli:problem:unauthorized"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER "])
async def test_admitted(guarded: Api, scheme: str) -> None:
    """With the token everything is answered, however the scheme is written."""
    headers = {"Authorization": f"{scheme} {TOKEN}"}
    assert (await guarded.ask("POST", "/hosts", HOST, headers=headers)).status == 201
    assert (await guarded.ask("GET", "/nope", headers=headers)).status == 404


async def test_probes(guarded: Api) -> None:
    """Probes need no token."""
    assert (await guarded.ask("GET", "/healthz")).status == 200
    assert (await guarded.ask("GET", "/readyz")).status == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "http://[bad"])
async def test_page_from_elsewhere(api: Api, origin: str) -> None:
    """A browser cannot be made to change anything by a page that is not ours."""
    answer = await api.ask("POST", "/hosts", HOST, headers={"Origin": origin})
    assert (answer.status, answer.body["type"]) == (403, "urn:daoli:problem:foreign-page")
    assert not api.inventory.view.hosts


async def test_own_page(api: Api) -> None:
    """A page that came from here may."""
    origin = str(api.client.make_url("/")).rstrip("/")
    assert (await api.ask("POST", "/hosts", HOST, headers={"Origin": origin})).status == 201


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:8653", 200),
        ("[::1]:8653", 200),
        ("localhost:8653", 200),
        ("evil.example", 403),
        ("localhost.evil.example:8653", 403),
        ("[bad", 403),
    ],
)
async def test_rebound_name(api: Api, host: str, status: int) -> None:
    """A name that somebody has pointed at loopback is not one of ours."""
    assert (await api.ask("GET", "/hosts", headers={"Host": host})).status == status


async def test_name_with_token(guarded: Api) -> None:
    """With a token the API may have any name."""
    headers = {"Host": "daoli.example", "Authorization": f"Bearer {TOKEN}"}
    assert (await guarded.ask("GET", "/hosts", headers=headers)).status == 200
