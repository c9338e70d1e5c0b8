"""Going on when the controller goes and comes back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from daoli.cli.again import FIRST_PAUSE, LONGEST_PAUSE, Patience, patiently
from daoli.cli.client import Refused, Unreachable

AWAY = Unreachable("http://c", "connection refused")


def answering(*answers: str | Exception) -> Callable[[], str]:
    """Make a question with these answers."""
    left = list(answers)

    def ask() -> str:
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return ask


def test_waits_longer_each_time() -> None:
    """Who has answered before is asked again, each time later up to a limit; that and its return are told once."""
    notes: list[str] = []
    pauses: list[float] = []
    patience = Patience(notes.append, pauses.append)
    ask = answering("one", *[AWAY] * 7, Refused("/", 503, {"detail": "not ready"}), "two", AWAY, "three")
    assert [patiently(ask, patience) for _ in range(3)] == ["one", "two", "three"]
    assert pauses[:4] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE, 8 * FIRST_PAUSE]
    assert pauses[7:] == [LONGEST_PAUSE, FIRST_PAUSE]
    assert [note.partition(";")[0] for note in notes] == [
        "daolictl: the daoli controller at http://c cannot be reached: connection refused",
        "daolictl: the controller answers again",
    ] * 2


@pytest.mark.parametrize(
    ("known", "failure"),
    [(False, AWAY), (False, Refused("/readyz", 503, {})), (True, Refused("/hosts", 401, {}))],
    ids=["never there", "never ready", "refused"],
)
def test_does_not_wait_in_vain(*, known: bool, failure: Exception) -> None:
    """Who never answered, or answers no, is not asked again."""
    patience = Patience(pytest.fail)
    if known:
        patience.answered()
    with pytest.raises(type(failure)):
        patiently(answering(failure), patience)
