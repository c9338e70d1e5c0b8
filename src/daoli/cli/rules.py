"""Rules as people write them: ``network:dnet1``, ``8000-8100``, ``2h``; and as they are shown. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from daoli.cli.ports import parse_port

KINDS: Final = ("endpoint", "network", "group", "label", "cidr")
ANYTHING: Final = "any"
UNITS: Final = MappingProxyType({"s": "seconds", "m": "minutes", "h": "hours", "d": "days"})
DEFAULTS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "priority": 100,
        "source": {},
        "destination": {},
        "protocol": None,
        "ports": [],
        "both_ways": False,
        "until": None,
        "comment": "",
    }
)
"""What a rule is where it does not say."""
FIELDS: Final = ("id", "action", *DEFAULTS)
ID_DIGITS: Final = 12


def parse_selector(text: str) -> dict[str, str]:
    """Take ``KIND:NAME``, ``any``, or an endpoint's name; ValueError in words."""
    if text == ANYTHING:
        return {}
    kind, colon, name = text.partition(":")
    if not colon:
        kind, name = "endpoint", text
    if kind not in KINDS or not name:
        raise ValueError(f"{text!r} is not any, an endpoint's name, nor {', '.join(f'{kind}:…' for kind in KINDS)}")
    if kind == "label" and "=" not in name:
        raise ValueError(f"{text!r}: a label is written label:KEY=VALUE")
    return {kind: name}


def parse_ports(text: str) -> int | str:
    """Take a port, or ``8000-8100``; ValueError in words."""
    low, dash, high = text.partition("-")
    if not dash:
        return parse_port(low)
    if parse_port(low) > parse_port(high):
        raise ValueError(f"{text!r} begins behind its end")
    return text


def parse_until(text: str, now: datetime | None = None) -> str:
    """Take RFC 3339, or how long from now, such as ``2h``; ValueError in words."""
    if found := re.fullmatch(r"(\d{1,6})([smhd])", text, re.ASCII):
        moment = (now or datetime.now(UTC)) + timedelta(**{UNITS[found[2]]: int(found[1])})
    else:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise ValueError(
                f"{text!r} is neither a time such as 2030-01-31T12:00:00Z, nor such as 30m, 2h, 1d"
            ) from error
        if moment.tzinfo is None:
            raise ValueError(f"{text!r} lacks its zone: Z, or +01:00")
    return moment_text(moment, "seconds")


def moment_text(moment: datetime, precision: str = "milliseconds") -> str:
    """Write a time as RFC 3339 has it; the API does so in milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def brief(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is not the rule's own, and what is so by default."""
    found = {name: rule[name] for name in FIELDS if name in rule}
    for side in ("source", "destination"):
        if side in found:
            found[side] = {kind: name for kind, name in found[side].items() if name is not None}
    return {name: value for name, value in found.items() if name not in DEFAULTS or value != DEFAULTS[name]}


def content_id(rule: Mapping[str, Any]) -> str:
    """Make an id of what a rule says: the same for the same words."""
    said = {name: value for name, value in brief(rule).items() if name != "id"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:ID_DIGITS]


def selector_text(selector: Mapping[str, Any]) -> str:
    """Say whom a rule means."""
    named = [f"{kind}:{name}" for kind, name in selector.items() if name is not None]
    return named[0] if named else ANYTHING


def traffic_text(rule: Mapping[str, Any]) -> str:
    """Say what a rule speaks of: ``tcp/80,443``, ``icmp``, ``all``."""
    protocol = rule.get("protocol")
    ports = ",".join(str(port) for port in rule.get("ports") or ())
    return f"{protocol}/{ports}" if ports else protocol or "all"


def rule_text(rule: Mapping[str, Any]) -> str:
    """Say a rule in a line."""
    arrow = "<>" if rule.get("both_ways") else ">"
    ends = (selector_text(rule.get(side) or {}) for side in ("source", "destination"))
    words = [rule["action"], f" {arrow} ".join(ends), traffic_text(rule), f"priority {rule.get('priority', 100)}"]
    words += [f"until {rule['until']}"] if rule.get("until") else []
    return " ".join(words)
