"""What becomes of packets: each action and instruction, and the same as a simulator made apart from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.routing import simulator
from tests.routing.frames import arp, ipv4

from daoli.datapath.emulated import FlowTables, Packet, Pipeline, Punted, Sent
from daoli.datapath.emulated.groups import Groups
from daoli.datapath.emulated.meters import Meters
from daoli.datapath.emulated.ports import Ports
from daoli.datapath.emulated.state import Change, State
from daoli.ofproto import (
    Action,
    ApplyActions,
    Bucket,
    ClearActions,
    DecNwTtl,
    DropBand,
    FlowMod,
    GotoTable,
    GroupMod,
    GroupType,
    Instruction,
    MaskedValue,
    Match,
    Meter,
    MeterFlags,
    MeterMod,
    Output,
    PacketInReason,
    PopVlan,
    PortNo,
    PushVlan,
    Queue,
    SetField,
    SetNwTtl,
    SetQueue,
    WriteActions,
    WriteMetadata,
)
from daoli.ofproto import Group as GroupAction

MACS = [bytes.fromhex(f"02000000000{n}") for n in range(3)]
IPS = [bytes([10, 0, n, 1]) for n in range(3)]
FRAME = ipv4(MACS[0], MACS[1], IPS[0], IPS[1])


def pipeline(*mods: Change) -> Pipeline:
    """Ports 1 to 3, and flows, groups and meters."""
    parts = FlowTables(4, 100), Ports((1, 2, 3)), Groups(100, 100), Meters(100, 100)
    state = State(*parts)
    for mod in mods:
        state.change(mod, 0.0)
    return Pipeline(*parts)


def flow(*actions: Action) -> FlowMod:
    """A flow that applies actions to all IPv4."""
    return FlowMod(match=Match(eth_type=0x0800), instructions=(ApplyActions(actions),))


def let_in(mods: list[FlowMod], frame: bytes = FRAME, port: int = 1) -> list[Sent | Punted]:
    """What comes of a frame that comes in."""
    return pipeline(*mods).receive(Packet(frame, port), 0.0)


@pytest.mark.parametrize(
    ("port", "ports"),
    [
        (2, [2]),
        (9, []),
        (1, []),
        (PortNo.IN_PORT, [1]),
        (PortNo.FLOOD, [2, 3]),
        (PortNo.ALL, [2, 3]),
        (PortNo.LOCAL, []),
    ],
)
def test_output(port: int, ports: list[int]) -> None:
    """A packet leaves by the ports that its output names, back where it came from only by IN_PORT."""
    assert let_in([flow(Output(port))]) == [Sent(number, FRAME) for number in ports]


def test_no_flow() -> None:
    """Without a flow that matches a packet is dropped, and what was written for it before is not done."""
    assert let_in([]) == []
    writing = FlowMod(instructions=(WriteActions((Output(2),)), GotoTable(1)))
    assert let_in([writing]) == []
    assert let_in([writing, FlowMod(table_id=1)]) == [Sent(2, FRAME)]


def test_controller() -> None:
    """A packet for the controller says which flow sent it, and whether that is the table miss (7.4.1)."""
    miss = FlowMod(priority=0, cookie=5, instructions=(ApplyActions((Output(PortNo.CONTROLLER),)),))
    for mod, reason in ((miss, PacketInReason.NO_MATCH), (flow(Output(PortNo.CONTROLLER)), PacketInReason.ACTION)):
        (punted,) = let_in([mod])
        assert isinstance(punted, Punted)
        assert (punted.frame, punted.in_port, punted.reason) == (FRAME, 1, reason)
        assert punted.entry is not None
        assert punted.entry.mod == mod


def test_actions_apply_in_order() -> None:
    """Each output sends what the actions before it have made."""
    changing = (SetField.of(eth_src=MACS[2]), SetNwTtl(9), PushVlan(0x8100), PopVlan())
    actions = [Output(2), *(action for change in changing for action in (change, Output(2)))]
    frames = [effect.frame for effect in let_in([flow(*actions)])]
    changed = frames[1]
    assert frames[0] == FRAME
    assert changed == FRAME[:6] + MACS[2] + FRAME[12:]
    assert (frames[2][22], frames[3]) == (9, frames[2][:12] + b"\x81\0\0\0" + frames[2][12:])
    assert frames[4] == frames[2]


def test_ttl() -> None:
    """A TTL that would become zero sends the packet to the controller as it is, and nothing more is done with it."""
    mods = [FlowMod(match=Match(eth_type=0x0800), instructions=(ApplyActions((DecNwTtl(), Output(2))), GotoTable(1)))]
    mods.append(FlowMod(table_id=1, instructions=(ApplyActions((Output(3),)),)))
    frame = ipv4(MACS[0], MACS[1], IPS[0], IPS[1], ttl=1)
    (punted,) = let_in(mods, frame)
    assert isinstance(punted, Punted)
    assert (punted.reason, punted.frame) == (PacketInReason.INVALID_TTL, frame)
    lowered = let_in(mods, ipv4(MACS[0], MACS[1], IPS[0], IPS[1], ttl=2))
    assert lowered == [Sent(port, frame) for port in (2, 3)]


def test_action_set() -> None:
    """The action set has one action of a type, for set_field one of a field; it is done last, as 5.10 orders."""
    first = (Output(3), SetField.of(eth_src=MACS[2]), SetField.of(eth_dst=MACS[2]), PushVlan(0x8100))
    mods = [
        FlowMod(instructions=(GotoTable(1), WriteActions(first), ApplyActions((Output(3),)))),
        FlowMod(table_id=1, instructions=(WriteActions((Output(2), SetField.of(eth_src=MACS[1]))),)),
    ]
    assert let_in(mods) == [Sent(3, FRAME), Sent(2, MACS[2] + MACS[1] + b"\x81\0\0\0" + FRAME[12:])]
    clearing = FlowMod(table_id=1, instructions=(WriteActions((Output(2),)), ClearActions()))
    assert let_in([mods[0], clearing])[1:] == [Sent(2, FRAME)]


def test_metadata() -> None:
    """What is written to the metadata, under a mask, is matched by the next table."""
    mods = [
        FlowMod(instructions=(WriteMetadata(0xAB), GotoTable(1))),
        FlowMod(table_id=1, instructions=(WriteMetadata(0x0C, 0x0F), GotoTable(2))),
        FlowMod(table_id=2, match=Match(metadata=0xAC), instructions=(ApplyActions((Output(2),)),)),
    ]
    assert let_in(mods) == [Sent(2, FRAME)]


def test_packet_out() -> None:
    """A packet_out does its actions without a flow, or with those of the tables (7.3.7)."""
    made = pipeline(flow(Output(3)))
    out = made.execute(
        Packet(FRAME, PortNo.CONTROLLER), (Output(PortNo.TABLE), Output(2), Output(PortNo.CONTROLLER)), 0.0
    )
    assert out[:2] == [Sent(3, FRAME), Sent(2, FRAME)]
    assert isinstance(out[2], Punted)
    assert out[2].entry is None


# -- two switches, one behaviour

Fields = dict[str, MaskedValue]
nothing: st.SearchStrategy[Fields] = st.just({})
ethernet: st.SearchStrategy[Fields] = st.fixed_dictionaries(
    {}, optional={"in_port": st.integers(1, 3), "eth_src": st.sampled_from(MACS)}
)
tags: st.SearchStrategy[Fields] = st.fixed_dictionaries({"vlan_vid": st.sampled_from([0, 0x1000, (0x1000, 0x1000)])})
arps: st.SearchStrategy[Fields] = st.fixed_dictionaries(
    {"eth_type": st.just(0x0806)}, optional={"arp_op": st.integers(1, 2)}
)
ips: st.SearchStrategy[Fields] = st.fixed_dictionaries(
    {"eth_type": st.just(0x0800)},
    optional={
        "ip_proto": st.sampled_from([1, 17]),
        "ipv4_src": st.sampled_from([*IPS, "10.0.0.0/16", "10.0.0.0/23"]),
        "ipv4_dst": st.sampled_from([*IPS, "10.0.2.0/24"]),
    },
)
matches = st.one_of(nothing, ethernet, tags, arps, ips).map(
    lambda fields: Match(**dict(sorted(fields.items(), key=lambda item: item[0] != "eth_type")))
)
outputs = st.builds(Output, st.sampled_from([1, 2, 3, 9, PortNo.IN_PORT, PortNo.CONTROLLER]))
rewrites = st.sampled_from(MACS).map(lambda mac: SetField.of(eth_src=mac))
bridged: st.SearchStrategy[list[Action]] = st.lists(st.one_of(outputs, rewrites), max_size=4)
routed: st.SearchStrategy[list[Action]] = st.lists(st.one_of(outputs, rewrites, st.just(DecNwTtl())), max_size=4)


@st.composite
def flows(draw: st.DrawFn) -> list[FlowMod]:
    """Flows of different priorities, a few of which lead on to later tables."""
    mods = []
    for priority in draw(st.lists(st.integers(0, 50), unique=True, max_size=8)):
        match, table_id = draw(matches), draw(st.integers(0, 2))
        actions = tuple(draw(routed if match.number("eth_type") == 0x0800 else bridged))
        parts: tuple[Instruction, ...] = (ApplyActions(actions),) if actions else ()
        if later := draw(st.sampled_from([None, *range(table_id + 1, 4)])):
            parts += (GotoTable(later),)
        mods.append(FlowMod(table_id=table_id, priority=priority, cookie=priority, match=match, instructions=parts))
    return mods


macs, addresses = st.sampled_from(MACS), st.sampled_from(IPS)
packets = st.one_of(
    st.builds(ipv4, macs, macs, addresses, addresses, ttl=st.integers(1, 3), proto=st.sampled_from([1, 6, 17])),
    st.builds(arp, st.integers(1, 2), macs, addresses, st.just(bytes(6)), addresses),
    st.builds(lambda head, rest: head + b"\x88\xb5" + rest, st.binary(min_size=12, max_size=12), st.binary(max_size=9)),
)
"""The simulator does not look behind tags, so there are none here."""


@given(mods=flows(), arriving=st.lists(st.tuples(st.integers(1, 3), packets), min_size=1, max_size=6))
def test_same_as_the_simulator(mods: list[FlowMod], arriving: list[tuple[int, bytes]]) -> None:
    """Whatever the flows and packets, what comes out is what the routing tests' simulator says."""
    ours = pipeline(*mods)
    theirs = simulator.SimulatedSwitch({1, 2, 3})
    theirs.write(b"".join(mod.encode() for mod in mods))
    for port, frame in arriving:
        said: list[object] = []
        for effect in ours.receive(Packet(frame, port), 0.0):
            if isinstance(effect, Sent):
                said.append(simulator.Sent(*effect))
                continue
            assert effect.entry is not None
            mod = effect.entry.mod
            said.append(simulator.Punted(effect.in_port, effect.reason, mod.table_id, mod.cookie, effect.frame))
        assert said == theirs.receive(port, frame)


# -- groups, meters, queues, ports


def group(group_id: int, *buckets: tuple[Action, ...], kind: int = GroupType.ALL) -> GroupMod:
    """A group whose buckets do such actions, and weigh the same if that is asked."""
    weight = int(kind == GroupType.SELECT)
    return GroupMod(type=kind, group_id=group_id, buckets=tuple(Bucket(weight, actions=actions) for actions in buckets))


def run(*changes: Change, frames: int = 1, now: float = 0.0) -> list[Sent | Punted]:
    """What comes of packets."""
    made = pipeline(*changes)
    return [effect for _ in range(frames) for effect in made.receive(Packet(FRAME, 1), now)]


def test_group_of_all() -> None:
    """Each bucket gets a copy and does its actions in the set's order; the packet goes on as it was (5.6.1)."""
    buckets = (Output(2), SetField.of(eth_src=MACS[2])), (Output(3),)
    changed = FRAME[:6] + MACS[2] + FRAME[12:]
    effects = run(group(1, *buckets), flow(GroupAction(1), Output(2)))
    assert effects == [Sent(2, changed), Sent(3, FRAME), Sent(2, FRAME)]


def test_chain_of_groups() -> None:
    """A group may lead to another, from an action set too, where it takes the output's place."""
    mods = (group(1, (Output(3),)), group(2, (GroupAction(1), Output(2))))
    written = FlowMod(instructions=(WriteActions((Output(2), GroupAction(2))),))
    assert run(*mods, written) == [Sent(3, FRAME)]


def test_ttl_in_a_bucket() -> None:
    """A TTL that ends in one bucket ends nothing else."""
    frame = ipv4(MACS[0], MACS[1], IPS[0], IPS[1], ttl=1)
    made = pipeline(group(1, (DecNwTtl(), Output(2)), (Output(3),)), flow(GroupAction(1), Output(2)))
    effects = made.receive(Packet(frame, 1), 0.0)
    assert [type(effect) for effect in effects] == [Punted, Sent, Sent]


def test_select_takes_one() -> None:
    """A group of select sends all packets of a conversation one way."""
    effects = run(group(1, (Output(2),), (Output(3),), kind=GroupType.SELECT), flow(GroupAction(1)), frames=5)
    assert len(effects) == 5
    assert len(set(effects)) == 1


def test_meter() -> None:
    """What is above a meter's rate goes no further, whatever the flow would do with it (5.7)."""
    metered = FlowMod(instructions=(ApplyActions((Output(2),)), GotoTable(1), Meter(1)))
    rate = MeterMod(flags=MeterFlags.PKTPS, bands=(DropBand(2),))
    assert run(rate, metered, frames=5) == [Sent(2, FRAME)] * 2


def test_queue() -> None:
    """A packet is counted at the queue that it is to leave by."""
    ports = Ports((1, 2), {2: (Queue(7),)})
    tables = FlowTables(1, 9)
    tables.change(flow(SetQueue(7), Output(2), SetQueue(8), Output(2)), 0.0)
    Pipeline(tables, ports, Groups(1, 1), Meters(1, 1)).receive(Packet(FRAME, 1), 0.0)
    assert [stats.tx_packets for stats in ports.queue_stats(2, 7, 0.0)] == [1]
    assert ports.entry(2).tx_packets == 2
