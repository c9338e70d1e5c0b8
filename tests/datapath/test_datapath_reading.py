"""Who may stop the reading of a connection, and when it goes on."""

from __future__ import annotations

from tests.datapath.loopless import FakeTransport

from daoli.datapath.reading import Reading


def test_holders() -> None:
    """A connection is not read while anybody holds it; holding twice is holding once."""
    reading = Reading(transport := FakeTransport())
    reading.hold("a")
    reading.hold("a")
    reading.hold("b")
    assert reading.paused
    reading.release("a")
    assert transport.paused
    reading.release("b")
    reading.release("b")
    assert (reading.paused, transport.paused) == (False, False)


def test_waiting() -> None:
    """While somebody waits for an answer only a firm hold counts."""
    reading = Reading(transport := FakeTransport())
    reading.hold("a")
    reading.begin_wait()
    reading.begin_wait()
    assert not transport.paused
    reading.end_wait()
    assert not transport.paused
    reading.hold("a", firmly=True)
    assert transport.paused
    reading.hold("a")
    assert not transport.paused
    reading.end_wait()
    assert transport.paused


def test_ended() -> None:
    """A transport that has ended is left alone."""
    reading = Reading(transport := FakeTransport())
    transport.abort()
    reading.hold("a")
    assert not transport.paused
