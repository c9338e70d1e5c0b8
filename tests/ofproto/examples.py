"""One message of each class, with values that can be told apart, for the oracles to print."""

from daoli.ofproto import (
    FIELDS,
    AggregateStatsReply,
    AggregateStatsRequest,
    ApplyActions,
    BarrierReply,
    BarrierRequest,
    Conjunction,
    DecNwTtl,
    DescReply,
    DescRequest,
    EchoReply,
    EchoRequest,
    Error,
    FeaturesReply,
    FeaturesRequest,
    FlowMod,
    FlowRemoved,
    FlowStats,
    FlowStatsReply,
    FlowStatsRequest,
    GetAsyncReply,
    GetAsyncRequest,
    GetConfigReply,
    GetConfigRequest,
    GotoTable,
    Hello,
    Match,
    Message,
    Output,
    PacketIn,
    PacketOut,
    Port,
    PortDescReply,
    PortDescRequest,
    PortNo,
    PortStats,
    PortStatsReply,
    PortStatsRequest,
    PortStatus,
    RegLoad,
    RegMove,
    RoleReply,
    RoleRequest,
    SetAsync,
    SetConfig,
    SetField,
    TableStats,
    TableStatsReply,
    TableStatsRequest,
    UnknownExperimenter,
    UnknownExperimenterReply,
    UnknownExperimenterRequest,
    UnknownMessage,
    UnknownMultipartReply,
    UnknownMultipartRequest,
)

ROUTER = "02:da:01:1e:00:01"

FRAME = bytes.fromhex(
    "020000000002 020000000001 0800 4500002400010000401166c70a01000a0a01000b 04d2000900100000 6461000000000000"
)
"""A UDP packet from 10.1.0.10 port 1234 to port 9 of 10.1.0.11."""

PAIR = Match(in_port=3, eth_type=0x0800, eth_src="02:00:00:00:00:01", ipv4_src="10.1.0.10", ipv4_dst="10.1.0.20")
ROUTED = (ApplyActions((DecNwTtl(), SetField.of(eth_src=ROUTER), SetField.of(eth_dst="02:00:00:00:00:02"), Output(7))),)


def _header(name: str) -> int:
    return FIELDS[name].header


ARP_RESPONDER = ApplyActions(
    (
        RegMove(48, 0, 0, _header("nxm_of_eth_src"), _header("nxm_of_eth_dst")),
        SetField.of(eth_src=ROUTER),
        RegLoad(15, _header("nxm_of_arp_op"), 2),
        RegMove(48, 0, 0, _header("nxm_nx_arp_sha"), _header("nxm_nx_arp_tha")),
        SetField.of(arp_sha=ROUTER),
        Output(PortNo.IN_PORT),
    )
)

PORT = Port(
    port_no=5,
    hw_addr=bytes.fromhex("020000000005"),
    name="dl0123456789ab",
    config=1,
    state=4,
    curr=0x840,
    advertised=0x40,
    supported=0x40,
    peer=0x20,
    curr_speed=10_000_000,
    max_speed=40_000_000,
)

EXAMPLES: dict[type[Message], Message] = {
    type(message): message
    for message in (
        Hello.of({1, 4}, xid=1),
        Error(type=4, code=9, data=FlowMod().encode(), xid=2),
        EchoRequest(b"\1\2\3", xid=3),
        EchoReply(b"\1\2\3", xid=4),
        FeaturesRequest(xid=5),
        FeaturesReply(0xDA0C0FFEE, n_buffers=256, n_tables=254, auxiliary_id=1, capabilities=0x4F, xid=6),
        GetConfigRequest(xid=7),
        GetConfigReply(flags=1, miss_send_len=128, xid=8),
        SetConfig(flags=0, miss_send_len=0xFFFF, xid=9),
        PacketIn(total_len=len(FRAME), reason=1, table_id=2, cookie=0xDA01, match=Match(in_port=3), data=FRAME, xid=10),
        FlowRemoved(
            cookie=0xDA01,
            priority=100,
            reason=0,
            table_id=1,
            duration_sec=42,
            duration_nsec=500_000_000,
            idle_timeout=30,
            hard_timeout=600,
            packet_count=17,
            byte_count=1900,
            match=PAIR,
            xid=11,
        ),
        PortStatus(reason=2, port=PORT, xid=12),
        PacketOut(in_port=PortNo.CONTROLLER, actions=(DecNwTtl(), Output(9)), data=FRAME, xid=13),
        FlowMod(
            cookie=0xDA01,
            table_id=1,
            idle_timeout=30,
            hard_timeout=600,
            priority=100,
            flags=1,
            match=PAIR,
            instructions=(*ROUTED, GotoTable(4)),
            xid=14,
        ),
        DescRequest(xid=15),
        DescReply("Nobody", "a bench", "daoli", "S/N 1", "the switch", xid=16),
        FlowStatsRequest(table_id=3, out_port=7, cookie=0xDA00, cookie_mask=0xFF00, match=PAIR, xid=17),
        FlowStatsReply(
            (
                FlowStats(
                    table_id=1,
                    duration_sec=42,
                    priority=100,
                    idle_timeout=30,
                    hard_timeout=600,
                    flags=1,
                    cookie=0xDA01,
                    packet_count=17,
                    byte_count=1900,
                    match=PAIR,
                    instructions=ROUTED,
                ),
                FlowStats(match=Match(eth_type=0x0806, arp_op=1), instructions=(ARP_RESPONDER,)),
                FlowStats(match=Match(reg0=5), instructions=(ApplyActions((Conjunction(1, 2, 1234),)),)),
            ),
            xid=18,
        ),
        AggregateStatsRequest(table_id=3, out_port=7, cookie=0xDA00, cookie_mask=0xFF00, match=PAIR, xid=19),
        AggregateStatsReply(packet_count=17, byte_count=1900, flow_count=3, xid=20),
        TableStatsRequest(xid=21),
        TableStatsReply((TableStats(1, 2, 345, 67), TableStats(2, 8, 910, 11)), xid=22),
        PortStatsRequest(port_no=5, xid=23),
        PortStatsReply(
            (PortStats(5, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 42, 5_000_000),), xid=24
        ),
        PortDescRequest(xid=25),
        PortDescReply((PORT,), xid=26),
        BarrierRequest(xid=27),
        BarrierReply(xid=28),
        RoleRequest(role=2, generation_id=77, xid=29),
        RoleReply(role=3, generation_id=78, xid=30),
        GetAsyncRequest(xid=31),
        GetAsyncReply((7, 0), (7, 7), (1, 0), xid=32),
        SetAsync((7, 0), (7, 7), (1, 0), xid=33),
        UnknownMessage(29, bytes.fromhex("0002000100000001"), xid=34),
        UnknownMultipartRequest(8, xid=35),
        UnknownMultipartReply(8, bytes(40), xid=36),
        UnknownExperimenter(0xDA011E, 77, b"data", xid=37),
        UnknownExperimenterRequest(0xDA011E, 78, b"data", xid=38),
        UnknownExperimenterReply(0xDA011E, 79, xid=39),
    )
}
