"""Which labels of a container are kept."""

from __future__ import annotations

import pytest

from daoli.hosts.labels import LABEL_BYTES, MOST_LABELS, excess, fitting, size_of


@pytest.mark.parametrize(
    "labels",
    [
        {},
        {"a": "1", "a key": "", "": "x", "k=": "=v"},
        {f"a{number}": "1" for number in range(MOST_LABELS)},
        {"a": "x" * (LABEL_BYTES - 1)},
        {"a": "é" * (LABEL_BYTES // 2 - 1)},
    ],
    ids=["none", "of any kind", "many", "long", "not ASCII"],
)
def test_all_are_kept(labels: dict[str, str]) -> None:
    """Within the bounds every label is kept, whatever it looks like."""
    assert fitting(labels) == labels
    assert excess(labels, fitting(labels)) is None


def test_too_many() -> None:
    """Of too many the first by their keys are kept, and how many are not is said."""
    labels = {f"a{number:04}": "1" for number in reversed(range(MOST_LABELS + 2))}
    kept = fitting(labels)
    assert list(kept) == [f"a{number:04}" for number in range(MOST_LABELS)]
    said = excess(labels, kept)
    assert said is not None
    assert said.startswith("2 of its 1002 labels are not known to the fabric")


def test_too_large() -> None:
    """What has no room is left out, and the rest is kept."""
    labels = {"a": "1", "b": "x" * LABEL_BYTES, "c": "é"}
    assert fitting(labels) == {"a": "1", "c": "é"}
    assert size_of(fitting(labels)) == 5
