"""Rules: which protocols and ports they speak of."""

from __future__ import annotations

import pytest
from tests.routing.frames import ICMP, TCP, UDP

from daoli.routing.rules import Kind, Rule, Selector, length_of, network_of

PORTS = ((80, 80), (8000, 8100))


@pytest.mark.parametrize(
    ("rule", "protocol", "port", "covers"),
    [
        (Rule("r", allow=True), ICMP, None, True),
        (Rule("r", allow=True, protocol=TCP), TCP, None, True),
        (Rule("r", allow=True, protocol=TCP), UDP, 80, False),
        (Rule("r", allow=True, protocol=TCP, ports=PORTS), TCP, 80, True),
        (Rule("r", allow=True, protocol=TCP, ports=PORTS), TCP, 8100, True),
        (Rule("r", allow=True, protocol=TCP, ports=PORTS), TCP, 8101, False),
        (Rule("r", allow=True, protocol=TCP, ports=PORTS), TCP, None, False),
        (Rule("r", allow=False, protocol=TCP, ports=PORTS), TCP, None, True),
        (Rule("r", allow=False, protocol=TCP, ports=PORTS), TCP, 81, False),
    ],
)
def test_covers(rule: Rule, protocol: int, port: int | None, *, covers: bool) -> None:
    """A rule speaks of its protocol and ports; of a hidden port only if it denies."""
    assert rule.covers(protocol, port) is covers


def test_cidr() -> None:
    """A CIDR selector is read from its canonical text."""
    selector = Selector(Kind.CIDR, "192.0.2.0/24")
    assert (str(network_of(selector)), length_of(selector)) == ("192.0.2.0/24", 24)


def test_whole() -> None:
    """A rule without a protocol speaks of everything."""
    assert Rule("r", allow=True).whole
    assert not Rule("r", allow=True, protocol=TCP).whole
