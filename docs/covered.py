"""The page that says what is covered of OpenFlow 1.3.5, made from the codec's registries when the site is built."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Any

from daoli.ofproto import FIELDS
from daoli.ofproto.actions import ACTION
from daoli.ofproto.constants import (
    NICIRA,
    ActionType,
    InstructionType,
    MessageType,
    MeterBandType,
    MultipartType,
    NiciraSubtype,
    QueuePropertyType,
    TablePropertyType,
)
from daoli.ofproto.experimenter import EXPERIMENTER_MESSAGES, EXPERIMENTER_REPLIES, EXPERIMENTER_REQUESTS
from daoli.ofproto.instructions import INSTRUCTION
from daoli.ofproto.message import MESSAGES
from daoli.ofproto.meters import BAND
from daoli.ofproto.multipart import REPLIES, REQUESTS
from daoli.ofproto.queues import QUEUE_PROPERTY
from daoli.ofproto.tables import TABLE_PROPERTY
from daoli.ofproto.tlv import EXPERIMENTER, Tlv


def coverage() -> str:
    """Write the page that says of each thing in OpenFlow 1.3.5 which class it is."""
    return "\n".join(
        (
            "# What is covered of OpenFlow 1.3.5",
            "",
            "Made from the codec's own registries when this site was built: what has no class here is read as",
            "*unknown* and encodes back to the bytes that it came from. The clause is where it is specified.",
            *messages(),
            *multiparts(),
            *experiments(),
            *choices("Instructions", INSTRUCTION, InstructionType),
            *choices("Actions", ACTION, ActionType),
            *experimental_actions(),
            *choices("Meter bands", BAND, MeterBandType),
            *choices("Queue properties", QUEUE_PROPERTY, QueuePropertyType),
            *choices("Table feature properties", TABLE_PROPERTY, TablePropertyType),
            *fields(),
            "",
        )
    )


def table(title: str, headings: Iterable[str], rows: Iterable[Iterable[object]]) -> list[str]:
    """Write a section that is a table."""
    names = list(headings)
    cells = [[str(cell).replace("|", r"\|") for cell in row] for row in rows]
    lines = [f"| {' | '.join(row)} |" for row in cells]
    return ["", f"## {title}", "", f"| {' | '.join(names)} |", "|" + "---|" * len(names), *lines]


def named(cls: type[Any] | None) -> str:
    """Write a class's name, which leads to its reference, or that there is none."""
    if cls is None:
        return "*unknown*"
    return f"[{cls.__name__}][{cls.__module__}.{cls.__qualname__}]"


def messages() -> list[str]:
    """Write what has a type in the header."""
    below = {
        MessageType.MULTIPART_REQUEST: "[below](#multipart-messages)",
        MessageType.MULTIPART_REPLY: "[below](#multipart-messages)",
        MessageType.EXPERIMENTER: "[below](#experimenters-messages)",
    }
    rows = [
        (int(kind), kind.name, below.get(kind) or named(cls), cls.wire.clause if cls else "")
        for kind in MessageType
        for cls in [MESSAGES.get(kind)]
    ]
    return table("Messages", ("type", "name", "class", "clause"), rows)


def multiparts() -> list[str]:
    """Write what datapaths can be asked."""
    rows = [
        (int(kind), kind.name, named(REQUESTS.get(kind)), named(REPLIES.get(kind)), REPLIES[kind].wire.clause)
        for kind in MultipartType
        if kind in REPLIES
    ]
    return table("Multipart messages", ("type", "name", "request", "reply", "clause"), rows)


def choices(title: str, tlv: Tlv, kinds: type[IntEnum]) -> list[str]:
    """Write the classes of a choice of structures."""
    rows = [(int(kind), kind.name, named(tlv.classes.get(kind.to_bytes(2, "big"))), tlv.clause) for kind in kinds]
    return table(title, ("type", "name", "class", "clause"), rows)


def experiments() -> list[str]:
    """Write the messages that others define: Open vSwitch and the ONF."""
    parts = (("message", EXPERIMENTER_MESSAGES), ("request", EXPERIMENTER_REQUESTS), ("reply", EXPERIMENTER_REPLIES))
    rows = [
        (f"{ids[0]:#010x}", ids[1], kind, named(cls)) for kind, classes in parts for ids, cls in sorted(classes.items())
    ]
    return table("Experimenters' messages", ("experimenter", "type", "is a", "class"), rows)


def experimental_actions() -> list[str]:
    """Write the actions that others define, also those of Open vSwitch that have no class."""
    known = {key: cls for key, cls in ACTION.classes.items() if key.startswith(EXPERIMENTER) and len(key) > 2}
    names = {EXPERIMENTER + NICIRA.to_bytes(4, "big") + kind.to_bytes(2, "big"): kind.name for kind in NiciraSubtype}
    rows = [
        (f"0x{key[2:6].hex()}", int.from_bytes(key[6:], "big"), names.get(key, ""), named(known.get(key)))
        for key in sorted({*known, *names})
    ]
    return table("Experimenters' actions", ("experimenter", "subtype", "name", "class"), rows)


def fields() -> list[str]:
    """Write what packets can be matched on."""
    rows = [
        (
            f"`{field.name}`",
            f"{field.header >> 16:#06x}",
            field.header >> 9 & 0x7F,
            field.bits,
            "yes" if field.maskable else "",
            ", ".join(map(str, field.requires)),
        )
        for field in FIELDS.values()
    ]
    return table("Match fields", ("name", "class", "number", "bits", "maskable", "needs before it"), rows)
