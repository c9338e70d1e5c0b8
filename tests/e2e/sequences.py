"""What the emulated switch and Open vSwitch are both asked: groups, meters, bundles, roles, corners of flow_mods."""

from __future__ import annotations

from collections.abc import Sequence

from tests.e2e.parity import Step
from tests.routing.frames import ipv4

from daoli.ofproto import (
    AggregateStatsRequest,
    ApplyActions,
    Bucket,
    BundleAdd,
    BundleControl,
    BundleControlType,
    Bundled,
    ControllerRole,
    DecNwTtl,
    DropBand,
    ExperimenterBand,
    FlowMod,
    FlowModCommand,
    FlowModFlags,
    FlowStatsRequest,
    GetAsyncRequest,
    GetConfigRequest,
    GotoTable,
    Group,
    GroupDescRequest,
    GroupMod,
    GroupModCommand,
    GroupNo,
    GroupStatsRequest,
    GroupType,
    Match,
    Message,
    MessageType,
    Meter,
    MeterConfigRequest,
    MeterFlags,
    MeterMod,
    MeterModCommand,
    MeterNo,
    MeterStatsRequest,
    Output,
    Oxm,
    PacketOut,
    Port,
    PortConfig,
    PortMod,
    PortNo,
    PortStatsRequest,
    QueueGetConfigRequest,
    QueueStatsRequest,
    RoleRequest,
    SetAsync,
    SetConfig,
    SetField,
    SetQueue,
    TableFeatures,
    TableFeaturesRequest,
    TableMod,
    UnknownAction,
    UnknownExperimenter,
    UnknownInstruction,
    UnknownMessage,
    UnknownMultipartRequest,
    WriteActions,
    WriteMetadata,
)

FRAME = ipv4(bytes(5) + b"\1", bytes(5) + b"\2", bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]))
TO_1, PUNT = Output(1), Output(PortNo.CONTROLLER)
IPV4 = Match(eth_type=0x0800)
ADD, MODIFY, DELETE = GroupModCommand.ADD, GroupModCommand.MODIFY, GroupModCommand.DELETE
KB, PACKETS = MeterFlags.KBPS, MeterFlags.PKTPS
FIELD = 47
"""Where the length of a flow_mod's first match field is, in its body; it has one byte, others two."""
FULL = 3
"""Flags of a bundle: atomic and ordered."""


def flow(*actions: object, **more: object) -> FlowMod:
    """A flow that applies actions."""
    return FlowMod(instructions=(ApplyActions(actions),), **more)  # type: ignore[arg-type]


def group(number: int = 1, kind: int = GroupType.ALL, command: int = ADD, *buckets: Bucket) -> GroupMod:
    """A group_mod."""
    return GroupMod(command, kind, number, buckets)


def to(*actions: object, **more: int) -> Bucket:
    """A bucket."""
    return Bucket(actions=actions or (TO_1,), **more)  # type: ignore[arg-type]


def meter(number: int = 1, command: int = MeterModCommand.ADD, flags: int = PACKETS, *bands: object) -> MeterMod:
    """A meter_mod."""
    return MeterMod(command, flags, number, bands or (DropBand(10),))  # type: ignore[arg-type]


def control(kind: int, number: int = 1, flags: int = FULL) -> BundleControl:
    """A step of a bundle."""
    return BundleControl(number, kind, flags)


OPEN, CLOSE, COMMIT, DISCARD = (
    control(kind)
    for kind in (
        BundleControlType.OPEN_REQUEST,
        BundleControlType.CLOSE_REQUEST,
        BundleControlType.COMMIT_REQUEST,
        BundleControlType.DISCARD_REQUEST,
    )
)
FLOWS, GROUPS, METERS = FlowStatsRequest(), GroupDescRequest(), MeterConfigRequest()


def added(message: Message, flags: int = FULL, number: int = 1) -> BundleAdd:
    """Put a message into a bundle."""
    return BundleAdd(number, flags, Bundled(message))


def port_mod(port: Port, **more: int | bytes) -> PortMod:
    """A port_mod."""
    return PortMod(**{"port_no": port.port_no, "hw_addr": port.hw_addr, **more})  # type: ignore[arg-type]


def damaged(at: int, length: int) -> UnknownMessage:
    """A flow_mod with another length in it, at byte `at` of its body."""
    body = bytearray(flow(TO_1, match=IPV4).encode()[8:])
    body[at + 1 if at != FIELD else at] = length
    return UnknownMessage(MessageType.FLOW_MOD, bytes(body))


TEARDOWN = (
    SetAsync((3, 0), (7, 7), (15, 0)),
    FlowMod(command=FlowModCommand.DELETE, table_id=0xFF),
    group(GroupNo.ALL, command=DELETE),
    meter(MeterNo.ALL, MeterModCommand.DELETE),
    SetConfig(0, 0xFFFF),
)
"""What leaves a switch empty."""

SEQUENCES: dict[str, Sequence[Message | Step]] = {
    # groups
    "group of all": [group(1, 0, ADD, to(), to(PUNT)), GROUPS, GroupStatsRequest(1)],
    "group of select": [group(1, 1, ADD, to(weight=1), to(PUNT, weight=3)), GROUPS],
    "group of select with weight 0": [group(1, 1, ADD, to(), to(PUNT)), GROUPS],
    "group that is indirect": [group(1, 2, ADD, to()), GROUPS],
    "group with fast failover": [group(1, 3, ADD, to(watch_port=1), to(watch_port=7)), GROUPS],
    "group without buckets": [group(1, 0, ADD), GROUPS],
    "indirect with two buckets": [group(1, 2, ADD, to(), to()), GROUPS],
    "indirect without buckets": [group(1, 2, ADD)],
    "group of unknown type": [group(1, 9, ADD, to())],
    "group_mod of unknown command": [group(1, 0, 7, to())],
    "weight where there is none": [group(1, 0, ADD, to(weight=2))],
    "watching in a group of all": [group(1, 0, ADD, to(watch_port=1))],
    "watching nothing in failover": [group(1, 3, ADD, to())],
    "group with a reserved number": [group(GroupNo.MAX + 1, 0, ADD, to())],
    "group 0xffffff00": [group(GroupNo.MAX, 0, ADD, to()), GROUPS],
    "group twice": [group(1, 0, ADD, to()), group(1, 0, ADD, to(PUNT)), GROUPS],
    "modify a group": [group(1, 0, ADD, to()), group(1, 1, MODIFY, to(PUNT, weight=1)), GROUPS],
    "modify no group": [group(1, 0, MODIFY, to())],
    "delete no group": [group(1, 0, DELETE)],
    "delete all groups": [group(1, 0, ADD, to()), group(2, 0, ADD, to()), group(GroupNo.ALL, 0, DELETE), GROUPS],
    "add or modify": [group(1, 0, 0x8000, to()), group(1, 0, 0x8000, to(PUNT)), GROUPS],
    "bad port in a bucket": [group(1, 0, ADD, to(Output(PortNo.ANY)))],
    "bad action in a bucket": [group(1, 0, ADD, to(UnknownAction(99, bytes(4))))],
    "group and its flow go": [
        group(1, 0, ADD, to()),
        flow(Group(1), cookie=5, flags=FlowModFlags.SEND_FLOW_REM),
        flow(TO_1, match=IPV4),
        GroupStatsRequest(1),
        group(1, 0, DELETE),
        FLOWS,
    ],
    "flow to no group": [flow(Group(7))],
    "packet_out to no group": [PacketOut(actions=(Group(7),), in_port=PortNo.CONTROLLER, data=FRAME)],
    "statistics of no group": [GroupStatsRequest(9)],
    "group to a group": [group(1, 0, ADD, to()), group(2, 0, ADD, to(Group(1))), GROUPS, GroupStatsRequest(1)],
    "group to no group": [group(2, 0, ADD, to(Group(1)))],
    "group to itself": [group(1, 0, ADD, to()), group(1, 0, MODIFY, to(Group(1)))],
    "groups in a loop": [group(1, 0, ADD, to()), group(2, 0, ADD, to(Group(1))), group(1, 0, MODIFY, to(Group(2)))],
    "delete a chained group": [group(1, 0, ADD, to()), group(2, 0, ADD, to(Group(1))), group(1, 0, DELETE), GROUPS],
    "delete flows by group": [
        group(1, 0, ADD, to()),
        flow(Group(1), cookie=1, match=Match(in_port=1)),
        flow(TO_1, cookie=2, match=IPV4),
        FlowMod(command=FlowModCommand.DELETE, out_group=1),
        FLOWS,
    ],
    "packet through a group": [
        group(1, 0, ADD, to(SetField.of(eth_src="02:00:00:00:00:99"), PUNT), to(PUNT)),
        PacketOut(actions=(Group(1), PUNT), in_port=PortNo.LOCAL, data=FRAME),
        GroupStatsRequest(1),
    ],
    # meters
    "meter": [meter(), METERS, MeterStatsRequest(1)],
    "meter in kilobits": [meter(1, 0, KB | MeterFlags.BURST, DropBand(100, 20)), METERS],
    "meter twice": [meter(), meter()],
    "modify a meter": [meter(), meter(1, 1, KB, DropBand(7)), METERS],
    "modify no meter": [meter(1, 1)],
    "delete no meter": [meter(1, 2)],
    "delete all meters": [meter(1), meter(2), meter(MeterNo.ALL, 2), METERS],
    "meter 0": [meter(0)],
    "meter with a reserved number": [meter(MeterNo.MAX + 1)],
    "meter for the controller": [meter(MeterNo.CONTROLLER)],
    "meter_mod of unknown command": [meter(1, 9)],
    "meter in both units": [meter(1, 0, KB | PACKETS)],
    "meter in no unit": [meter(1, 0, 0)],
    "meter with unknown flags": [meter(1, 0, 0x40 | KB)],
    "meter of an experimenter": [meter(1, 0, KB, ExperimenterBand(1))],
    "meter with rate 0": [meter(1, 0, KB, DropBand(0))],
    "configuration of no meter": [MeterConfigRequest(5)],
    "statistics of no meter": [MeterStatsRequest(5)],
    "flow with no meter": [FlowMod(instructions=(Meter(5), ApplyActions((TO_1,))))],
    "meter and its flow go": [
        meter(),
        FlowMod(instructions=(Meter(1), ApplyActions((TO_1,))), flags=FlowModFlags.SEND_FLOW_REM),
        FLOWS,
        MeterStatsRequest(1),
        meter(1, 2),
        FLOWS,
    ],
    # bundles
    "bundle": [OPEN, added(flow(TO_1, cookie=1)), CLOSE, COMMIT, FLOWS],
    "bundle that is not closed": [OPEN, added(flow(TO_1, cookie=1)), COMMIT, FLOWS],
    "bundle that is not opened": [added(flow(TO_1, cookie=1)), COMMIT, FLOWS],
    "bundle discarded": [OPEN, added(flow(TO_1)), DISCARD, FLOWS, COMMIT],
    "bundle opened twice": [OPEN, OPEN, DISCARD],
    "bundle closed twice": [OPEN, CLOSE, CLOSE, COMMIT],
    "add to a closed bundle": [OPEN, CLOSE, added(flow(TO_1)), COMMIT],
    "close no bundle": [CLOSE],
    "commit no bundle": [COMMIT],
    "discard no bundle": [DISCARD],
    "bundle with other flags later": [OPEN, added(flow(TO_1), 1), COMMIT],
    "commit with other flags": [OPEN, control(4, 1, 1), COMMIT],
    "bundle step of unknown type": [control(77)],
    "bundle with unknown flags": [control(0, 1, 0x10), DISCARD],
    "request in a bundle": [OPEN, added(GetConfigRequest()), DISCARD],
    "bad flow in a bundle": [OPEN, added(flow(Output(PortNo.ANY))), COMMIT, FLOWS],
    "bundle rolled back": [
        flow(TO_1, cookie=9),
        OPEN,
        added(FlowMod(command=FlowModCommand.DELETE)),
        added(flow(TO_1, cookie=1, match=Match(in_port=1))),
        added(FlowMod(flags=FlowModFlags.CHECK_OVERLAP)),
        CLOSE,
        COMMIT,
        FLOWS,
    ],
    "group in a bundle": [OPEN, added(group(1, 0, ADD, to())), added(flow(Group(1))), COMMIT, GROUPS, FLOWS],
    "meter in a bundle": [OPEN, added(meter()), COMMIT, METERS],
    "group in a bundle rolled back": [
        OPEN,
        added(group(1, 0, ADD, to())),
        added(group(1, 0, ADD, to())),
        COMMIT,
        GROUPS,
    ],
    # roles: generations only grow, so that the order of these matters
    "role as it is": [RoleRequest(ControllerRole.NOCHANGE)],
    "master and slave": [
        RoleRequest(ControllerRole.MASTER, 10),
        Step(RoleRequest(ControllerRole.SLAVE, 10), 1),
        Step(flow(TO_1), 1),
        Step(group(1, 0, ADD, to()), 1),
        Step(meter(), 1),
        Step(PacketOut(actions=(TO_1,), data=FRAME), 1),
        Step(OPEN, 1),
        Step(added(flow(TO_1)), 1),
        Step(TableMod(0), 1),
        Step(PortMod(1), 1),
        Step(FLOWS, 1),
        Step(SetConfig(0, 100), 1),
        Step(GetConfigRequest(), 1),
        Step(GetAsyncRequest(), 1),
        Step(RoleRequest(ControllerRole.EQUAL), 1),
    ],
    "a new master": [
        RoleRequest(ControllerRole.MASTER, 20),
        Step(RoleRequest(ControllerRole.MASTER, 21), 1),
        RoleRequest(ControllerRole.NOCHANGE),
        flow(TO_1),
        RoleRequest(ControllerRole.MASTER, 20),
        RoleRequest(ControllerRole.SLAVE, 20),
        RoleRequest(ControllerRole.EQUAL, 0),
        Step(RoleRequest(ControllerRole.EQUAL), 1),
    ],
    "unknown role": [RoleRequest(9, 30)],
    "slave is told what it asks for": [
        Step(RoleRequest(ControllerRole.SLAVE, 40), 1),
        Step(SetAsync((1, 3), (7, 7), (15, 15)), 1),
        flow(TO_1, flags=FlowModFlags.SEND_FLOW_REM),
        PacketOut(actions=(PUNT,), in_port=PortNo.LOCAL, data=FRAME),
        FlowMod(command=FlowModCommand.DELETE),
        Step(RoleRequest(ControllerRole.EQUAL), 1),
    ],
    "nothing is told": [
        SetAsync((0, 0), (0, 0), (0, 0)),
        PacketOut(actions=(PUNT,), in_port=PortNo.LOCAL, data=FRAME),
        GetAsyncRequest(),
    ],
    # flow_mods
    "overlap": [flow(TO_1, match=Match(in_port=1)), flow(PUNT, match=IPV4, flags=FlowModFlags.CHECK_OVERLAP), FLOWS],
    "overlap of the same flow": [flow(TO_1), flow(PUNT, flags=FlowModFlags.CHECK_OVERLAP), FLOWS],
    "no overlap at another priority": [flow(TO_1), flow(PUNT, priority=5, flags=FlowModFlags.CHECK_OVERLAP), FLOWS],
    "unknown flags": [flow(TO_1, flags=0x80)],
    "unknown command": [FlowMod(command=9)],
    "table that is not there": [FlowMod(table_id=254)],
    "add to all tables": [FlowMod(table_id=255)],
    "modify in all tables": [flow(TO_1), flow(PUNT, table_id=255, command=FlowModCommand.MODIFY), FLOWS],
    "modify nothing": [flow(TO_1, command=FlowModCommand.MODIFY), FLOWS],
    "modify keeps the cookie": [flow(TO_1, cookie=1), flow(PUNT, cookie=2, command=FlowModCommand.MODIFY), FLOWS],
    "modify strictly another": [flow(TO_1), flow(PUNT, priority=1, command=FlowModCommand.MODIFY_STRICT), FLOWS],
    "delete by cookie": [
        flow(TO_1, cookie=0x11, match=Match(in_port=1)),
        flow(TO_1, cookie=0x21, match=Match(in_port=2)),
        FlowMod(command=FlowModCommand.DELETE, cookie=0x10, cookie_mask=0xF0),
        FLOWS,
    ],
    "delete by port": [
        flow(TO_1, match=Match(in_port=1)),
        flow(Output(2), match=Match(in_port=2)),
        FlowMod(command=FlowModCommand.DELETE, out_port=2),
        FLOWS,
    ],
    "delete strictly": [flow(TO_1, priority=3), FlowMod(command=FlowModCommand.DELETE_STRICT, priority=4), FLOWS],
    "delete tells": [flow(TO_1, cookie=3, flags=FlowModFlags.SEND_FLOW_REM), FlowMod(command=FlowModCommand.DELETE)],
    "replaced without a word": [flow(TO_1, cookie=3, flags=FlowModFlags.SEND_FLOW_REM), flow(PUNT, cookie=4), FLOWS],
    "flow_mod for a buffered packet": [flow(TO_1, buffer_id=5), FLOWS],
    "back to an earlier table": [FlowMod(table_id=3, instructions=(GotoTable(2),))],
    "on to no table": [FlowMod(instructions=(GotoTable(255),))],
    "unknown instruction": [FlowMod(instructions=(UnknownInstruction(77, bytes(4)),))],
    "experimenter's instruction": [FlowMod(instructions=(UnknownInstruction(0xFFFF, bytes(4)),))],
    "instruction twice": [FlowMod(instructions=(ApplyActions((TO_1,)), ApplyActions((PUNT,))))],
    "unknown action": [flow(UnknownAction(99, bytes(4)))],
    "experimenter's action": [flow(UnknownAction(0xFFFF, b"\x12\x34\x56\x78" + bytes(8)))],
    "output to port 0": [flow(Output(0))],
    "output to any": [flow(Output(PortNo.ANY))],
    "output to a port to come": [flow(Output(777)), FLOWS],
    "output to a reserved number": [flow(Output(0xFFFF_FF10))],
    "set a field that may be absent": [flow(SetField.of(ipv4_src="10.0.0.1"), TO_1)],
    "lower the TTL of anything": [flow(DecNwTtl(), TO_1)],
    "set a read-only field": [flow(SetField(Oxm.of("eth_type", 0x0800)))],
    "match without prerequisite": [FlowMod(match=Match.of([Oxm.of("ipv4_src", 1)]))],
    "match twice": [FlowMod(match=Match.of([*IPV4, *IPV4]))],
    "unknown field": [FlowMod(match=Match.of([Oxm(0x8000_F004, bytes(4))]))],
    "bits outside of a mask": [
        FlowMod(match=Match.of([*IPV4, Oxm(Oxm.of("ipv4_src", "10.0.0.0/8").header, b"\1" * 4 + bytes(4))]))
    ],
    "mask where none may be": [
        FlowMod(match=Match.of([Oxm(Oxm.of("in_port", 1).header & ~0xFF | 0x108, b"\0\0\0\1\0\0\xff\xff")]))
    ],
    "value too large": [FlowMod(match=Match.of([*IPV4, Oxm(Oxm.of("ip_dscp", 1).header, b"\xff")]))],
    "action that is too long": [damaged(-14, 24)],
    "action that is cut": [damaged(-14, 12)],
    "instruction that is too long": [damaged(-22, 32)],
    "instruction that is cut": [damaged(-22, 4)],
    "match that is too long": [damaged(42, 200)],
    "field that is too long": [damaged(FIELD, 9)],
    "written actions": [
        FlowMod(instructions=(WriteActions((SetQueue(3), TO_1)), WriteMetadata(1, 0xF), GotoTable(1))),
        FLOWS,
        AggregateStatsRequest(),
    ],
    "counters": [
        flow(PUNT),
        PacketOut(actions=(Output(PortNo.TABLE),), in_port=PortNo.LOCAL, data=FRAME),
        flow(PUNT, flags=FlowModFlags.RESET_COUNTS),
        AggregateStatsRequest(),
    ],
    # the rest
    "unknown message": [UnknownMessage(77, b"")],
    "reply from a controller": [UnknownMessage(6, bytes(24))],
    "unknown experimenter": [UnknownExperimenter(0x1234, 5)],
    "unknown multipart": [UnknownMultipartRequest(77)],
    "unknown port's counters": [PortStatsRequest(999)],
    "unknown port's queues": [QueueGetConfigRequest(999)],
    "no queues": [QueueGetConfigRequest(1)],
    "unknown port's queue": [QueueStatsRequest(999)],
    "unknown queue": [QueueStatsRequest(1, 5)],
    "all queues": [QueueStatsRequest()],
    "configuration": [SetConfig(1, 99), GetConfigRequest()],
    "configuration with unknown flags": [SetConfig(4, 99)],
    "reassembly": [SetConfig(2, 99), GetConfigRequest()],
    "change a table's features": [TableFeaturesRequest((TableFeatures(0),))],
    "table_mod": [TableMod(0)],
    "table_mod of no table": [TableMod(254)],
    "table_mod with a configuration": [TableMod(0, 1)],
    "packet_out of a buffer": [PacketOut(buffer_id=5, in_port=PortNo.CONTROLLER, actions=(TO_1,))],
    "packet_out of nothing": [PacketOut(in_port=PortNo.CONTROLLER, actions=(TO_1,))],
    "packet_out to a bad port": [PacketOut(in_port=PortNo.CONTROLLER, actions=(Output(PortNo.ANY),), data=FRAME)],
    "packet_out from a bad port": [PacketOut(in_port=PortNo.ANY, actions=(TO_1,), data=FRAME)],
    "port_mod of no port": [PortMod(999)],
    "port_mod with another address": [PortMod(1, bytes(6), mask=1)],
}
"""Messages by what they try; those without a `Step` come from the first of two controllers.

No flow with SEND_FLOW_REM is left behind: Open vSwitch may tell of its end as late as in the next sequence.
"""


def for_port(port: Port) -> dict[str, Sequence[Message | Step]]:
    """Give the sequences that need to know a port."""
    quiet = PortConfig.NO_PACKET_IN
    return {
        "port_mod": [port_mod(port, config=quiet, mask=quiet), port_mod(port, config=0, mask=quiet)],
        "port_mod that changes nothing": [port_mod(port, config=0, mask=quiet)],
        "port_mod with unknown bits": [port_mod(port, config=0x100, mask=0x100)],
    }
