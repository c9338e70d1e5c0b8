"""UDP datagrams in Ethernet frames."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from daoli.agent.names import frames

MAC, ROUTER, SOURCE, RESOLVER = bytes.fromhex("02420a010002"), frames.QUERY + b"\0\7", b"\x0a\1\0\2", b"\x08" * 4


def frame(
    payload: bytes = b"question", *, words: int = 0x45, fragment: int = 0, proto: int = 17, eth_type: int = 0x0800
) -> bytes:
    options = b"\1" * ((words & 0xF) * 4 - 20)
    udp = struct.pack("!HHHH", 40000, 53, 8 + len(payload), 0) + payload
    total = 20 + len(options) + len(udp)
    head = struct.pack("!BBHHHBBH4s4s", words, 0, total, 1, fragment, 64, proto, 0, SOURCE, RESOLVER)
    return ROUTER + MAC + eth_type.to_bytes(2, "big") + head + options + udp


def test_query_is_read_with_its_port() -> None:
    """The port that a query came by stands in its destination MAC."""
    assert frames.parse(frame()) == frames.Query(7, MAC, SOURCE, 40000, RESOLVER, b"question")
    assert frames.parse(frame(words=0x47)) == frames.Query(7, MAC, SOURCE, 40000, RESOLVER, b"question")
    assert frames.parse(frame() + b"\0" * 20) == frames.parse(frame())


def test_what_is_no_whole_datagram_is_none() -> None:
    """Fragments, other protocols and lengths that lie are not read."""
    marked = (frame(fragment=0x2000), frame(fragment=5), frame(proto=6), frame(eth_type=0x86DD), frame(words=0x65))
    for bad in (*marked, frame()[:-1], b""):
        assert frames.parse(bad) is None


def test_answer_goes_back_from_the_resolver() -> None:
    """The answer has the addresses the other way round, both checksums, and the port in its source MAC."""
    query = frames.parse(frame())
    assert query is not None
    sent = frames.answer(query, b"answer!")
    assert sent[:6] == MAC
    assert sent[6:12] == frames.ANSWER + b"\0\7"
    header, datagram = sent[14:34], sent[34:]
    assert frames.checksum(header) == 0
    assert header[12:] == RESOLVER + SOURCE
    assert struct.unpack_from("!HHH", datagram) == (53, 40000, 15)
    pseudo = RESOLVER + SOURCE + struct.pack("!BBH", 0, 17, len(datagram))
    assert frames.checksum(pseudo + datagram) == 0
    assert datagram[8:] == b"answer!"


def test_passed_on_frame_keeps_all_but_the_mark() -> None:
    """A query that is passed on differs in what it is meant for, and in nothing else."""
    passed = frames.passed_on(frame())
    assert passed[:6] == frames.PASS_ON + b"\0\7"
    assert passed[6:] == frame()[6:]


@given(st.binary(max_size=120))
def test_any_bytes_are_read_or_not(data: bytes) -> None:
    """No bytes raise, whatever they are."""
    frames.parse(data)
    frames.parse(frame()[:42] + data)
