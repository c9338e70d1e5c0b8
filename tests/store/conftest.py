"""The stores under test: what holds for one holds for all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from daoli.store import open_store
from daoli.store.base import Store


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """Yield an empty store of each kind in turn."""
    opened = await open_store(tmp_path if request.param == "sqlite" else None)
    yield opened
    await opened.close()
