"""Addresses in text, wherever a message has one."""

from typing import Any

import pytest

from daoli.ofproto import CtDestination, CtSource, EncodeError, NatRange, Port, PortMod, decode
from daoli.ofproto.addresses import address_bytes

MAC = bytes.fromhex("0200000000ab")


@pytest.mark.parametrize("text", ["02:00:00:00:00:ab", "02-00-00-00-00-AB", "0200000000ab"])
def test_mac(text: str) -> None:
    """A MAC address may be written with colons, with hyphens or with nothing between its bytes."""
    assert address_bytes("mac", "hw_addr", text) == MAC


def test_ip() -> None:
    """Where either may stand, IPv4 is written as it is within IPv6."""
    assert address_bytes("ip", "address", "10.0.0.1") == address_bytes("ipv6", "address", "::ffff:10.0.0.1")
    assert address_bytes("ip", "address", "fe80::1")[:2] == b"\xfe\x80"
    assert address_bytes("ipv4", "address", "10.0.0.1") == b"\n\0\0\1"


@pytest.mark.parametrize(
    ("notation", "text"),
    [
        ("mac", "02:00"),
        ("mac", "eth0"),
        ("ipv4", "fe80::1"),
        ("ipv6", "10.0.0.1"),
        ("ip", "10.0.0"),
        ("ip", "fe80::1%1"),
    ],
)
def test_no_address(notation: str, text: str) -> None:
    """What is no address is an EncodeError that names the field and shows what it should look like."""
    with pytest.raises(EncodeError, match=rf"^Port\.hw_addr: '{text}' is not an? .* such as "):
        address_bytes(notation, "Port.hw_addr", text)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (Port(1, "02:00:00:00:00:ab"), Port(1, MAC)),
        (PortMod(1, "02-00-00-00-00-ab", xid=5), PortMod(1, MAC, xid=5)),
        (CtSource("10.0.0.1"), CtSource(bytes(10) + b"\xff\xff\n\0\0\1")),
        (CtDestination("::1"), CtDestination(bytes(15) + b"\1")),
        (NatRange("10.0.0.1", "10.0.0.9"), NatRange(b"\n\0\0\1", b"\n\0\0\t")),
        (NatRange(ipv6_min="::1", ipv6_max="::2"), NatRange(None, None, bytes(15) + b"\1", bytes(15) + b"\2")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_text_is_bytes(written: Any, meant: Any) -> None:
    """An address given as text is the one given as bytes."""
    assert written == meant
    assert eval(repr(written), {type(meant).__name__: type(meant)}) == meant  # noqa: S307


def test_port_mod() -> None:
    """A message with an address in text is encoded and read."""
    message = PortMod(1, "00:00:00:00:00:01")
    assert decode(message.encode()) == message
    with pytest.raises(EncodeError, match=r"^PortMod\.hw_addr: 'eth0' is not a MAC address"):
        PortMod(1, "eth0")
