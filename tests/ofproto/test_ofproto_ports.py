"""Ports and news of them."""

from daoli.ofproto import Port, PortNo, PortStatus, decode


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
        "PORT_STATUS (xid=0x0): ADD 5(eth0) addr=02:00:00:00:00:05 config=0x1 state=0x4"
    )
    assert str(Port(PortNo.LOCAL, name="br\n\udcff")).startswith(r"LOCAL('br\n\udcff') addr=")
    assert str(PortStatus(9, port)).startswith("PORT_STATUS (xid=0x0): 9 5(eth0)")
