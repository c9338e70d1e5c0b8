"""Queues."""

import pytest
from tests.ofproto.examples import EXAMPLES
from tests.ofproto.oracles import ovs_lines

from daoli.ofproto import (
    DecodeError,
    MaxRate,
    Message,
    MinRate,
    PortNo,
    Queue,
    QueueExperimenter,
    QueueGetConfigReply,
    QueueGetConfigRequest,
    QueueStats,
    QueueStatsReply,
    QueueStatsRequest,
    UnknownQueueProperty,
    decode,
)

BYTES: dict[Message, str] = {
    QueueGetConfigRequest(1): "04160010 00000000 00000001 00000000",
    QueueGetConfigReply(1, (Queue(2, 3, (MinRate(4), MaxRate(5))), Queue(6))): (
        "04170050 00000000 00000001 00000000 00000002 00000003 0030 000000000000 0001 0010 00000000 0004 000000000000"
        "0002 0010 00000000 0005 000000000000 00000006 00000000 0010 000000000000"
    ),
    QueueGetConfigReply(1, (Queue(2, 3, (QueueExperimenter(4, b"odd"), UnknownQueueProperty(5, b"\1"))),)): (
        "04170038 00000000 00000001 00000000 00000002 00000003 0028 000000000000"
        "ffff 0013 00000000 00000004 00000000 6f6464 0005 0005 01"
    ),
    QueueStatsRequest(1): "04120018 00000000 0005 0000 00000000 00000001 ffffffff",
    QueueStatsReply((QueueStats(1, 2, 3, 4, 5, 6, 7),)): (
        "04130038 00000000 0005 0000 00000000 00000001 00000002 0000000000000003 0000000000000004 0000000000000005"
        "00000006 00000007"
    ),
}


@pytest.mark.parametrize("message", BYTES, ids=lambda message: type(message).__name__)
def test_bytes(message: Message) -> None:
    """Each message is laid out as in 7.3.6 and 7.3.5.8; a property has any length (7.2.2)."""
    data = bytes.fromhex(BYTES[message])
    assert message.encode() == data
    assert decode(data) == message


def test_property_length() -> None:
    """A property of a wrong length is refused."""
    data = bytearray(QueueGetConfigReply(1, (Queue(2, 3, (MinRate(4),)),)).encode())
    for length, reason in ((3, "a length of 3"), (15, "1 bytes left|cut short"), (17, "needs 13 bytes")):
        data[34:36] = length.to_bytes(2, "big")
        with pytest.raises(DecodeError, match=reason) as refusal:
            decode(bytes(data))
        assert refusal.value.clause == "7.2.2"


def test_text() -> None:
    """Rates are per mille, more than all is none; what is lacking is a question mark."""
    reply = QueueGetConfigReply(
        PortNo.ANY, (Queue(1, 2, (MinRate(55), MaxRate(0xFFFF), UnknownQueueProperty(9, b"\1"))),)
    )
    assert str(reply) == (
        "QUEUE_GET_CONFIG_REPLY (xid=0x0): port=ANY\n  queue 1: port=2 min_rate:5.5% max_rate:(disabled) property_9:01"
    )
    assert str(QueueExperimenter(0xDA, b"\1")) == "experimenter_0xda:01"
    assert str(QueueStats(1, 2, 2**64 - 1, 3, 4, 2**32 - 1)) == "port 1 queue 2: bytes=?, pkts=3, errors=4, duration=?"


@pytest.mark.ovs
@pytest.mark.parametrize("cls", [QueueStatsRequest, QueueStatsReply, QueueGetConfigRequest])
def test_ovs_prints_the_same(cls: type[Message]) -> None:
    """Open vSwitch prints queues' counters just as we do."""
    message = EXAMPLES[cls]
    assert ovs_lines(message.encode()) == [line.strip() for line in message.detail().strip().split("\n")]
