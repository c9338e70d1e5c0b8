"""What the switch offers is what it does."""

from __future__ import annotations

from typing import TypeVar

import pytest
from tests.datapath.emulated.test_datapath_emulated_state import made

from daoli.datapath.emulated import features
from daoli.datapath.emulated.action_set import ACTIONS
from daoli.datapath.emulated.packet import MATCHABLE
from daoli.datapath.emulated.pipeline import INSTRUCTIONS
from daoli.ofproto import (
    ActionType,
    GroupType,
    MeterBandType,
    TableApplyActions,
    TableFeatures,
    TableInstructions,
    TableMatch,
    TableNextTables,
)

T = TypeVar("T")


def test_whole() -> None:
    """The datapath says who it is, how many tables it has, and which statistics."""
    reply = features.features(7, made())
    assert (reply.datapath_id, reply.n_tables, reply.capabilities) == (7, 3, features.CAPABILITIES)


def test_tables() -> None:
    """Each table has all actions and fields; the last leads nowhere, and so has no GOTO_TABLE."""
    first, _, last = features.table_features(made())
    assert len(said(first, TableInstructions).instruction_ids) == len(INSTRUCTIONS)
    assert len(said(last, TableInstructions).instruction_ids) == len(INSTRUCTIONS) - 1
    assert (said(first, TableNextTables).next_table_ids, said(last, TableNextTables).next_table_ids) == (b"\1\2", b"")
    assert len(said(first, TableApplyActions).action_ids) == len(ACTIONS)
    assert {str(oxm) for oxm in said(first, TableMatch).oxm_ids} == MATCHABLE


def said(table: TableFeatures, kind: type[T]) -> T:
    """One of a table's properties."""
    (found,) = (part for part in table.properties if isinstance(part, kind))
    return found


def test_groups() -> None:
    """All types of groups are there, with all actions."""
    reply = features.group_features(made())
    assert (reply.types, reply.max_groups) == (0b1111, (9,) * len(GroupType))
    assert reply.actions[0] >> ActionType.GROUP & 1
    assert not reply.actions[0] >> ActionType.PUSH_MPLS & 1


@pytest.mark.parametrize("kind", [MeterBandType.DROP, MeterBandType.DSCP_REMARK])
def test_meters(kind: MeterBandType) -> None:
    """Both bands are there."""
    assert features.meter_features(made()).band_types >> kind & 1
