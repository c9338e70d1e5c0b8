"""Ports that ask too much."""

from __future__ import annotations

import socket

import hypothesis.strategies as st
import pytest
from hypothesis import given

from daoli.agent.names import flood
from daoli.agent.names.flood import MOST, SILENCE_SECONDS, Quotas


def taken(quotas: Quotas, port: int, tries: int, now: float) -> int:
    return sum(quotas.take(port, now) for _ in range(tries))


def test_quota_is_each_ports_own() -> None:
    """A port may ask so much at once, and then so much a second."""
    quotas = Quotas(rate=10, burst=5)
    assert taken(quotas, 1, 5, now=0.0) == 5
    assert quotas.take(1, 0.1)
    assert taken(quotas, 2, 5, now=0.1) == 5
    assert quotas.silent(0.1) == frozenset()


def test_who_asks_more_is_silent_and_has_saved_nothing() -> None:
    """A port that is heard again gets what its rate allows, not what it could have asked meanwhile."""
    quotas = Quotas(rate=10, burst=5)
    assert taken(quotas, 1, 100, now=0.0) == 5
    assert quotas.silent(0.5) == {1}
    assert not quotas.take(1, 0.5)
    assert quotas.silent(SILENCE_SECONDS) == frozenset()
    assert taken(quotas, 1, 100, now=SILENCE_SECONDS + 0.25) == 2
    assert quotas.silent(SILENCE_SECONDS + 0.25) == {1}
    assert quotas.silent(100.0) == frozenset()
    assert taken(quotas, 1, 100, now=100.0) == 5


def test_number_of_silent_ports_is_bounded() -> None:
    """More floods than a filter can hold are held back here."""
    quotas = Quotas(rate=0, burst=1)
    for port in range(2 * MOST):
        assert taken(quotas, port, 3, now=0.0) == 1
    assert len(quotas.silent(0.0)) == MOST


@given(st.sets(st.integers(0, 0xFFFF), max_size=MOST), st.integers(0, 0xFFFF))
def test_kernel_drops_what_silent_ports_send(silent: set[int], other: int) -> None:
    """Of the silent ports no frame comes, of any other each does."""
    wire, heard = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with wire, heard:
        flood.attach(heard, silent)
        heard.setblocking(False)
        for port in (*sorted(silent)[:1], *sorted(silent)[-1:]):
            wire.send(b"1234" + port.to_bytes(2, "big") + b"the rest")
            with pytest.raises(BlockingIOError):
                heard.recv(100)
        wire.send(b"1234" + other.to_bytes(2, "big") + b"the rest")
        if other not in silent:
            assert heard.recv(100)[6:] == b"the rest"
        flood.attach(heard, ())
        wire.send(b"1234" + other.to_bytes(2, "big"))
        assert heard.recv(100)
