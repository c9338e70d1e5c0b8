"""What of OpenFlow the pipeline can carry out: all else is refused when it is asked for, with the error for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from daoli.datapath.emulated.action_set import ACTIONS
from daoli.datapath.emulated.packet import MATCHABLE, SETTABLE, VLAN_TYPES
from daoli.datapath.emulated.pipeline import INSTRUCTIONS
from daoli.datapath.emulated.refusal import Refused
from daoli.ofproto import (
    Action,
    ActionType,
    ApplyActions,
    BadActionCode,
    BadInstructionCode,
    BadMatchCode,
    DecNwTtl,
    ErrorType,
    EtherType,
    FlowMod,
    GotoTable,
    InstructionType,
    Match,
    Output,
    Oxm,
    PortNo,
    PushVlan,
    SetField,
    SetNwTtl,
    UnknownAction,
    UnknownInstruction,
    WriteActions,
    field_named,
)

_RESERVED: Final = (PortNo.IN_PORT, PortNo.FLOOD, PortNo.ALL, PortNo.CONTROLLER, PortNo.LOCAL)

_IP: Final = (EtherType.IPV4, EtherType.IPV6)


def check(mod: FlowMod, tables: int) -> None:
    """Refuse a flow that the pipeline could not carry out, with the error that says why (7.4.4)."""
    check_match(mod.match)
    kinds = [type(part) for part in mod.instructions]
    for part in mod.instructions:
        if isinstance(part, UnknownInstruction):
            experimenter = part.kind == InstructionType.EXPERIMENTER
            code = BadInstructionCode.BAD_EXPERIMENTER if experimenter else BadInstructionCode.UNKNOWN_INST
            raise Refused(ErrorType.BAD_INSTRUCTION, code)
        if type(part) not in INSTRUCTIONS or kinds.count(type(part)) > 1:
            raise Refused(ErrorType.BAD_INSTRUCTION, BadInstructionCode.UNSUP_INST)
        if isinstance(part, GotoTable) and not mod.table_id < part.table_id < tables:
            raise Refused(ErrorType.BAD_INSTRUCTION, BadInstructionCode.BAD_TABLE_ID)
        if isinstance(part, ApplyActions | WriteActions):
            check_actions(part.actions, mod.match)


def check_match(match: Match) -> None:
    """Refuse a match that no packet could be tried on: unknown or double fields, missing prerequisites, stray bits."""
    seen: dict[str, int] = {}
    for oxm in match:
        if oxm.field is None or oxm.name not in MATCHABLE:
            raise Refused(ErrorType.BAD_MATCH, BadMatchCode.BAD_FIELD)
        if oxm.name in seen:
            raise Refused(ErrorType.BAD_MATCH, BadMatchCode.DUP_FIELD)
        if oxm.mask is not None and not oxm.field.maskable:
            raise Refused(ErrorType.BAD_MATCH, BadMatchCode.BAD_MASK)
        if oxm.mask is not None and any(bit & ~kept for bit, kept in zip(oxm.value, oxm.mask, strict=True)):
            raise Refused(ErrorType.BAD_MATCH, BadMatchCode.BAD_WILDCARDS)
        value = int.from_bytes(oxm.value, "big")
        if value >> oxm.field.bits:
            raise Refused(ErrorType.BAD_MATCH, BadMatchCode.BAD_VALUE)
        if not _prerequisites_met(oxm.name, match, set(seen)):
            raise Refused(ErrorType.BAD_MATCH, BadMatchCode.BAD_PREREQ)
        seen[oxm.name] = value


def _prerequisites_met(name: str, match: Match, before: set[str] | None = None) -> bool:
    """Tell whether what a field needs is matched, among the fields `before` it if they are given (7.2.3.6)."""
    for requirement in field_named(name).requires:
        oxm = match.oxm(requirement.field)
        if oxm is None or (before is not None and requirement.field not in before):
            return False
        if not requirement.admits(oxm.value, oxm.mask):
            return False
    return True


def check_actions(actions: Iterable[Action], match: Match | None) -> None:
    """Refuse actions that cannot be done; `match` is what is known of the packets, None for a packet_out."""
    tagged = False
    for action in actions:
        if type(action) not in ACTIONS:
            raise Refused(ErrorType.BAD_ACTION, _unknown(action))
        error = None
        if isinstance(action, Output) and not _may_output(action.port, match):
            error = BadActionCode.BAD_OUT_PORT
        elif isinstance(action, SetField):
            error = _set_field_error(action.oxm, match, tagged=tagged)
        elif isinstance(action, DecNwTtl | SetNwTtl) and match is not None and match.number("eth_type") not in _IP:
            error = BadActionCode.MATCH_INCONSISTENT
        elif isinstance(action, PushVlan):
            tagged = True
            error = None if action.ethertype in VLAN_TYPES else BadActionCode.BAD_ARGUMENT
        if error is not None:
            raise Refused(ErrorType.BAD_ACTION, error)


def _unknown(action: Action) -> BadActionCode:
    experimenter = isinstance(action, UnknownAction) and action.kind == ActionType.EXPERIMENTER
    return BadActionCode.BAD_EXPERIMENTER if experimenter else BadActionCode.BAD_TYPE


def _may_output(port: int, match: Match | None) -> bool:
    return 0 < port <= PortNo.MAX or port in _RESERVED or (match is None and port == PortNo.TABLE)


def _set_field_error(oxm: Oxm, match: Match | None, *, tagged: bool) -> BadActionCode | None:
    if oxm.field is None or oxm.name not in SETTABLE:
        return BadActionCode.BAD_SET_TYPE
    if oxm.mask is not None or int.from_bytes(oxm.value, "big") >> oxm.field.bits:
        return BadActionCode.BAD_SET_ARGUMENT
    known = match is None or _prerequisites_met(oxm.name, match) or (tagged and oxm.name.startswith("vlan_"))
    return None if known else BadActionCode.MATCH_INCONSISTENT
