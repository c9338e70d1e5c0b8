"""Time in reports."""

from daoli.datapath.emulated.clock import duration


def test_duration() -> None:
    """Seconds are split into whole ones and nanoseconds."""
    assert [duration(seconds) for seconds in (0.0, 1.5, 0.9999999999)] == [(0, 0), (1, 500_000_000), (1, 0)]
