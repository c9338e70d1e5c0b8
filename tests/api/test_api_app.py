"""The application as a whole: every operation is there once, behind the guard."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.api.client import serving

from daoli.api.app import OPERATIONS


def test_operations_do_not_clash() -> None:
    """No two operations have the same method and path, or the same handler."""
    assert max(Counter((operation.method, operation.path) for operation in OPERATIONS).values()) == 1
    assert max(Counter(operation.handler for operation in OPERATIONS).values()) == 1


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: f"{operation.method} {operation.path}")
async def test_every_operation_is_guarded(operation: object) -> None:
    """With a token, a request without it is 401 on every path but those that say they are open."""
    method, path, is_open = (getattr(operation, name) for name in ("method", "path", "open"))
    async with serving(token="secret") as api:  # noqa: S106 (a test's)
        answer = await api.ask(method, path.replace("{name}", "x").replace("{id}", "x"), headers={"Authorization": ""})
        assert (answer.status == 401) != is_open
