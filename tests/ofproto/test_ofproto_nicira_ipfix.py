"""What was sampled for IPFIX."""

import pytest
from tests.ofproto.examples import EXAMPLES
from tests.ofproto.oracles import ovs_lines

from daoli.ofproto import (
    IpfixBridgeReply,
    IpfixBridgeRequest,
    IpfixFlowReply,
    IpfixFlowRequest,
    IpfixStats,
    Message,
    decode,
)


@pytest.mark.parametrize(
    ("message", "data"),
    [
        (IpfixBridgeRequest(xid=2), "0412001800000002ffff0000000000000000232000000003"),
        (IpfixFlowRequest(xid=2), "0412001800000002ffff0000000000000000232000000004"),
    ],
)
def test_what_ovs_sends(message: Message, data: str) -> None:
    """The requests are those of dump-ipfix-bridge and dump-ipfix-flow."""
    assert message.encode() == bytes.fromhex(data)
    assert decode(bytes.fromhex(data)) == message


def test_text() -> None:
    """A counter that is lacking is a question mark."""
    assert str(IpfixFlowReply((IpfixStats(tx_errors=2**64 - 1, collector_set_id=7),))).endswith(
        ": 1 ids\n  id   7: flows=0, current flows=0, sampled pkts=0, ipv4 ok=0, ipv6 ok=0, tx pkts=0"
        "\n          pkts errs=0, ipv4 errs=0, ipv6 errs=0, tx errs=?"
    )


@pytest.mark.ovs
@pytest.mark.parametrize("cls", [IpfixBridgeReply, IpfixFlowReply])
def test_ovs_prints_the_same(cls: type[Message]) -> None:
    """Open vSwitch prints the counters just as we do."""
    message = EXAMPLES[cls]
    assert ovs_lines(message.encode()) == [line.strip() for line in message.detail().strip().split("\n")]
