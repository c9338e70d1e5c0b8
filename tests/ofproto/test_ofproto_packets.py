"""Packets in and out."""

from daoli.ofproto import DecNwTtl, Match, Output, PacketIn, PacketOut, PortNo, decode


def test_packet_in_bytes() -> None:
    """A packet_in has two bytes of padding between match and packet (7.4.1)."""
    message = PacketIn(total_len=3, reason=1, table_id=2, cookie=5, match=Match(in_port=3), data=b"abc")
    head = "040a002d 00000000 ffffffff 0003 01 02 0000000000000005 0001000c 80000004 00000003 00000000 0000"
    assert message.encode() == bytes.fromhex(head) + b"abc"
    assert decode(message.encode()) == message


def test_packet_out_bytes() -> None:
    """A packet_out counts the bytes of its actions, and the packet is what is left (7.3.7)."""
    message = PacketOut(in_port=PortNo.LOCAL, actions=(Output(1),), data=b"abc")
    head = "040d002b 00000000 ffffffff fffffffe 0010 000000000000 0000 0010 00000001 ffff 000000000000"
    assert message.encode() == bytes.fromhex(head) + b"abc"
    assert decode(message.encode()) == message


SHORT = "vlan_tci=0x0000,dl_src=00:00:00:00:00:00,dl_dst=00:00:00:00:00:00,dl_type=0x0000 data=616263"


def test_text() -> None:
    """Packets are shown with where they come from and go to."""
    assert (
        str(PacketIn(total_len=3, reason=2, cookie=5, match=Match(in_port=3, metadata=7), data=b"abc"))
        == "PACKET_IN (xid=0x0): cookie=0x5 total_len=3 metadata=0x7,in_port=3 (via invalid_ttl) data_len=3 "
        f"(unbuffered)\n  {SHORT}"
    )
    assert (
        str(PacketOut(actions=(DecNwTtl(), Output(PortNo.NORMAL)), data=b"abc"))
        == f"PACKET_OUT (xid=0x0): in_port=CONTROLLER actions=dec_ttl,NORMAL data_len=3\n  {SHORT}"
    )


def test_buffered() -> None:
    """Of a buffered packet the buffer is named, and a length that cannot be is marked."""
    assert "data_len=14 buffer=0x00000005 (***total_len < data_len***)" in str(PacketIn(5, 3, data=bytes(14)))
    assert "data_len=14 (unbuffered) (***total_len != data_len***)" in str(PacketIn(total_len=15, data=bytes(14)))
    assert str(PacketOut(7)) == "PACKET_OUT (xid=0x0): in_port=CONTROLLER actions=drop buffer=0x00000007"
