"""Token buckets, against a plain model of one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daoli.routing.budget import Budget


def test_burst_and_rate() -> None:
    """A new key has a full bucket; an empty one gives what the rate has put in since."""
    budget = Budget(rate=2.0, burst=3.0)
    assert [budget.take("a", 10.0) for _ in range(4)] == [True, True, True, False]
    assert [budget.take("a", 10.5) for _ in range(2)] == [True, False]
    assert [budget.take("a", 1000.0) for _ in range(4)] == [True, True, True, False]


def test_keys_are_apart() -> None:
    """What one key spends another keeps, and a forgotten key begins anew."""
    budget = Budget(rate=0.0, burst=1.0)
    assert budget.take(("a", 1), 0.0)
    assert not budget.take(("a", 1), 0.0)
    assert budget.take(("b", 1), 0.0)
    assert len(budget) == 2
    budget.forget(("a", 1))
    budget.forget("never seen")
    assert len(budget) == 1
    assert budget.take(("a", 1), 0.0)


@given(
    st.integers(0, 20),
    st.integers(1, 10),
    st.lists(st.sampled_from((0.0, 0.25, 0.5, 1.0, 7.0)), max_size=60),
)
def test_any_times(rate: int, burst: int, pauses: list[float]) -> None:
    """Over any time no more tokens are given than the burst and what the rate put in, and none is withheld."""
    budget = Budget(float(rate), float(burst))
    now, tokens = 100.0, float(burst)
    for pause in pauses:
        now += pause
        tokens = min(float(burst), tokens + pause * rate)
        assert budget.take("a", now) is (tokens >= 1)
        if tokens >= 1:
            tokens -= 1
