"""Which labels of a container are kept: all that Docker has, up to bounds far beyond what people write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

MOST_LABELS: Final = 1000
LABEL_BYTES: Final = 64 * 1024
"""Of all keys and values of one container together."""


def size_of(labels: Mapping[str, str]) -> int:
    """Add up the bytes of all keys and values."""
    return sum(len(key.encode()) + len(value.encode()) for key, value in labels.items())


def fitting(labels: Mapping[str, str]) -> dict[str, str]:
    """Take what is within the bounds, in the order of the keys; what is too large for the rest of them is left out."""
    kept: dict[str, str] = {}
    left = LABEL_BYTES
    for key in sorted(labels):
        size = size_of({key: labels[key]})
        if size <= left and len(kept) < MOST_LABELS:
            kept[key] = labels[key]
            left -= size
    return kept


def excess(labels: Mapping[str, str], kept: Mapping[str, str]) -> str | None:
    """Say that rules do not see all labels; None if they do."""
    if len(kept) == len(labels):
        return None
    return (
        f"{len(labels) - len(kept)} of its {len(labels)} labels are not known to the fabric, so that rules on them do "
        f"not hold: {MOST_LABELS} of {LABEL_BYTES // 1024} KiB together are taken"
    )
