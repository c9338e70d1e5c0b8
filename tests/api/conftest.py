"""The API over HTTP, empty or with a few things in it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.api.client import HOST, NETWORK, OTHER_HOST, Api, listed, serving


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    """An API without a token and with an empty inventory."""
    async with serving() as api:
        yield api


@pytest.fixture
async def populated(api: Api) -> Api:
    """An API with hosts h1 and h2, network blue, and endpoints e1 and e2 on h1."""
    await api.ask("POST", "/hosts", HOST)
    await api.ask("POST", "/hosts", OTHER_HOST)
    await api.ask("POST", "/networks", NETWORK)
    await api.ask("PUT", "/hosts/h1/endpoints", {"endpoints": [listed(1), listed(2)]})
    return api
