"""What is refused, and with which error."""

from __future__ import annotations

import pytest

from daoli.datapath.emulated import Refused
from daoli.datapath.emulated.support import check, check_actions
from daoli.ofproto import (
    Action,
    ActionType,
    ApplyActions,
    BadActionCode,
    BadInstructionCode,
    BadMatchCode,
    DecNwTtl,
    ErrorType,
    FlowMod,
    GotoTable,
    Instruction,
    Match,
    Output,
    Oxm,
    PopVlan,
    PortNo,
    PushMpls,
    PushVlan,
    SetField,
    SetNwTtl,
    UnknownAction,
    UnknownInstruction,
    WriteMetadata,
)

IPV4 = Match(eth_type=0x0800)


def refused(mod: FlowMod) -> tuple[int, int]:
    """The error that a flow is refused with."""
    with pytest.raises(Refused) as caught:
        check(mod, 4)
    return caught.value.type, caught.value.code


@pytest.mark.parametrize(
    ("instruction", "code"),
    [
        (UnknownInstruction(77, bytes(4)), BadInstructionCode.UNKNOWN_INST),
        (UnknownInstruction(0xFFFF, bytes(4)), BadInstructionCode.BAD_EXPERIMENTER),
        (GotoTable(1), BadInstructionCode.BAD_TABLE_ID),
        (GotoTable(4), BadInstructionCode.BAD_TABLE_ID),
    ],
)
def test_instructions(instruction: Instruction, code: BadInstructionCode) -> None:
    """Instructions that are unknown, unsupported or lead back are refused."""
    assert refused(FlowMod(table_id=1, instructions=(instruction,))) == (ErrorType.BAD_INSTRUCTION, code)


def test_instruction_twice() -> None:
    """An instruction may stand in a flow once (5.9)."""
    twice = (WriteMetadata(1), WriteMetadata(2))
    assert refused(FlowMod(instructions=twice)) == (ErrorType.BAD_INSTRUCTION, BadInstructionCode.UNSUP_INST)


@pytest.mark.parametrize(
    ("action", "code"),
    [
        (UnknownAction(ActionType.EXPERIMENTER, bytes(4)), BadActionCode.BAD_EXPERIMENTER),
        (UnknownAction(99, bytes(4)), BadActionCode.BAD_TYPE),
        (PushMpls(0x8847), BadActionCode.BAD_TYPE),
        (Output(0), BadActionCode.BAD_OUT_PORT),
        (Output(PortNo.ANY), BadActionCode.BAD_OUT_PORT),
        (Output(PortNo.TABLE), BadActionCode.BAD_OUT_PORT),
        (Output(PortNo.NORMAL), BadActionCode.BAD_OUT_PORT),
        (SetField(Oxm.of("eth_type", 1)), BadActionCode.BAD_SET_TYPE),
        (SetField(Oxm.of("ipv4_src", "10.0.0.0/8")), BadActionCode.BAD_SET_ARGUMENT),
        (SetField(Oxm(Oxm.of("ip_ecn", 1).header, b"\xff")), BadActionCode.BAD_SET_ARGUMENT),
        (SetField.of(arp_op=1), BadActionCode.MATCH_INCONSISTENT),
        (SetField.of(vlan_pcp=1), BadActionCode.MATCH_INCONSISTENT),
        (PushVlan(0x0800), BadActionCode.BAD_ARGUMENT),
    ],
)
def test_actions(action: Action, code: BadActionCode) -> None:
    """Actions that are unknown, unsupported, or make no sense for what is matched are refused."""
    assert refused(FlowMod(match=IPV4, instructions=(ApplyActions((action,)),))) == (ErrorType.BAD_ACTION, code)


def test_good_actions() -> None:
    """What is supported passes; a tag may be set once it was pushed, and a packet_out may go to the tables."""
    actions = (PushVlan(0x8100), SetField.of(vlan_vid=0x1001), SetField.of(ipv4_src="10.0.0.1"), PopVlan())
    outputs = tuple(Output(port) for port in (1, PortNo.MAX, PortNo.IN_PORT, PortNo.FLOOD, PortNo.ALL, PortNo.LOCAL))
    check(FlowMod(match=IPV4, instructions=(ApplyActions((*actions, *outputs)), GotoTable(3))), 4)
    check_actions((Output(PortNo.TABLE), SetField.of(arp_op=1)), None)


@pytest.mark.parametrize(
    ("match", "code"),
    [
        (Match(tunnel_id=1), BadMatchCode.BAD_FIELD),
        (Match.of([Oxm(0xFFFF_0204, bytes(4))]), BadMatchCode.BAD_FIELD),
        (Match.of([*IPV4, *IPV4]), BadMatchCode.DUP_FIELD),
        (Match.of([Oxm(Oxm.of("in_port", 1).header | 0x104, bytes(8))]), BadMatchCode.BAD_MASK),
        (
            Match.of([*IPV4, Oxm(Oxm.of("ipv4_src", "10.0.0.0/8").header, b"\1" * 4 + bytes(4))]),
            BadMatchCode.BAD_WILDCARDS,
        ),
        (Match.of([*IPV4, Oxm(Oxm.of("ip_ecn", 1).header, b"\xff")]), BadMatchCode.BAD_VALUE),
        (Match.of([Oxm.of("ipv4_src", 1)]), BadMatchCode.BAD_PREREQ),
        (Match.of([Oxm.of("ipv4_src", 1), *IPV4]), BadMatchCode.BAD_PREREQ),
        (Match.of([Oxm.of("eth_type", 0x0806), Oxm.of("ipv4_src", 1)]), BadMatchCode.BAD_PREREQ),
        (Match.of([Oxm.of("vlan_vid", 0), Oxm.of("vlan_pcp", 1)]), BadMatchCode.BAD_PREREQ),
    ],
)
def test_matches(match: Match, code: BadMatchCode) -> None:
    """Matches that no packet could be tried on are refused."""
    assert refused(FlowMod(match=match)) == (ErrorType.BAD_MATCH, code)


@pytest.mark.parametrize("action", [DecNwTtl(), SetNwTtl(5)])
def test_ttl_of_what_may_have_none(action: Action) -> None:
    """The TTL may be changed where IP is matched, and in a packet_out."""
    anything = FlowMod(instructions=(ApplyActions((action,)),))
    assert refused(anything) == (ErrorType.BAD_ACTION, BadActionCode.MATCH_INCONSISTENT)
    check(FlowMod(match=Match(eth_type=0x86DD), instructions=anything.instructions), 4)
    check_actions((action,), None)
