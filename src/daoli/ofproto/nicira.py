"""Open vSwitch's own actions: experimenter actions of Nicira (its nicira-ext.h).

A subtype without a class stays an `UnknownAction`. Field arguments (`src`, `dst`) are OXM headers of 4 bytes; `Field`
has them. An offset and a number of bits in 16 (`ofs_nbits`) are offset << 6 | (bits - 1).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from construct import Int8ub, Padding

from daoli.ofproto.actions import ACTION, Action
from daoli.ofproto.constants import NICIRA, ActionType, NiciraSubtype
from daoli.ofproto.record import wired
from daoli.ofproto.wire import U8, U16, U32, U64

A = TypeVar("A", bound=Action)


def nicira_action(subtype: NiciraSubtype) -> Callable[[type[A]], type[A]]:
    """Make a dataclass Nicira's action of that subtype."""

    def declare(cls: type[A]) -> type[A]:
        key = ActionType.EXPERIMENTER.to_bytes(2, "big") + NICIRA.to_bytes(4, "big") + subtype.to_bytes(2, "big")
        ACTION.register(key, wired("7.2.5")(cls))
        return cls

    return declare


@nicira_action(NiciraSubtype.REG_MOVE)
@dataclass(frozen=True, slots=True)
class RegMove(Action):
    """Copy `n_bits` from bit `src_ofs` of one field to bit `dst_ofs` of another (NXAST_REG_MOVE)."""

    n_bits: U16
    src_ofs: U16
    dst_ofs: U16
    src: U32
    dst: U32


@nicira_action(NiciraSubtype.REG_LOAD)
@dataclass(frozen=True, slots=True)
class RegLoad(Action):
    """Write a value to some bits of a field (NXAST_REG_LOAD)."""

    ofs_nbits: U16
    dst: U32
    value: U64


@nicira_action(NiciraSubtype.RESUBMIT_TABLE)
@dataclass(frozen=True, slots=True)
class ResubmitTable(Action):
    """Look the packet up again (NXAST_RESUBMIT_TABLE), in a table (255: this one) as if from a port of 16 bits."""

    in_port: U16
    table_id: Annotated[int, Int8ub, Padding(3)]


@nicira_action(NiciraSubtype.CONJUNCTION)
@dataclass(frozen=True, slots=True)
class Conjunction(Action):
    """Fulfil one clause of a conjunctive match (NXAST_CONJUNCTION); the first clause is 0 here, 1 in text."""

    clause: U8
    n_clauses: U8
    id: U32
