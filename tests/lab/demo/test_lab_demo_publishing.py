"""A published port counts when web itself answers, and has seen who asked."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from tests.lab.demo.stages import Places, stage_of

from daoli.lab.demo.publishing import check_greeted
from daoli.lab.plan import OUTSIDE_ADDRESS


@pytest.mark.parametrize(
    ("said", "holds"), [(f"web greets {OUTSIDE_ADDRESS}\n", True), ("web greets 10.254.0.1\n", False), ("", False)]
)
def test_client_must_be_seen(said: str, holds: bool) -> None:
    """An answer to a client whose address was hidden is a failure, as none is."""
    places = Places({"curl": said})
    stage, _ = stage_of(places, hosts={"h1": SimpleNamespace(address="10.254.0.1")})
    check_greeted(stage, "h1", 8000, "h1 leads to web")
    assert bool(stage.failures) is not holds
    assert places.commands[0].endswith("http://10.254.0.1:8000/cgi-bin/hello")
