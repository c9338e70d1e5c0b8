"""Rules as people write them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from daoli.cli.rules import brief, content_id, parse_ports, parse_selector, parse_until, rule_text


@pytest.mark.parametrize(
    ("text", "selector"),
    [
        ("any", {}),
        ("web", {"endpoint": "web"}),
        ("endpoint:web", {"endpoint": "web"}),
        ("network:dnet1", {"network": "dnet1"}),
        ("group:backend", {"group": "backend"}),
        ("label:app=db", {"label": "app=db"}),
        ("cidr:10.0.0.0/8", {"cidr": "10.0.0.0/8"}),
    ],
)
def test_selector(text: str, selector: dict[str, str]) -> None:
    """A kind and a name, or a container's name alone."""
    assert parse_selector(text) == selector


@pytest.mark.parametrize("text", ["net:dnet1", "network:", "label:app", ":x"])
def test_wrong_selector(text: str) -> None:
    """What is none is told how it is written."""
    with pytest.raises(ValueError, match="label:"):
        parse_selector(text)


@pytest.mark.parametrize(("text", "ports"), [("80", 80), ("8000-8100", "8000-8100"), ("5-5", "5-5")])
def test_ports(text: str, ports: int | str) -> None:
    """A port or a range."""
    assert parse_ports(text) == ports


@pytest.mark.parametrize("text", ["", "0", "1-", "9-5", "http", "1-99999"])
def test_wrong_ports(text: str) -> None:
    """What is neither is refused."""
    with pytest.raises(ValueError, match=r"is not a port|behind its end"):
        parse_ports(text)


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ("2h", "2030-01-01T02:00:00Z"),
        ("30m", "2030-01-01T00:30:00Z"),
        ("1d", "2030-01-02T00:00:00Z"),
        ("2030-06-01T12:00:00+02:00", "2030-06-01T10:00:00Z"),
    ],
)
def test_until(text: str, until: str) -> None:
    """A time, or how long from now."""
    assert parse_until(text, datetime(2030, 1, 1, tzinfo=UTC)) == until


@pytest.mark.parametrize("text", ["soon", "2030-01-01T00:00:00", "2w"])
def test_wrong_until(text: str) -> None:
    """A time without a zone, and what is none, is refused."""
    with pytest.raises(ValueError, match=r"neither a time|lacks its zone"):
        parse_until(text)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({"action": "deny"}, "deny any > any all priority 100"),
        (
            {
                "action": "allow",
                "source": {"endpoint": None, "network": "n"},
                "destination": {"label": "a=b"},
                "protocol": "tcp",
                "ports": [80, "443-444"],
                "both_ways": True,
                "priority": 7,
                "until": "2030-01-01T00:00:00Z",
            },
            "allow network:n <> label:a=b tcp/80,443-444 priority 7 until 2030-01-01T00:00:00Z",
        ),
    ],
)
def test_text(rule: dict[str, Any], text: str) -> None:
    """A rule is said in a line."""
    assert rule_text(rule) == text


def test_content_id() -> None:
    """An id is made of what a rule says: defaults that are said and those that are not are the same."""
    rule = {"action": "allow", "source": {"endpoint": "web", "cidr": None}, "destination": {}}
    same = {"action": "allow", "source": {"endpoint": "web"}, "priority": 100, "comment": "", "id": "x"}
    assert brief(rule) == {"action": "allow", "source": {"endpoint": "web"}}
    assert content_id(rule) == content_id(same)
    assert content_id(rule) != content_id(rule | {"priority": 101})
    assert len(content_id(rule)) == 12
