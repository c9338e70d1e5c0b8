"""Numbers in words, as Open vSwitch writes them: names, flags, ports, durations, counters, bytes."""

from enum import IntEnum, IntFlag

from daoli.ofproto.constants import GroupNo, PortNo
from daoli.ofproto.errors import EncodeError, shown

_UNKNOWN_DURATION = 0xFFFF_FFFF
_UNKNOWN_COUNTER = 0xFFFF_FFFF_FFFF_FFFF
_ROW = 16


def name_of(enum: type[IntEnum], value: int) -> str:
    """Name a number, or give it in digits if it has no name."""
    return enum(value).name if value in list(enum) else str(value)


def flags_text(enum: type[IntFlag], value: int) -> str:
    """Name the bits that are set; those without a name are given together in hex."""
    words = [flag.name for flag in enum if value & flag and flag.name]
    rest = value & ~sum(enum)
    return " ".join((*words, f"{rest:#x}") if rest else words) or "0"


def duration_text(seconds: int, nanoseconds: int) -> str:
    """Give a duration as Open vSwitch does, without decimals or with 3, 6 or 9; all ones is unknown."""
    if seconds == _UNKNOWN_DURATION:
        return "?"
    decimals = f".{nanoseconds:09}" if nanoseconds else ""
    while decimals.endswith("000"):
        decimals = decimals[:-3]
    return f"{seconds}{decimals}s"


def counter_text(value: int) -> str:
    """Give a counter; all ones is one that the datapath lacks."""
    return "?" if value == _UNKNOWN_COUNTER else str(value)


def port_text(port: int) -> str:
    """Name a port as Open vSwitch does."""
    return PortNo(port).name if PortNo.MAX < port <= PortNo.ANY and port in list(PortNo) else str(port)


def port16_text(port: int) -> str:
    """Name a port of 16 bits: the reserved ones stand at its end too (0xfff8 is IN_PORT)."""
    return port_text(port | 0xFFFF_0000 if port >= PortNo.MAX & 0xFFFF else port)


def port_named(field: str, name: str) -> PortNo:
    """Give the reserved port of that name (7.2.1); EncodeError names the field."""
    known = {port.name: port for port in PortNo if port != PortNo.MAX}
    try:
        return known[name.upper()]
    except KeyError:
        raise EncodeError(field, f"{shown(name)} is neither a number nor one of {', '.join(known)}") from None


def group_name(group_id: int) -> str:
    """Name a group as Open vSwitch does."""
    return GroupNo(group_id).name if group_id in (GroupNo.ALL, GroupNo.ANY) else str(group_id)


def hex_dump(data: bytes) -> str:
    """Give bytes as Open vSwitch dumps them: a line for 16, with what is printable beside them."""
    return "".join(f"\n  {at:08x}  {_row(data[at : at + _ROW])}" for at in range(0, len(data), _ROW))


def _row(data: bytes) -> str:
    left, right = data[: _ROW // 2].hex(" "), data[_ROW // 2 :].hex(" ")
    shown = "".join(chr(byte) if chr(byte).isascii() and chr(byte).isprintable() else "." for byte in data)
    return f"{f'{left}-{right}' if len(data) >= _ROW // 2 else left:<47} |{shown:<16}|"
