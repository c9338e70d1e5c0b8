"""The ledger in memory, and what waits for its file."""

from __future__ import annotations

import pytest
from tests.hosts.test_facts import RULE, A, B

from daoli.hosts.facts import Closed, Note, Recalled, Refused
from daoli.hosts.ledger import Ledger, Wanted
from daoli.routing.routes import Route
from daoli.routing.verdict import Outcome, Verdict


def refused(at: float) -> Note:
    return Refused(at, "h2", 5, Verdict(Outcome.DENIED, None, A, B, RULE), b"")


def closed(at: float) -> Note:
    return Closed(at, Route(int(at), B, A, RULE, 0.0), "idle", 1.0, {})


async def times(ledger: Ledger, wanted: Wanted) -> list[str]:
    """The seconds of what is read."""
    return [entry.time[17:19] for entry in await ledger.read(wanted)]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(), ["02", "03", "04", "05"]),
        (Wanted(since=4.0), ["04", "05"]),
        (Wanted(limit=1), ["05"]),
        (Wanted(denied=True), ["02", "04"]),
        (Wanted(source="e2"), ["02", "04"]),
        (Wanted(source="web", limit=1), ["04"]),
        (Wanted(destination="web"), ["03", "05"]),
        (Wanted(source="web", destination="web"), []),
    ],
)
async def test_read(wanted: Wanted, found: list[str]) -> None:
    """The newest stands last, of too many the oldest are left out; what was pushed out of memory is gone."""
    ledger = Ledger(kept=4)
    for at in (1, 2, 3, 4, 5):
        ledger.add(refused(at) if at % 2 == 0 else closed(at))
    assert await times(ledger, wanted) == found
    assert ledger.begins == 2.0


async def test_recalled() -> None:
    """What was noted before the start is read before the rest, and pushed out first; it is not counted as noted now."""
    ledger = Ledger(kept=3, clock=lambda: 9.0)
    ledger.recall([Recalled(note.time, note.entry()) for note in (refused(1), refused(2))], damaged=4)
    assert (ledger.begins, ledger.counters["ledger_damaged_total"]) == (1.0, 4)
    for at in (10, 11):
        ledger.add(refused(at))
    assert await times(ledger, Wanted()) == ["02", "10", "11"]
    assert ledger.counters["ledger_entries_total{kind=packet.refused}"] == 2


@pytest.mark.parametrize(
    ("kept", "noted", "begins"), [(2, [], 9.0), (2, [10], 9.0), (2, [10, 11, 12], 11.0), (0, [10], None)]
)
def test_begins(kept: int, noted: list[int], begins: float | None) -> None:
    """Memory has all since the start, or since its oldest note once it is full."""
    ledger = Ledger(kept, clock=lambda: 9.0)
    for at in noted:
        ledger.add(refused(at))
    assert ledger.begins == begins
    assert [ledger.reaches(since) for since in (8.0, 12.0)] == [False, begins is not None]


def test_counters() -> None:
    """What is noted is counted by its kind."""
    ledger = Ledger()
    ledger.add(refused(1))
    assert ledger.counters == {
        "ledger_entries_total{kind=route.opened}": 0,
        "ledger_entries_total{kind=packet.refused}": 1,
        "ledger_entries_total{kind=route.closed}": 0,
        "ledger_damaged_total": 0,
        "ledger_dropped_total": 0,
        "ledger_written_total": 0,
    }


def test_what_waits_is_bounded() -> None:
    """A file that falls behind loses the newest, which is counted; memory has them all the same."""
    ledger = Ledger(kept=10, waiting=2)
    for at in (1, 2, 3):
        ledger.add(refused(at))
    assert (ledger.dropped, ledger.news.is_set()) == (1, True)
    assert [note.time for note in ledger.take()] == [1, 2]
    assert not ledger.news.is_set()
    assert ledger.begins == 1


@pytest.mark.parametrize(("kept", "waiting", "on"), [(0, 0, False), (1, 0, True), (0, 1, True)])
def test_on(kept: int, waiting: int, on: bool) -> None:
    """Without memory and file nothing need be noted."""
    assert Ledger(kept, waiting).on is on
