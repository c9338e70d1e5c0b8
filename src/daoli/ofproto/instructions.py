"""What a flow has a table do with a packet: instructions (7.2.4).

A new instruction is one class here. One without a class is an `UnknownInstruction`, which encodes back to the bytes it
came from.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar, TypeVar

from construct import Int8ub, Int64ub, Padding

from daoli.ofproto.actions import ACTIONS, Action
from daoli.ofproto.constants import InstructionType
from daoli.ofproto.record import Structure, wired
from daoli.ofproto.tlv import Tlv
from daoli.ofproto.wire import U32, U64, Many


class Instruction(Structure):
    """Base of all instructions."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class UnknownInstruction(Instruction):
    """An instruction that has no class; the body is what follows its length, padding included."""

    kind: int
    body: bytes


INSTRUCTION = Tlv("an instruction", UnknownInstruction, "7.2.4", counts_padding=True)
INSTRUCTIONS = Many(INSTRUCTION)

I = TypeVar("I", bound=Instruction)  # noqa: E741 - named like A of actions


def instruction(kind: InstructionType) -> Callable[[type[I]], type[I]]:
    """Make a dataclass the instruction of that kind."""

    def declare(cls: type[I]) -> type[I]:
        INSTRUCTION.register(kind.to_bytes(2, "big"), wired("7.2.4")(cls))
        return cls

    return declare


@instruction(InstructionType.GOTO_TABLE)
@dataclass(frozen=True, slots=True)
class GotoTable(Instruction):
    """Look the packet up in a later table next."""

    table_id: Annotated[int, Int8ub, Padding(3)]


@instruction(InstructionType.WRITE_METADATA)
@dataclass(frozen=True, slots=True)
class WriteMetadata(Instruction):
    """Set the bits of the metadata that the mask has."""

    metadata: Annotated[int, Padding(4), Int64ub]
    mask: U64 = 0xFFFF_FFFF_FFFF_FFFF


@instruction(InstructionType.WRITE_ACTIONS)
@dataclass(frozen=True, slots=True)
class WriteActions(Instruction):
    """Merge actions into the packet's action set."""

    actions: Annotated[tuple[Action, ...], Padding(4), ACTIONS]


@instruction(InstructionType.APPLY_ACTIONS)
@dataclass(frozen=True, slots=True)
class ApplyActions(Instruction):
    """Do actions at once, in order."""

    actions: Annotated[tuple[Action, ...], Padding(4), ACTIONS]


@instruction(InstructionType.CLEAR_ACTIONS)
@dataclass(frozen=True, slots=True)
class ClearActions(Instruction):
    """Empty the packet's action set."""

    _pad: ClassVar[Annotated[None, Padding(4)]] = None


@instruction(InstructionType.METER)
@dataclass(frozen=True, slots=True)
class Meter(Instruction):
    """Have a meter pass or drop the packet."""

    meter_id: U32
