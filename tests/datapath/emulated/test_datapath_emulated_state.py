"""What is changed together: flows go with their groups and meters, and all can be put back."""

from __future__ import annotations

import pytest

from daoli.datapath.emulated import FlowTables, Refused
from daoli.datapath.emulated.groups import Groups
from daoli.datapath.emulated.meters import Meters
from daoli.datapath.emulated.ports import Ports
from daoli.datapath.emulated.state import Change, News, State
from daoli.datapath.emulated.table import Ended
from daoli.ofproto import (
    Action,
    ApplyActions,
    BadActionCode,
    BadRequestCode,
    Bucket,
    ErrorType,
    FlowMod,
    FlowModCommand,
    FlowRemovedReason,
    Group,
    GroupMod,
    GroupModCommand,
    Match,
    Meter,
    MeterMod,
    MeterModCommand,
    MeterModFailedCode,
    Output,
    PortConfig,
    PortMod,
    PortNo,
    PortStatus,
    TableMod,
    TableModFailedCode,
    WriteActions,
)


def flow(*actions: Action, meter: int | None = None, cookie: int = 0, in_port: int = 1) -> FlowMod:
    """A flow."""
    parts = (ApplyActions(actions),) if meter is None else (Meter(meter), WriteActions(actions))
    return FlowMod(cookie=cookie, match=Match(in_port=in_port), instructions=parts)


def group(*actions: Action, command: int = GroupModCommand.ADD, group_id: int = 1) -> GroupMod:
    """A group with one bucket."""
    return GroupMod(command, group_id=group_id, buckets=(Bucket(actions=actions),))


def made(*changes: Change) -> State:
    """A switch with port 1."""
    state = State(FlowTables(3, 9), Ports((1,)), Groups(9, 9), Meters(9, 9))
    for change in changes:
        assert state.change(change, 0.0) == []
    return state


def ended(news: list[News]) -> list[tuple[int, FlowRemovedReason]]:
    """The flows that are gone, by cookie, and why."""
    return [(end.entry.mod.cookie, end.reason) for end in news if isinstance(end, Ended)]


def test_flows_go_with_their_group_or_meter() -> None:
    """Who deletes a group or a meter deletes the flows that lead to it, and only those (6.5, 6.7)."""
    both = (group(Output(1)), MeterMod(meter_id=1))
    state = made(
        *both, flow(Group(1), cookie=1), flow(Output(1), meter=1, cookie=2, in_port=2), flow(cookie=3, in_port=3)
    )
    assert ended(state.change(group(command=GroupModCommand.DELETE), 1.0)) == [(1, FlowRemovedReason.GROUP_DELETE)]
    gone = state.change(MeterMod(MeterModCommand.DELETE), 1.0)
    assert ended(gone) == [(2, FlowRemovedReason.METER_DELETE)]
    assert [entry.mod.cookie for entry in state.tables] == [3]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (flow(Group(5)), (ErrorType.BAD_ACTION, BadActionCode.BAD_OUT_GROUP)),
        (group(Group(5)), (ErrorType.BAD_ACTION, BadActionCode.BAD_OUT_GROUP)),
        (group(Output(PortNo.ANY)), (ErrorType.BAD_ACTION, BadActionCode.BAD_OUT_PORT)),
        (flow(meter=5), (ErrorType.METER_MOD_FAILED, MeterModFailedCode.INVALID_METER)),
        (FlowMod(buffer_id=1), (ErrorType.BAD_REQUEST, BadRequestCode.BUFFER_UNKNOWN)),
        (TableMod(3), (ErrorType.TABLE_MOD_FAILED, TableModFailedCode.BAD_TABLE)),
        (TableMod(0, 4), (ErrorType.TABLE_MOD_FAILED, TableModFailedCode.BAD_CONFIG)),
    ],
)
def test_refused(change: Change, error: tuple[int, int]) -> None:
    """What names something that is not there is refused."""
    with pytest.raises(Refused) as caught:
        made().change(change, 0.0)
    assert (caught.value.type, caught.value.code) == error


def test_accepted() -> None:
    """A delete may name what is not there, and a table may be told its deprecated bits."""
    state = made(TableMod(config=3))
    assert state.change(FlowMod(command=FlowModCommand.DELETE, instructions=(ApplyActions((Group(5),)),)), 0.0) == []


def test_kept() -> None:
    """Flows, groups, meters and ports can be put back as they were."""
    first = (group(Output(1)), MeterMod(meter_id=1), flow(Group(1), cookie=1))
    state = made(*first)
    restore = state.keep()
    down = PortMod(1, state.ports[1].hw_addr, config=PortConfig.PORT_DOWN, mask=PortConfig.PORT_DOWN)
    (news,) = state.change(down, 0.0)
    assert isinstance(news, PortStatus)
    state.change(FlowMod(command=FlowModCommand.MODIFY), 0.0)
    state.change(FlowMod(command=FlowModCommand.DELETE), 0.0)
    state.change(group(command=GroupModCommand.DELETE), 0.0)
    state.change(MeterMod(MeterModCommand.DELETE), 0.0)
    restore()
    (entry,) = state.tables
    assert entry.instructions == first[2].instructions
    assert (1 in state.groups, 1 in state.meters, state.ports[1].config) == (True, True, 0)
    assert state.change(flow(Output(1)), 0.0) == []
    assert len(state.tables[0]) == 1
