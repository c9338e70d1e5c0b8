"""Cookies, and what wins over what."""

from hypothesis import given
from hypothesis import strategies as st

from daoli.routing.pipeline import (
    COOKIE_ALL,
    DENY_COOKIE,
    KIND_MASK,
    MAGIC,
    MAGIC_MASK,
    STATIC_COOKIE,
    ArpPriority,
    Cookie,
    Kind,
    Priority,
    Table,
    connection_cookie,
    pair_cookie,
)


@given(st.integers(0, 0xFF), st.integers(0, 0xFFFF_FFFF))
def test_pair_cookie(generation: int, route_id: int) -> None:
    """A cookie says whose it is, what for, which generation and which route, and is told by mask."""
    cookie = pair_cookie(generation, route_id)
    assert Cookie.parse(cookie) == (Kind.PAIR, generation, route_id)
    assert Cookie.parse(connection_cookie(generation, route_id)) == (Kind.CONNECTION, generation, route_id)
    assert cookie & MAGIC_MASK == MAGIC << 48 == DENY_COOKIE & MAGIC_MASK == STATIC_COOKIE & MAGIC_MASK
    assert len({cookie & KIND_MASK, DENY_COOKIE & KIND_MASK, STATIC_COOKIE & KIND_MASK}) == 3
    assert cookie & COOKIE_ALL == cookie < 1 << 64


@given(st.integers(0, COOKIE_ALL))
def test_foreign_cookie(cookie: int) -> None:
    """A cookie without our magic number is not ours."""
    parsed = Cookie.parse(cookie)
    assert (parsed is not None) == (cookie >> 48 == MAGIC)


def test_priorities() -> None:
    """What must win over what: no tags over routes over drops over restoring, and the guard over ARP from the LAN."""
    assert Priority.TAGGED > Priority.NOT_ASKED > Priority.NAMES > Priority.CONNECTION > Priority.PAIR
    assert Priority.PAIR > Priority.DENY > Priority.MUTE_UPLINK > Priority.UPLINK > Priority.GUARD
    assert Priority.GUARD > Priority.ARP > Priority.MUTE > Priority.MISS
    assert ArpPriority.PROBE > ArpPriority.OWN_ADDRESS > ArpPriority.ANSWER > ArpPriority.MISS
    assert Table.MAIN < Table.ARP
