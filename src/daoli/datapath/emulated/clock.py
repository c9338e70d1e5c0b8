"""The switch's time, as its reports give it."""

from __future__ import annotations


def duration(seconds: float) -> tuple[int, int]:
    """Give whole seconds, and nanoseconds beyond them."""
    whole, rest = divmod(round(seconds * 1e9), 1_000_000_000)
    return whole, rest
