"""Who was not let in lately."""

from __future__ import annotations

from daoli.api.refusals import LATELY, PEERS, Refusals


def test_by_address() -> None:
    """Each address is counted by itself, and told until it has been silent for a while."""
    now = [1000.0]
    refusals = Refusals(lambda: now[0])
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.1"):
        refusals.note(address, "the token is wrong")
    assert [(knock.address, knock.times) for knock in refusals.lately()] == [("192.0.2.1", 2), ("192.0.2.2", 1)]
    now[0] += LATELY
    refusals.note("192.0.2.2", "send the header")
    now[0] += 1.0
    assert [(knock.address, knock.times, knock.reason) for knock in refusals.lately()] == [
        ("192.0.2.2", 2, "send the header")
    ]
    assert refusals.counters == {"api_refused_total{peer=192.0.2.1}": 2, "api_refused_total{peer=192.0.2.2}": 2}


def test_bounded() -> None:
    """However many knock, a few are remembered: those who did so last."""
    refusals = Refusals(lambda: 0.0)
    for number in range(2 * PEERS):
        refusals.note(str(number), "the token is wrong")
        refusals.note("always", "the token is wrong")
    assert len(refusals.lately()) == PEERS
    assert [knock.times for knock in refusals.lately() if knock.address == "always"] == [2 * PEERS]
