"""Frames as bytes: parsing hostile ones, forwarding, and the ICMP messages that routers send."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.routing.frames import ICMP, TCP, UDP, echo, ipv4, ones_sum, see, with_checksum

from daoli.routing import packet
from daoli.routing.packet import Frame, checksum, echo_reply, ethernet, forwarded, icmp_error, may_be_reported, parse

A, B = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
ROUTER = bytes.fromhex("02da011e0001")
SRC, DST, GATEWAY = bytes((10, 0, 0, 2)), bytes((10, 0, 0, 3)), bytes((10, 0, 0, 1))
MACS = st.binary(min_size=6, max_size=6)
ADDRESSES = st.binary(min_size=4, max_size=4)
OPTIONS = st.integers(0, 10).flatmap(lambda words: st.binary(min_size=4 * words, max_size=4 * words))
FRAMES = st.builds(
    ipv4,
    MACS,
    MACS,
    ADDRESSES,
    ADDRESSES,
    ttl=st.integers(0, 255),
    proto=st.sampled_from((ICMP, TCP, UDP, 47)),
    payload=st.binary(max_size=80),
    options=OPTIONS,
    fragment=st.sampled_from((0, 0x4000, 0x2000, 0x2001, 1)),
)


def read(data: bytes) -> Frame:
    """Parse a frame that is known to be good."""
    frame = parse(data)
    assert frame is not None
    return frame


@given(FRAMES)
def test_parse(data: bytes) -> None:
    """A well-formed frame is taken apart into what it was made of, options or not."""
    frame = read(data)
    assert (frame.eth_dst, frame.eth_src, frame.eth_type) == (data[:6], data[6:12], 0x0800)
    assert (frame.ttl, frame.proto, frame.words) == (data[22], data[23], data[14])
    assert (frame.ipv4_src, frame.ipv4_dst) == (data[26:30], data[30:34])
    assert frame.total_len == len(data) - 14
    assert frame.fragment == int.from_bytes(data[20:22], "big")


def use(data: bytes) -> None:
    """Do all that may be done with a frame from outside."""
    ethernet(data)
    frame = parse(data)
    if frame is not None:
        packet.ports(data, frame)
        echo_reply(data, frame, eth_src=ROUTER, eth_dst=A)
        if may_be_reported(data, frame):
            icmp_error(packet.TIME_EXCEEDED, data, frame, eth_src=ROUTER, eth_dst=A, ipv4_src=GATEWAY)


@given(st.binary(max_size=120))
def test_any_bytes(data: bytes) -> None:
    """Any bytes at all are taken apart or declined, and nothing that is built of them raises."""
    use(data)


@given(FRAMES, st.integers(0, 120), st.binary(max_size=4), st.integers(0, 120))
def test_damaged(data: bytes, cut: int, scribble: bytes, at: int) -> None:
    """A frame that is cut short or scribbled over never raises."""
    use(data[:cut])
    use(data[:at] + scribble + data[at + len(scribble) :])


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[:33], id="no whole header"),
        pytest.param(lambda data: data[:12] + b"\x86\xdd" + data[14:], id="IPv6"),
        pytest.param(lambda data: data[:14] + b"\x65" + data[15:], id="version 6"),
        pytest.param(lambda data: data[:14] + b"\x44" + data[15:], id="header of 16 bytes"),
        pytest.param(lambda data: data[:14] + b"\x4f" + data[15:], id="options that are not there"),
        pytest.param(lambda data: data[:16] + b"\0\x13" + data[18:], id="total length below the header's"),
    ],
)
def test_no_frame(damage: Callable[[bytes], bytes]) -> None:
    """What is no well-formed IPv4 header is declined."""
    assert parse(damage(ipv4(A, ROUTER, SRC, DST, payload=b""))) is None


def test_ethernet() -> None:
    """Any frame has a destination, a source and a type, unless it is shorter than those."""
    assert ethernet(A + B + b"\x88\xcc" + b"rest") == (A, B, 0x88CC)
    assert ethernet(bytes(13)) is None


def test_ports() -> None:
    """TCP and UDP have ports; other protocols, later fragments and truncated headers have none."""
    payload = b"\x12\x34\x00\x50rest"

    def ports_of(proto: int, fragment: int = 0, data: bytes = payload) -> tuple[int, int] | None:
        frame = ipv4(A, B, SRC, DST, proto=proto, fragment=fragment, payload=data, options=bytes(4))
        return packet.ports(frame, read(frame))

    assert ports_of(TCP) == ports_of(UDP) == ports_of(UDP, 0x2000) == ports_of(TCP, 0x4000) == (0x1234, 80)
    assert ports_of(ICMP) is ports_of(TCP, 1) is ports_of(UDP, data=b"\x12\x34\x00") is None


@given(FRAMES, MACS, MACS, st.integers(1, 2))
def test_forwarded(data: bytes, eth_dst: bytes, eth_src: bytes, hops: int) -> None:
    """A forwarded frame equals one whose header is written anew: RFC 1624's update is the whole checksum."""
    if data[22] <= hops:
        return
    end = 14 + (data[14] & 0xF) * 4
    header = with_checksum(data[14:22] + bytes([data[22] - hops]) + data[23:end])
    assert forwarded(data, eth_dst, eth_src, hops) == eth_dst + eth_src + b"\x08\x00" + header + data[end:]


@given(FRAMES, st.integers(0, 0xFFFF), st.integers(1, 2))
def test_forwarded_wrong_checksum(data: bytes, wrong: int, hops: int) -> None:
    """A wrong checksum stays as wrong as it was, so that the receiver notices."""
    broken = data[:24] + wrong.to_bytes(2, "big") + data[26:]
    if data[22] <= hops or wrong in (0, 0xFFFF):
        return
    end = 14 + (data[14] & 0xF) * 4
    assert ones_sum(forwarded(broken, A, B, hops)[14:end]) % 0xFFFF == ones_sum(broken[14:end]) % 0xFFFF


@given(st.binary(max_size=200))
def test_checksum(data: bytes) -> None:
    """The checksum is the complement of the one's complement sum, whatever the length (RFC 1071)."""
    assert checksum(data) == 0xFFFF - ones_sum(data)


def test_checksum_of_long_data() -> None:
    """All carries are folded, also those of the longest packets."""
    assert checksum(b"\xff" * 65535) == 0xFFFF - ones_sum(b"\xff" * 65535)


@given(FRAMES, st.sampled_from((packet.HOST_UNREACHABLE, packet.PROHIBITED, packet.TIME_EXCEEDED)))
def test_icmp_error(data: bytes, kind: packet.Unreachable) -> None:
    """An ICMP error is a valid frame that quotes the header and 8 bytes of what it is about (RFC 792)."""
    frame = read(data)
    seen = see(icmp_error(kind, data, frame, eth_src=ROUTER, eth_dst=A, ipv4_src=GATEWAY))
    assert (seen.eth_dst, seen.eth_src, seen.ipv4_src, seen.ipv4_dst) == (A, ROUTER, GATEWAY, frame.ipv4_src)
    assert (seen.proto, seen.ttl) == (ICMP, 64)
    assert tuple(seen.payload[:2]) == kind
    assert seen.payload[4:8] == bytes(4)
    assert seen.payload[8:] == data[14:][: (data[14] & 0xF) * 4 + 8]


def test_icmp_error_without_ethernet_padding() -> None:
    """Padding that Ethernet put behind a short packet is not quoted."""
    data = ipv4(A, ROUTER, SRC, DST, payload=b"1234") + bytes(22)
    error = icmp_error(packet.PROHIBITED, data, read(data), eth_src=ROUTER, eth_dst=A, ipv4_src=GATEWAY)
    assert see(error).payload[8:] == data[14:38]


@pytest.mark.parametrize(
    ("change", "reported"),
    [
        ({}, True),
        ({"proto": TCP}, True),
        ({"proto": ICMP, "payload": echo(8)}, True),
        ({"proto": ICMP, "payload": echo(0)}, True),
        ({"proto": ICMP, "payload": echo(3)}, False),
        ({"proto": ICMP, "payload": echo(11)}, False),
        ({"proto": ICMP, "payload": echo(5)}, False),
        ({"proto": ICMP, "payload": echo(200)}, False),
        ({"proto": ICMP, "payload": b""}, False),
        ({"fragment": 0x2000}, True),
        ({"fragment": 0x4000}, True),
        ({"fragment": 0x2001}, False),
        ({"fragment": 0x0100}, False),
        ({"eth_dst": b"\xff" * 6}, False),
        ({"eth_dst": bytes.fromhex("01005e000001")}, False),
        ({"ipv4_dst": bytes((224, 0, 0, 1))}, False),
        ({"ipv4_dst": b"\xff" * 4}, False),
        ({"ipv4_src": bytes(4)}, False),
        ({"ipv4_src": bytes((127, 0, 0, 1))}, False),
        ({"ipv4_src": bytes((224, 0, 0, 5))}, False),
        ({"ipv4_src": b"\xff" * 4}, False),
    ],
)
def test_may_be_reported(change: dict[str, object], *, reported: bool) -> None:
    """No ICMP error is about an error, a later fragment, a group or a sender that is nobody (RFC 1122, 3.2.2)."""
    given_: dict[str, object] = {"eth_src": A, "eth_dst": ROUTER, "ipv4_src": SRC, "ipv4_dst": DST}
    data = ipv4(**{**given_, **change})  # type: ignore[arg-type]
    assert may_be_reported(data, read(data)) is reported


@given(st.binary(max_size=100), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), OPTIONS)
def test_echo_reply(data: bytes, identifier: int, sequence: int, options: bytes) -> None:
    """A ping comes back with its identifier, sequence number and data (RFC 792)."""
    sent = ipv4(A, ROUTER, SRC, GATEWAY, proto=ICMP, payload=echo(8, data, identifier, sequence), options=options)
    reply = echo_reply(sent, read(sent), eth_src=ROUTER, eth_dst=A)
    assert reply is not None
    seen = see(reply)
    assert (seen.eth_dst, seen.eth_src, seen.ipv4_src, seen.ipv4_dst) == (A, ROUTER, GATEWAY, SRC)
    assert seen.payload == echo(0, data, identifier, sequence)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(ipv4(A, ROUTER, SRC, GATEWAY, proto=UDP, payload=echo(8)), id="UDP"),
        pytest.param(ipv4(A, ROUTER, SRC, GATEWAY, proto=ICMP, payload=echo(0)), id="answer"),
        pytest.param(ipv4(A, ROUTER, SRC, GATEWAY, proto=ICMP, payload=echo(8)[:7]), id="short"),
        pytest.param(ipv4(A, ROUTER, SRC, GATEWAY, proto=ICMP, payload=echo(8), fragment=0x2000), id="first fragment"),
        pytest.param(ipv4(A, ROUTER, SRC, GATEWAY, proto=ICMP, payload=echo(8), fragment=5), id="later fragment"),
        pytest.param(ipv4(A, ROUTER, SRC, GATEWAY, proto=ICMP, payload=echo(8, bytes(99)))[:-1], id="cut short"),
    ],
)
def test_no_echo_reply(data: bytes) -> None:
    """What is no whole echo request is not answered as one."""
    assert echo_reply(data, read(data), eth_src=ROUTER, eth_dst=A) is None
