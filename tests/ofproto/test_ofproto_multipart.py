"""Multipart messages."""

import pytest
from tests.ofproto.examples import EXAMPLES
from tests.ofproto.oracles import ovs_lines

from daoli.ofproto import (
    AggregateStatsReply,
    BarrierReply,
    DescReply,
    FlowStats,
    FlowStatsReply,
    FlowStatsRequest,
    Match,
    Message,
    MultipartFlags,
    MultipartType,
    Port,
    PortDescReply,
    PortNo,
    PortStats,
    PortStatsReply,
    PortStatsRequest,
    TableStats,
    TableStatsReply,
    UnknownMultipartReply,
    UnknownMultipartRequest,
    decode,
)
from daoli.ofproto.multipart import multipart_request

BYTES: dict[Message, str] = {
    PortStatsRequest(5): "04120018 00000000 0004 0000 00000000 00000005 00000000",
    FlowStatsRequest(1, 2, 3, 4, 5, Match()): (
        "04120038 00000000 0001 0000 00000000 01 000000 00000002 00000003 00000000 0000000000000004 0000000000000005"
        "00010004 00000000"
    ),
    FlowStatsReply((FlowStats(1, 2, 3, 4, 5, 6, 7, 8, 9, 10),), flags=1): (
        "04130048 00000000 0001 0001 00000000 0038 01 00 00000002 00000003 0004 0005 0006 0007 00000000"
        "0000000000000008 0000000000000009 000000000000000a 00010004 00000000"
    ),
    AggregateStatsReply(1, 2, 3): (
        "04130028 00000000 0002 0000 00000000 0000000000000001 0000000000000002 00000003 00000000"
    ),
    UnknownMultipartRequest(99, flags=1): "04120010 00000000 0063 0001 00000000",
    UnknownMultipartReply(0x1234, b"exp!"): "04130014 00000000 1234 0000 00000000 65787021",
}


@pytest.mark.parametrize("message", BYTES, ids=lambda message: type(message).__name__)
def test_bytes(message: Message) -> None:
    """Each message is laid out as in 7.3.5."""
    data = bytes.fromhex(BYTES[message])
    assert message.encode() == data
    assert decode(data) == message


def test_sizes() -> None:
    """A description has 1056 bytes of strings, a port 64 bytes."""
    assert len(DescReply().encode()) == 16 + 1056
    assert len(PortDescReply((Port(1),)).encode()) == 16 + 64


def test_more() -> None:
    """The flag MORE goes both ways."""
    reply = decode(TableStatsReply(flags=MultipartFlags.MORE).encode())
    assert isinstance(reply, TableStatsReply)
    assert reply.flags & MultipartFlags.MORE


def test_text() -> None:
    """Lists are shown a line each, messages with what they are about."""
    flow = FlowStats(match=Match(in_port=3), cookie=1)
    assert str(FlowStatsReply((flow, flow))) == (
        "MULTIPART_REPLY FLOW (xid=0x0):\n"
        "  cookie=0x1, duration=0s, table=0, n_packets=0, n_bytes=0, in_port=3 actions=drop\n"
        "  cookie=0x1, duration=0s, table=0, n_packets=0, n_bytes=0, in_port=3 actions=drop"
    )
    assert str(PortDescReply((Port(1, name="eth0"),))) == (
        "MULTIPART_REPLY PORT_DESC (xid=0x0):\n  1(eth0): addr:00:00:00:00:00:00\n    config:     0\n"
        "    state:      0\n    speed: 0 Mbps now, 0 Mbps max"
    )
    assert str(FlowStatsRequest(cookie=0xDA)) == "MULTIPART_REQUEST FLOW (xid=0x0): cookie=0xda/0x0"
    assert str(PortStatsRequest()) == "MULTIPART_REQUEST PORT_STATS (xid=0x0): port_no=ANY"
    assert str(PortStatsRequest(flags=1)) == "MULTIPART_REQUEST PORT_STATS (xid=0x0): flags=[more] port_no=ANY"
    assert str(UnknownMultipartRequest(99)).startswith("MULTIPART_REQUEST 99 (xid=0x0)")


@pytest.mark.ovs
@pytest.mark.parametrize(
    "message",
    [
        *(EXAMPLES[cls] for cls in (PortStatsReply, AggregateStatsReply, PortStatsRequest)),
        PortStatsReply((PortStats(PortNo.LOCAL, 2**64 - 1, duration_sec=7), PortStats(12, duration_sec=2**32 - 1))),
    ],
    ids=lambda message: type(message).__name__,
)
def test_ovs_prints_the_same(message: Message) -> None:
    """Open vSwitch prints the counters of ports and the sums of flows just as we do."""
    assert ovs_lines(message.encode()) == [line.strip() for line in message.detail().split("\n")]


def test_table_text() -> None:
    """A table's counters are a line, and a line stands for tables with the same ones."""
    same = tuple(TableStats(table, 2, 3, 4) for table in (1, 2, 3, 5, 6))
    assert str(TableStatsReply(same)) == (
        "MULTIPART_REPLY TABLE (xid=0x0):\n  table 1:\n    active=2, lookup=3, matched=4\n  tables 2...3: ditto\n"
        "  table 5:\n    active=2, lookup=3, matched=4\n  table 6: ditto"
    )


def test_type_is_declared_once() -> None:
    """Two classes for one type are refused when the second is declared."""
    with pytest.raises(TypeError, match="both PortStatsRequest and BarrierReply"):
        multipart_request(MultipartType.PORT_STATS, "7")(BarrierReply)  # type: ignore[type-var]
