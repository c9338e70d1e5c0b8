"""Rules and groups as text: what is taken, how it is written, what routing gets."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from daoli.hosts.rule import GroupSpec, RuleRequest, RuleSpec, SelectorSpec, moment
from daoli.routing.rules import Group, Kind, Rule, Selector


def made(**fields: Any) -> RuleSpec:
    return RuleRequest.model_validate({"action": "allow", **fields}).called("r1")


def test_record() -> None:
    """All fields reach routing in its own terms."""
    spec = made(
        source={"network": "n1"},
        destination={"cidr": "192.0.2.7"},
        protocol="tcp",
        ports=[80, "8000-8100"],
        both_ways=True,
        until="2030-01-01T01:00:00+01:00",
        comment="why",
    )
    assert spec.record() == Rule(
        "r1",
        allow=True,
        source=Selector(Kind.NETWORK, "n1"),
        destination=Selector(Kind.CIDR, "192.0.2.7/32"),
        protocol=6,
        ports=((80, 80), (8000, 8100)),
        both_ways=True,
        until=1893456000.0,
        comment="why",
    )
    assert spec.until == "2030-01-01T00:00:00.000Z"
    assert moment(spec.until) == 1893456000.0
    assert RuleSpec.model_validate_json(spec.model_dump_json()) == spec
    assert spec.model_dump()["ports"] == (80, "8000-8100")


def test_an_id_may_be_given() -> None:
    """The id that was asked for is kept."""
    assert made(id="web-to-db").id == "web-to-db"
    assert made().id == "r1"


@pytest.mark.parametrize(
    "fields",
    [
        {"action": "maybe"},
        {"ports": [80]},
        {"ports": [80], "protocol": "icmp"},
        {"ports": [0], "protocol": "tcp"},
        {"ports": ["90-80"], "protocol": "tcp"},
        {"ports": [True], "protocol": "tcp"},
        {"ports": ["http"], "protocol": "tcp"},
        {"priority": 65536},
        {"source": {"network": "n1", "group": "g1"}},
        {"source": {"host": "h1"}},
        {"source": {"label": "app"}},
        {"source": {"label": "=c"}},
        {"source": {"label": "a=" + "x" * 65_536}},
        {"destination": {"cidr": "192.0.2.1/24"}},
        {"destination": {"cidr": "everywhere"}},
        {"until": "tomorrow"},
        {"until": "2030-01-01T00:00:00"},
    ],
)
def test_refused(fields: dict[str, Any]) -> None:
    """What says nothing clear is refused."""
    with pytest.raises(ValidationError):
        made(**fields)


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        (Selector(), "anything"),
        (Selector(Kind.GROUP, "g1"), "group g1"),
        (Selector(Kind.LABEL, "app=web"), "label app=web"),
    ],
)
def test_selectors(selector: Selector, text: str) -> None:
    """A selector goes there and back, and reads as people say it."""
    assert SelectorSpec.of(selector).record() == selector
    assert str(SelectorSpec.of(selector)) == text


def test_groups_name_a_network_once() -> None:
    """A network that is named twice is in the group once."""
    assert GroupSpec(name="g", networks=("a", "b", "a")).record() == Group("g", ("a", "b"))
