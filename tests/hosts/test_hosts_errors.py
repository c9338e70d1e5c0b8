"""What a refusal says."""

from __future__ import annotations

import pytest

from daoli.hosts.errors import Clash, InUse, Invalid, InventoryError, NotFound


@pytest.mark.parametrize("kind", [Invalid, Clash, NotFound, InUse])
def test_refusal(kind: type[InventoryError]) -> None:
    """A refusal is a sentence, and the field at fault where there is one."""
    assert str(kind("it is taken")) == kind("it is taken").detail == "it is taken"
    assert (kind("it is taken").field, kind("it is taken", "mac").field) == (None, "mac")


@pytest.mark.parametrize(("field", "path"), [("mac", "endpoints[3].mac"), (None, "endpoints[3]")])
def test_within(field: str | None, path: str) -> None:
    """A refusal of a part is the same of the whole, at the part's place."""
    error = Clash("it is taken", field).within("endpoints[3]")
    assert (type(error), error.detail, error.field) == (Clash, "it is taken", path)
