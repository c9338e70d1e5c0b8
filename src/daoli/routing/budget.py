"""Token buckets: how much one port may ask of the controller."""

from __future__ import annotations

from collections.abc import Hashable


class Budget:
    """A token bucket per key, filled at `rate` tokens a second up to `burst`. A new key begins with a full bucket."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self._buckets: dict[Hashable, list[float]] = {}

    def take(self, key: Hashable, now: float) -> bool:
        """Take one token of `key`'s; False when there is none."""
        bucket = self._buckets.get(key)
        if bucket is None:
            self._buckets[key] = [self.burst - 1, now]
            return self.burst >= 1
        tokens = bucket[0] + (now - bucket[1]) * self.rate
        bucket[1] = now
        if tokens < 1:
            bucket[0] = tokens
            return False
        bucket[0] = (min(self.burst, tokens)) - 1
        return True

    def forget(self, key: Hashable) -> None:
        """Drop a key that is gone, so that buckets do not outlive their ports."""
        self._buckets.pop(key, None)

    def __len__(self) -> int:
        return len(self._buckets)
