"""An agent's word on a probe, as people read it."""

from __future__ import annotations

from typing import Any

import pytest

from daoli.hosts.firewall import conclude, ruled, silent
from daoli.hosts.inquiry import Passed, Word

DROP = Passed(family="ip", table="filter", chain="DOCKER-USER", rule="ip daddr 198.51.100.0/24 drop", verdict="drop")
LEFT = (
    "all rules of host h1 let it pass, to leave by eth0 as 192.0.2.1 > 198.51.100.7; there it was taken away, and what "
    "is beyond is not seen"
)
POLICY = Passed(family="ip", table="filter", chain="FORWARD", verdict="drop")


def test_rules() -> None:
    """Each rule is told with its table and chain; a policy has none."""
    assert list(ruled(Word(outcome="dropped", passed=(DROP, POLICY)))) == [
        ("ip filter DOCKER-USER: by rule: drop", "ip filter", "DOCKER-USER", "ip daddr 198.51.100.0/24 drop"),
        ("ip filter FORWARD: by policy: drop", "ip filter", "FORWARD", None),
    ]


@pytest.mark.parametrize(
    ("word", "arrived", "reason"),
    [
        (
            {"outcome": "left", "interface": "eth0", "source": "192.0.2.1", "destination": "198.51.100.7"},
            True,
            LEFT,
        ),
        (
            {"outcome": "taken", "destination": "192.0.2.1"},
            True,
            "host h1 takes it for itself, as 192.0.2.1; who listens there is not asked",
        ),
        (
            {"outcome": "dropped", "passed": (DROP,)},
            False,
            "dropped on host h1 by chain DOCKER-USER of table ip filter: ip daddr 198.51.100.0/24 drop",
        ),
        (
            {"outcome": "dropped", "passed": (DROP, POLICY)},
            False,
            "dropped on host h1 by the policy of chain FORWARD of table ip filter",
        ),
        (
            {"outcome": "lost", "detail": "the kernel does not route it"},
            False,
            "it came into host h1's own stack, and was not seen to leave: the kernel does not route it",
        ),
        ({"outcome": "absent"}, False, "it was given to LOCAL, and did not come into host h1's own stack"),
        (
            {"outcome": "failed", "detail": "nft: no such file or directory"},
            None,
            "what host h1's firewall did is not known: nft: no such file or directory",
        ),
    ],
)
def test_ends(word: dict[str, Any], arrived: bool | None, reason: str) -> None:
    """How it ended is said with what there is to say of it."""
    assert conclude("h1", Word.model_validate(word)) == (arrived, reason)


def test_no_word() -> None:
    """An agent that says nothing leaves it unknown."""
    assert silent("h1") == (None, "host h1's agent does not answer: what its firewall did is not known")
