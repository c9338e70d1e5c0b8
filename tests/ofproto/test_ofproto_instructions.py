"""Instructions on the wire."""

import pytest
from hypothesis import given
from tests.ofproto.strategies import values

from daoli.ofproto import (
    ApplyActions,
    ClearActions,
    DecNwTtl,
    GotoTable,
    Instruction,
    InstructionType,
    Meter,
    UnknownInstruction,
    WriteActions,
    WriteMetadata,
)
from daoli.ofproto.instructions import INSTRUCTION, INSTRUCTIONS

BYTES: dict[Instruction, str] = {
    GotoTable(4): "0001 0008 04 000000",
    WriteMetadata(5): "0002 0018 00000000 0000000000000005 ffffffffffffffff",
    WriteMetadata(5, 15): "0002 0018 00000000 0000000000000005 000000000000000f",
    WriteActions((DecNwTtl(),)): "0003 0010 00000000 0018 0008 00000000",
    ApplyActions((DecNwTtl(), DecNwTtl())): "0004 0018 00000000 0018000800000000 0018000800000000",
    ApplyActions(()): "0004 0008 00000000",
    ClearActions(): "0005 0008 00000000",
    Meter(7): "0006 0008 00000007",
    UnknownInstruction(0xFFFF, b"1234"): "ffff 0008 31323334",
}


@pytest.mark.parametrize("instruction", BYTES, ids=repr)
def test_bytes(instruction: Instruction) -> None:
    """Each instruction is laid out as in 7.2.4."""
    data = bytes.fromhex(BYTES[instruction])
    assert INSTRUCTION.write(instruction) == data
    assert INSTRUCTION.parse(data) == instruction


def test_every_instruction_is_covered() -> None:
    """Each type that the specification names has a class, and each class its bytes above."""
    classes = {int.from_bytes(key, "big"): cls for key, cls in INSTRUCTION.classes.items()}
    assert set(classes) == set(InstructionType) - {InstructionType.EXPERIMENTER}
    assert set(classes.values()) == {type(instruction) for instruction in BYTES} - {UnknownInstruction}


@given(values(INSTRUCTIONS))
def test_round_trip(instructions: tuple[Instruction, ...]) -> None:
    """Any list of instructions is read back as it was written."""
    assert INSTRUCTIONS.parse(INSTRUCTIONS.write(instructions)) == instructions
