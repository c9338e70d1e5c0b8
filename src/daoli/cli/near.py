"""Names that somebody may have meant who wrote another."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from daoli.cli.client import Refused, Unreachable

MOST: Final = 3
LISTED: Final = MappingProxyType(
    {
        "host": "hosts",
        "network": "networks",
        "endpoint": "endpoints",
        "container": "endpoints",
        "group": "groups",
        "rule": "rules",
    }
)
"""What a refusal may say that there is not -> where the API lists what there is."""
_UNKNOWN: Final = re.compile(rf"there is no ({'|'.join(LISTED)}) ([^\s;,]+)")


def question(name: str, known: Iterable[str]) -> str | None:
    """Ask whether another was meant; None if no name is near."""
    found = get_close_matches(name, sorted(set(known)), MOST)
    return f"did you mean {' or '.join(found)}?" if found else None


def meant(refusal: Refused) -> str | None:
    """Ask about what the controller does not know, by what it knows."""
    unknown = _UNKNOWN.search(str(refusal))
    if unknown is None or refusal.client is None:
        return None
    where = LISTED[unknown[1]]
    try:
        items = refusal.client.get(f"/{where}")[where]
    except (Unreachable, Refused):
        return None
    key = "id" if where == "rules" else "name"
    return question(unknown[2], (item[key] for item in items if item[key]))
