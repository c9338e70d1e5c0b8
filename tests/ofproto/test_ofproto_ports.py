"""Ports, news of them, and changes to them."""

import pytest
from tests.ofproto.oracles import ovs_lines

from daoli.ofproto import Port, PortFeatures, PortMod, PortNo, PortStatus, decode
from daoli.ofproto.ports import features_text


def test_bytes() -> None:
    """A port_status is laid out as in 7.4.3, the port as in 7.2.1."""
    message = PortStatus(2, Port(5, b"\2\0\0\0\0\5", "eth0", 1, 4, 10, 11, 12, 13, 14, 15))
    data = bytes.fromhex(
        "040c0050 00000000 02 00000000000000 00000005 00000000 020000000005 0000 657468300000000000000000 00000000"
        "00000001 00000004 0000000a 0000000b 0000000c 0000000d 0000000e 0000000f"
    )
    assert message.encode() == data
    assert decode(data) == message


def test_name_survives() -> None:
    """A name that is no ASCII goes back as it came."""
    data = bytearray(PortStatus(0, Port(1)).encode())
    data[32:36] = b"\xc3\xa9\xff\n"
    message = decode(bytes(data))
    assert isinstance(message, PortStatus)
    assert message.port.name.encode("ascii", "surrogateescape") == b"\xc3\xa9\xff\n"
    assert message.encode() == bytes(data)


def test_text() -> None:
    """A port is shown by number and name; a name that would break the line is quoted."""
    port = Port(5, b"\2\0\0\0\0\5", "eth0", config=1, state=4)
    assert str(PortStatus(0, port)) == (
        "PORT_STATUS (xid=0x0): ADD: 5(eth0): addr:02:00:00:00:00:05\n    config:     PORT_DOWN\n"
        "    state:      LIVE\n    speed: 0 Mbps now, 0 Mbps max"
    )
    assert str(Port(PortNo.LOCAL, name="br\n\udcff")).startswith(r"LOCAL('br\n\udcff'): addr:")
    assert str(PortStatus(9, port)).startswith("PORT_STATUS (xid=0x0): 9: 5(eth0)")


def test_port_mod() -> None:
    """A port_mod is laid out as in 7.3.4.3."""
    message = PortMod(1, b"\2\0\0\0\0\5", 2, 3, 4)
    data = bytes.fromhex("04100028 00000000 00000001 00000000 020000000005 0000 00000002 00000003 00000004 00000000")
    assert message.encode() == data
    assert decode(data) == message


def test_features() -> None:
    """What a port can do is named bit by bit."""
    assert features_text(PortFeatures.FD_10GB | PortFeatures.COPPER | 1 << 20) == "10GB-FD COPPER 0x100000"
    assert features_text(0) == "0"


@pytest.mark.ovs
@pytest.mark.parametrize(
    "message",
    [
        PortMod(1, b"\2\0\0\0\0\5", 1, 0x65, 0x7FF),
        PortMod(PortNo.LOCAL, mask=1),
        PortMod(7, config=0x20, mask=0x24, advertise=0xF800),
    ],
)
def test_ovs_prints_the_same(message: PortMod) -> None:
    """Open vSwitch prints a port_mod just as we do."""
    assert ovs_lines(message.encode()) == [line.strip() for line in message.detail().split("\n")]
