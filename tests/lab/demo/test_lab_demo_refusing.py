"""A refusal counts when the router says so, and explain knows why."""

from __future__ import annotations

import pytest
from tests.lab.demo.stages import Places, api_of, stage_of

from daoli.lab.demo.refusing import tell_refusing

REFUSED = "nc: can't connect to remote host (10.210.0.2): No route to host\n"
EXPLAINED = "one > other 80/tcp: denied, not delivered\nreason:    different networks\n"


@pytest.mark.parametrize(("connecting", "explained", "failures"), [(REFUSED, EXPLAINED, 0), ("", "allowed", 2)])
def test_what_is_let_through_is_a_failure(connecting: str, explained: str, failures: int) -> None:
    """The chapter fails where the other network can be reached, or nobody can say why it cannot."""
    places = Places({r"\bnc\b": connecting, "explain": explained})
    stage, _ = stage_of(places, api=api_of(endpoints=[{"name": "other", "ipv4": "10.210.0.2"}]))
    tell_refusing(stage)
    assert len(stage.failures) == failures
    assert "docker exec one nc -w 10 10.210.0.2 80" in places.commands
