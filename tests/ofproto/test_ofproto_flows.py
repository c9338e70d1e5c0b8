"""Flow_mods and flow_removeds."""

from daoli.ofproto import (
    ApplyActions,
    FlowMod,
    FlowModCommand,
    FlowRemoved,
    Match,
    Output,
    PortNo,
    decode,
)


def test_flow_mod_bytes() -> None:
    """A flow_mod is laid out as in 7.3.4.1."""
    message = FlowMod(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, Match(in_port=12), (ApplyActions((Output(13),)),))
    data = bytes.fromhex(
        "040e0058 00000000 0000000000000001 0000000000000002 03 04 0005 0006 0007 00000008 00000009 0000000a 000b 0000"
        "0001000c 80000004 0000000c 00000000 00040018 00000000 00000010 0000000d ffff 000000000000"
    )
    assert message.encode() == data
    assert decode(data) == message


def test_flow_removed_bytes() -> None:
    """A flow_removed is laid out as in 7.4.2."""
    message = FlowRemoved(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, Match())
    data = bytes.fromhex(
        "040b0038 00000000 0000000000000001 0002 03 04 00000005 00000006 0007 0008 0000000000000009 000000000000000a"
        "00010004 00000000"
    )
    assert message.encode() == data
    assert decode(data) == message


def test_defaults() -> None:
    """A flow_mod that says nothing adds a flow of the default priority for every packet."""
    assert str(FlowMod()) == "FLOW_MOD (xid=0x0): ADD actions=drop"


def test_flow_mod_text() -> None:
    """What restricts a delete is shown with the flow."""
    delete = FlowMod(
        cookie=0xDA01,
        cookie_mask=0xFFFF,
        command=FlowModCommand.DELETE,
        out_port=PortNo.LOCAL,
        out_group=3,
        buffer_id=7,
        match=Match(in_port=3),
        xid=2,
    )
    assert str(delete) == (
        "FLOW_MOD (xid=0x2): DEL in_port=3 cookie:0xda01/0xffff buf:0x7 out_port:LOCAL out_group:3 actions=drop"
    )
    assert "FLOW_MOD (xid=0x0): cmd:9 actions" in str(FlowMod(command=9))


def test_flow_removed_text() -> None:
    """A flow that ended is shown with why, and with what it did."""
    gone = FlowRemoved(1, 100, 0, 2, 42, 500_000_000, 30, 600, 17, 1900, Match(in_port=3))
    assert str(gone) == (
        "FLOW_REMOVED (xid=0x0): priority=100,in_port=3 reason=idle table_id=2 cookie:0x1 "
        "duration42.500s idle30 hard600 pkts17 bytes1900"
    )
    assert "reason=9 table_id=0 duration0s idle0 pkts0" in str(FlowRemoved(reason=9))
