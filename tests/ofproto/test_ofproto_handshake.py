"""Features, configuration, roles: the layouts that Open vSwitch does not print in full."""

import pytest

from daoli.ofproto import FeaturesReply, GetConfigReply, Message, RoleRequest, SetAsync, SetConfig, decode

BYTES: dict[Message, str] = {
    FeaturesReply(0xDA, 1, 2, 3, 4, 5): "04060020 00000000 00000000 000000da 00000001 02030000 00000004 00000005",
    SetConfig(0, 0xFFFF): "0409000c 00000000 0000ffff",
    GetConfigReply(1, 128): "0408000c 00000000 00010080",
    RoleRequest(2, 77): "04180018 00000000 00000002 00000000 00000000 0000004d",
    SetAsync((1, 2), (3, 4), (5, 6)): "041c0020 00000000 00000001 00000002 00000003 00000004 00000005 00000006",
}


@pytest.mark.parametrize("message", BYTES, ids=lambda message: type(message).__name__)
def test_bytes(message: Message) -> None:
    """Each message is laid out as in 7.3; masks are of master or equal first, of slave second."""
    assert message.encode().hex(" ", 4) == BYTES[message]
    assert decode(bytes.fromhex(BYTES[message])) == message


def test_text() -> None:
    """Identity is shown in hex, capabilities by name."""
    text = str(FeaturesReply(0xDA, n_tables=254, capabilities=0x4F))
    assert text.startswith("FEATURES_REPLY (xid=0x0): dpid:00000000000000da\n  n_tables:254, n_buffers:0\n")
    assert text.endswith("capabilities: FLOW_STATS TABLE_STATS PORT_STATS GROUP_STATS QUEUE_STATS")
