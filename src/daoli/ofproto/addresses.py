"""Addresses as people write them, made the bytes that the wire has."""

from ipaddress import IPv4Address, IPv6Address

from daoli.ofproto.errors import EncodeError, shown

_MAC_SIZE = 6


def _mac(text: str) -> bytes:
    data = bytes.fromhex(text.replace(":", " ").replace("-", " "))
    if len(data) != _MAC_SIZE:
        raise ValueError(f"{len(data)} bytes")
    return data


def _ipv4(text: str) -> bytes:
    return IPv4Address(text).packed


def _ipv6(text: str) -> bytes:
    return IPv6Address(text.replace("%", "/")).packed  # a zone is known on one machine only


def _ip(text: str) -> bytes:
    return _ipv6(text) if ":" in text else b"\0" * 10 + b"\xff\xff" + _ipv4(text)


_READ = {"mac": _mac, "ipv4": _ipv4, "ipv6": _ipv6, "ip": _ip}

ADDRESSES = {
    "mac": "a MAC address such as '02:00:00:00:00:01'",
    "ipv4": "an IPv4 address such as '10.0.0.1'",
    "ipv6": "an IPv6 address such as 'fe80::1'",
    "ip": "an IP address such as '10.0.0.1' or 'fe80::1'",
}
"""What text of each notation is; one of `ip` is 16 bytes, an IPv4 address behind `::ffff:`."""


def address_bytes(notation: str, name: str, text: str) -> bytes:
    """Read an address of a notation; EncodeError names the field."""
    try:
        return _READ[notation](text)
    except ValueError as error:
        raise EncodeError(name, f"{shown(text)} is not {ADDRESSES[notation]}") from error


def accept_text(value: object, notation: str, *names: str) -> None:
    """Make text in fields of a frozen dataclass, while it is being made, the bytes of the address."""
    for name in names:
        if isinstance(text := getattr(value, name), str):
            object.__setattr__(value, name, address_bytes(notation, f"{type(value).__name__}.{name}", text))
