"""What the switch says that it can do: as a whole, with its tables, its groups and its meters."""

from __future__ import annotations

from typing import Final

from daoli.datapath.emulated.action_set import ACTIONS
from daoli.datapath.emulated.meters import FLAGS as METER_FLAGS
from daoli.datapath.emulated.packet import MATCHABLE, SETTABLE
from daoli.datapath.emulated.pipeline import INSTRUCTIONS
from daoli.datapath.emulated.state import State
from daoli.ofproto import (
    Action,
    ActionId,
    ActionType,
    Capabilities,
    FeaturesReply,
    GotoTable,
    GroupCapabilities,
    GroupFeaturesReply,
    GroupType,
    Instruction,
    InstructionId,
    InstructionType,
    MeterBandType,
    MeterFeaturesReply,
    OxmId,
    TableApplyActions,
    TableApplySetField,
    TableFeatures,
    TableInstructions,
    TableMatch,
    TableNextTables,
    TableWildcards,
    TableWriteActions,
    TableWriteSetField,
    field_named,
)

CAPABILITIES: Final = (
    Capabilities.FLOW_STATS
    | Capabilities.TABLE_STATS
    | Capabilities.PORT_STATS
    | Capabilities.GROUP_STATS
    | Capabilities.QUEUE_STATS
)
_ALL_ONES: Final = 0xFFFF_FFFF_FFFF_FFFF


def _action_type(action: type[Action]) -> ActionType:
    return ActionType[_words(action.__name__)]


def _instruction_type(instruction: type[Instruction]) -> InstructionType:
    return InstructionType[_words(instruction.__name__)]


def _words(name: str) -> str:
    """Give a class's name as the specification writes it: `PushVlan` is PUSH_VLAN."""
    return "".join(f"_{letter}" if letter.isupper() else letter for letter in name).lstrip("_").upper()


_ACTION_TYPES: Final = tuple(sorted(map(_action_type, ACTIONS)))
_ACTIONS: Final = tuple(map(ActionId, _ACTION_TYPES))
_SETTABLE: Final = tuple(OxmId(field_named(name).header) for name in sorted(SETTABLE))
_MATCHABLE: Final = tuple(
    OxmId(field.masked_header if field.maskable else field.header) for field in map(field_named, sorted(MATCHABLE))
)
_WILDCARDS: Final = tuple(OxmId(field_named(name).header) for name in sorted(MATCHABLE))


def features(dpid: int, state: State) -> FeaturesReply:
    """Say what the switch is (7.3.1)."""
    return FeaturesReply(dpid, n_tables=len(state.tables), capabilities=CAPABILITIES)


def table_features(state: State) -> list[TableFeatures]:
    """Say what each table can match and do (7.3.5.5); the table-miss flow may do the same."""
    return [_table(number, state) for number in range(len(state.tables))]


def _table(number: int, state: State) -> TableFeatures:
    onward = bytes(range(number + 1, len(state.tables)))
    kinds = [kind for kind in INSTRUCTIONS if kind is not GotoTable or onward]
    return TableFeatures(
        number,
        name=f"table{number}",
        metadata_match=_ALL_ONES,
        metadata_write=_ALL_ONES,
        max_entries=state.tables.capacity,
        properties=(
            TableInstructions(tuple(InstructionId(kind) for kind in sorted(map(_instruction_type, kinds)))),
            TableNextTables(onward),
            TableWriteActions(_ACTIONS),
            TableApplyActions(_ACTIONS),
            TableMatch(_MATCHABLE),
            TableWildcards(_WILDCARDS),
            TableWriteSetField(_SETTABLE),
            TableApplySetField(_SETTABLE),
        ),
    )


def group_features(state: State) -> GroupFeaturesReply:
    """Say what groups can do (7.3.5.11)."""
    actions = sum(1 << kind for kind in _ACTION_TYPES)
    most = state.groups.capacity
    return GroupFeaturesReply(
        types=sum(1 << kind for kind in GroupType),
        capabilities=sum(GroupCapabilities),
        max_groups=(most, most, most, most),
        actions=(actions, actions, actions, actions),
    )


def meter_features(state: State) -> MeterFeaturesReply:
    """Say what meters can do (7.3.5.14)."""
    return MeterFeaturesReply(
        max_meter=state.meters.capacity,
        band_types=1 << MeterBandType.DROP | 1 << MeterBandType.DSCP_REMARK,
        capabilities=METER_FLAGS,
        max_bands=state.meters.max_bands,
    )
