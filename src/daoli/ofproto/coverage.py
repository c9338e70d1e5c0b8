"""What of OpenFlow 1.3.5 has a class, read from the registries: `python -m daoli.ofproto.coverage` prints it.

The names come from the specification's enumerations, the classes from what was declared; nothing is listed twice. What
is missing has no class in its row.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from typing import NamedTuple

from daoli.ofproto.actions import ACTION, UnknownAction
from daoli.ofproto.constants import (
    ERROR_CODES,
    ActionType,
    ErrorType,
    HelloElementType,
    InstructionType,
    MessageType,
    MeterBandType,
    MultipartType,
    OxmClass,
    QueuePropertyType,
    TablePropertyType,
)
from daoli.ofproto.experimenter import EXPERIMENTER_MESSAGES, EXPERIMENTER_REPLIES, EXPERIMENTER_REQUESTS
from daoli.ofproto.fields import FIELDS
from daoli.ofproto.instructions import INSTRUCTION, UnknownInstruction
from daoli.ofproto.message import MESSAGES
from daoli.ofproto.meters import BAND
from daoli.ofproto.multipart import REPLIES, REQUESTS
from daoli.ofproto.queues import QUEUE_PROPERTY
from daoli.ofproto.symmetric import HELLO_ELEMENT
from daoli.ofproto.tables import TABLE_PROPERTY
from daoli.ofproto.tlv import Tlv

OXM_FIELDS = 40
"""How many fields the specification's own class has, numbered from 0 (7.2.3.7)."""


class Row(NamedTuple):
    """One thing of the specification; `cls` is empty if nothing reads it."""

    group: str
    name: str
    cls: str
    clause: str


def specification() -> Iterator[Row]:
    """Give a row for each message, multipart type, action, instruction, field, property and error type of 1.3.5."""
    yield from _typed("messages", "OFPT", MessageType, MESSAGES)
    yield from _typed("multipart requests", "OFPMP", MultipartType, REQUESTS)
    yield from _typed("multipart replies", "OFPMP", MultipartType, REPLIES)
    yield from _choice("instructions", "OFPIT", InstructionType, INSTRUCTION, UnknownInstruction)
    yield from _choice("actions", "OFPAT", ActionType, ACTION, UnknownAction)
    yield from _choice("hello elements", "OFPHET", HelloElementType, HELLO_ELEMENT)
    yield from _choice("queue properties", "OFPQT", QueuePropertyType, QUEUE_PROPERTY)
    yield from _choice("meter bands", "OFPMBT", MeterBandType, BAND)
    yield from _choice("table properties", "OFPTFPT", TablePropertyType, TABLE_PROPERTY)
    basic = {field.number: field for field in FIELDS.values() if field.oxm_class == OxmClass.OPENFLOW_BASIC}
    for number in range(OXM_FIELDS):
        name = basic[number].name if number in basic else ""
        yield Row("match fields", f"OFPXMT_OFB_{name.upper() or number}", name, "7.2.3.7")
    for kind in ErrorType:
        codes = ERROR_CODES.get(kind)
        yield Row("errors", f"OFPET_{kind.name}", codes.__name__ if codes else "Error", "7.4.4")


def extensions() -> Iterator[Row]:
    """Give a row for each class that reads what experimenters define."""
    registries: tuple[tuple[str, Mapping[tuple[int, int], type]], ...] = (
        ("experimenter messages", EXPERIMENTER_MESSAGES),
        ("experimenter requests", EXPERIMENTER_REQUESTS),
        ("experimenter replies", EXPERIMENTER_REPLIES),
    )
    for group, classes in registries:
        for (who, which), cls in sorted(classes.items()):
            yield Row(group, f"{who:#010x}/{which}", cls.__name__, cls.wire.clause)  # type: ignore[attr-defined]
    for key, action in sorted(ACTION.classes.items()):
        if len(key) > len(MessageType.HELLO.to_bytes(2, "big")):
            who, which = int.from_bytes(key[2:6], "big"), int.from_bytes(key[6:], "big")
            yield Row("experimenter actions", f"{who:#010x}/{which}", action.__name__, action.wire.clause)
    for field in FIELDS.values():
        if field.oxm_class != OxmClass.OPENFLOW_BASIC or field.number >= OXM_FIELDS:
            yield Row("other match fields", f"{field.oxm_class:#06x}/{field.number}", field.name, "7.2.3.3")


def missing(rows: Iterable[Row]) -> list[Row]:
    """Give the rows that nothing reads."""
    return [row for row in rows if not row.cls]


def table(rows: Iterable[Row]) -> str:
    """Give rows as Markdown, a table for each group."""
    lines: list[str] = []
    group = None
    for row in rows:
        if row.group != group:
            group = row.group
            lines += ["", f"## {group.capitalize()}", "", "| name | read by | clause |", "|---|---|---|"]
        lines.append(f"| {row.name} | {f'`{row.cls}`' if row.cls else '**nothing**'} | {row.clause} |")
    return "\n".join(lines[1:]) + "\n"


def _typed(group: str, prefix: str, kinds: type[IntEnum], classes: Mapping[int, type]) -> Iterator[Row]:
    """Give a row for each number of an enumeration that a registry reads by it."""
    for kind in kinds:
        cls = classes.get(kind)
        clause = cls.wire.clause if cls else ""  # type: ignore[attr-defined]
        yield Row(group, f"{prefix}_{kind.name}", cls.__name__ if cls else "", clause)


def _choice(group: str, prefix: str, kinds: type[IntEnum], tlv: Tlv, carrier: type | None = None) -> Iterator[Row]:
    """Give a row for each kind of TLV; `carrier` is what carries an experimenter's, if there is no class for it."""
    for kind in kinds:
        cls = tlv.classes.get(kind.to_bytes(2, "big"))
        if cls is None and kind.name == "EXPERIMENTER":
            cls = carrier
        yield Row(group, f"{prefix}_{kind.name}", cls.__name__ if cls else "", tlv.clause)


if __name__ == "__main__":  # pragma: no cover - the tests call what it prints
    rows = [*specification(), *extensions()]
    sys.stdout.write(table(rows) + f"\n{len(missing(rows))} of {len(rows)} have no class.\n")
