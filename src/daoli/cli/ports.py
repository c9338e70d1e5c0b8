"""Ports as people write them: ``8080/udp``, ``192.0.2.1:8080``, ``web:80``, ``5432/tcp``. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

TRANSPORTS: Final = ("tcp", "udp")
PROTOCOLS: Final = (*TRANSPORTS, "icmp")
LARGEST: Final = 65535


class Published(NamedTuple):
    """What is to be published, as far as it was said."""

    port: int
    protocol: str | None = None
    address: str | None = None


class Target(NamedTuple):
    """Where a published port is to lead."""

    container: str
    port: int | None = None


class Traffic(NamedTuple):
    """What a packet carries."""

    protocol: str
    port: int | None = None


def parse_port(text: str) -> int:
    """Take a port number; ValueError in words."""
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(LARGEST)) and 1 <= int(text) <= LARGEST):
        raise ValueError(f"{text!r} is not a port from 1 to {LARGEST}")
    return int(text)


def parse_published(text: str) -> Published:
    """Take ``[ADDRESS:]PORT[/PROTOCOL]``; ValueError in words."""
    rest, slash, protocol = text.partition("/")
    if slash and protocol not in TRANSPORTS:
        raise ValueError(f"{protocol!r} is not tcp or udp")
    address, colon, port = rest.rpartition(":")
    if colon and not address:
        raise ValueError(f"{text!r} has no address before the colon")
    return Published(parse_port(port), protocol or None, address or None)


def parse_target(text: str) -> Target:
    """Take ``CONTAINER[:PORT]``; ValueError in words."""
    if "/" in text:
        raise ValueError(f"{text!r}: the protocol goes with the published port, as in 8080/udp")
    container, colon, port = text.rpartition(":")
    if not colon:
        container = port
    if not container:
        raise ValueError("a target is a container, or a container and a port, such as web:80")
    return Target(container, parse_port(port) if colon else None)


def parse_traffic(text: str) -> Traffic:
    """Take ``PORT/PROTOCOL``, ``PROTOCOL/PORT``, a protocol, or a TCP port; ValueError in words."""
    if text in PROTOCOLS:
        return Traffic(text)
    one, slash, other = text.partition("/")
    if not slash:
        return Traffic("tcp", parse_port(one))
    port, protocol = (other, one) if one in PROTOCOLS else (one, other)
    if protocol not in TRANSPORTS:
        reason = "icmp has no ports" if protocol == "icmp" else f"{protocol!r} is not tcp or udp"
        raise ValueError(f"{text!r}: {reason}")
    return Traffic(protocol, parse_port(port))
