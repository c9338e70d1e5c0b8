"""Ports as people write them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daoli.cli.ports import (
    PROTOCOLS,
    TRANSPORTS,
    Published,
    Target,
    Traffic,
    parse_published,
    parse_target,
    parse_traffic,
)
from daoli.hosts.publication import PublicationRequest

PORTS = st.integers(1, 65535)
TRANSPORT = st.sampled_from(TRANSPORTS)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,40}", fullmatch=True)
ADDRESSES = st.ip_addresses(v=4).map(str)


def build(port: int, address: str | None, protocol: str | None) -> str:
    """Write what is to be published."""
    return f"{f'{address}:' if address else ''}{port}{f'/{protocol}' if protocol else ''}"


@given(PORTS, st.none() | ADDRESSES, st.none() | TRANSPORT)
def test_published(port: int, address: str | None, protocol: str | None) -> None:
    """What is written as docker does is read as it was meant."""
    assert parse_published(build(port, address, protocol)) == Published(port, protocol, address)


@given(NAMES, st.none() | PORTS)
def test_target(name: str, port: int | None) -> None:
    """A container, with a port or without, is read as it was meant, and the API takes it."""
    target = parse_target(name if port is None else f"{name}:{port}")
    assert target == Target(name, port)
    assert PublicationRequest(port=1, target=target.container, target_port=target.port).target == name


@given(PORTS, TRANSPORT)
def test_traffic(port: int, protocol: str) -> None:
    """Port and protocol are read in either order; a port alone is TCP's."""
    assert parse_traffic(f"{port}/{protocol}") == parse_traffic(f"{protocol}/{port}") == Traffic(protocol, port)
    assert parse_traffic(str(port)) == Traffic("tcp", port)
    assert [parse_traffic(name) for name in PROTOCOLS] == [Traffic(name) for name in PROTOCOLS]


TEXTS = st.text() | st.text(alphabet="0123456789:/tcpudim.web-", max_size=12)


@given(TEXTS, st.sampled_from((parse_published, parse_target, parse_traffic)))
def test_any_text(text: str, parse: Callable[[str], Published | Target | Traffic]) -> None:
    """Any text is read or refused, and a port that is read is one."""
    with suppress(ValueError):
        port = parse(text).port
        assert port is None or 1 <= port <= 65535


@pytest.mark.parametrize("text", ["", "0", "65536", "-1", "8080/sctp", "8080/", ":80", "٣", "80 ", "web"])
def test_not_published(text: str) -> None:
    """What is no port is refused."""
    with pytest.raises(ValueError, match=r"is not a port|is not tcp or udp|no address"):
        parse_published(text)


@pytest.mark.parametrize("text", ["", ":80", "web:", "web:0", "web:99999", "web:80/udp"])
def test_no_target(text: str) -> None:
    """What is no target is refused."""
    with pytest.raises(ValueError, match=r"target is|not a port|protocol goes with"):
        parse_target(text)


@pytest.mark.parametrize("text", ["", "icmp/8", "8/icmp", "sctp", "tcp/udp", "80/gre", "0/tcp"])
def test_no_traffic(text: str) -> None:
    """What no packet carries is refused."""
    with pytest.raises(ValueError, match=r"not a port|no ports|not tcp or udp"):
        parse_traffic(text)
