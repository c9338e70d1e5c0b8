"""Flow tables: their configuration (7.3.3), and what each can match and do (7.3.5.5).

A table's features are lists of numbers: of instructions and actions by kind, of tables, of match fields by header. An
experimenter's instruction, action or field brings its own bytes along.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from construct import GreedyBytes, Int8ub, Int64ub, Padding

from daoli.ofproto.constants import (
    ActionType,
    InstructionType,
    MessageType,
    MultipartType,
    OxmClass,
    TableNo,
    TablePropertyType,
)
from daoli.ofproto.errors import DecodeError, EncodeError, check_bytes, shown
from daoli.ofproto.fields import BY_KEY, key_of
from daoli.ofproto.message import Message, message
from daoli.ofproto.multipart import Multipart, multipart_reply, multipart_request
from daoli.ofproto.number_text import name_of
from daoli.ofproto.record import Structure, wired
from daoli.ofproto.text import value_text
from daoli.ofproto.tlv import Tlv
from daoli.ofproto.wire import U32, U64, Many, Reader, Sized, Text, Wire


@message(MessageType.TABLE_MOD, "7.3.3")
@dataclass(frozen=True, slots=True)
class TableMod(Message):
    """Configure a table; 1.3 has nothing to configure, but keeps the message."""

    table_id: Annotated[int, Int8ub, Padding(3)] = TableNo.ALL
    config: U32 = 0

    def detail(self) -> str:
        """Say which table, and the configuration if there is one."""
        table = "table_id: ALL_TABLES" if self.table_id == TableNo.ALL else f"table_id={self.table_id}"
        return f"{table} config={self.config:#x}" if self.config else table


# What features are lists of


@dataclass(frozen=True, slots=True)
class InstructionId(Structure):
    """A kind of instruction; an experimenter's has its id, and more, in the body."""

    kind: int
    body: bytes = b""

    def __str__(self) -> str:
        return name_of(InstructionType, self.kind).lower() + (f"({self.body.hex()})" if self.body else "")


@dataclass(frozen=True, slots=True)
class ActionId(Structure):
    """A kind of action; an experimenter's has its id, and more, in the body."""

    kind: int
    body: bytes = b""

    def __str__(self) -> str:
        return name_of(ActionType, self.kind).lower() + (f"({self.body.hex()})" if self.body else "")


@dataclass(frozen=True, slots=True)
class OxmId(Structure):
    """A match field by its header, which says by its has-mask bit whether it can be masked."""

    header: int
    experimenter: int | None = None

    def __str__(self) -> str:
        reference = self.header if self.experimenter is None else self.header << 32 | self.experimenter
        field = BY_KEY.get(key_of(reference))
        name = field.name if field else f"{self.header:#010x}"
        return name if self.experimenter is None else f"{name}({self.experimenter:#x})"


class OxmIdWire(Wire):
    """A header of 32 bits, or of 64 for a field of an experimenter's (7.3.5.5.2)."""

    _word = struct.Struct("!I")

    def read(self, reader: Reader) -> OxmId:
        """Take a header, and an experimenter's id if the class says that there is one."""
        (header,) = self._word.unpack_from(reader.data, reader.claim(4, "the header of a match field", "7.3.5.5.2"))
        if header >> 16 != OxmClass.EXPERIMENTER:
            return OxmId(header)
        at = reader.claim(4, "the experimenter of a match field", "7.3.5.5.2")
        return OxmId(header, *self._word.unpack_from(reader.data, at))

    def write(self, value: Any) -> bytes:
        """Give the header, and the experimenter's id if the class says that there is one."""
        if (value.header >> 16 == OxmClass.EXPERIMENTER) != (value.experimenter is not None):
            raise EncodeError("OxmId.experimenter", f"{value.experimenter!r} for header {value.header:#010x}")
        words = (value.header,) if value.experimenter is None else (value.header, value.experimenter)
        return b"".join(map(self._word.pack, words))


class IdWire(Wire):
    """The id of an instruction or an action: a kind and a length of 4, but for an experimenter's (7.3.5.5.2)."""

    _head = struct.Struct("!HH")

    def __init__(self, what: str, cls: type[InstructionId] | type[ActionId]) -> None:
        super().__init__()
        self.what, self.cls = what, cls

    def read(self, reader: Reader) -> InstructionId | ActionId:
        """Take an id; only an experimenter's has a body."""
        start = reader.claim(4, f"the head of {self.what}", "7.3.5.5.2")
        kind, length = self._head.unpack_from(reader.data, start)
        if length != self._head.size and (length < self._head.size or kind != ActionType.EXPERIMENTER):
            raise DecodeError(start + 2, f"{self.what} of kind {kind} with a length of {length}", "7.3.5.5.2")
        reader.claim(length - 4, f"{self.what} of kind {kind}", "7.3.5.5.2")
        return self.cls(kind, reader.data[start + 4 : start + length])

    def write(self, value: Any) -> bytes:
        """Give an id."""
        if not isinstance(value, self.cls):
            raise TypeError(f"{shown(value)} is not {self.what}")
        name = self.cls.__name__
        check_bytes(f"{name}.body", value.body)
        if value.body and value.kind != ActionType.EXPERIMENTER:
            raise EncodeError(f"{name}.body", f"{shown(value.body)} is not what kind {shown(value.kind)} has")
        try:
            return self._head.pack(value.kind, 4 + len(value.body)) + value.body
        except struct.error:
            raise EncodeError(f"{name}.kind", f"{shown(value.kind)} is not an unsigned number of 16 bits") from None


Instructions = Annotated[tuple[InstructionId, ...], Many(IdWire("an instruction's id", InstructionId))]
Actions = Annotated[tuple[ActionId, ...], Many(IdWire("an action's id", ActionId))]
Oxms = Annotated[tuple[OxmId, ...], Many(OxmIdWire())]


# Properties


class TableProperty(Structure):
    """Base of what is said of a table's features."""

    __slots__ = ()

    def listed(self) -> str:
        """Say what is in it."""
        (value,) = (getattr(self, part.name) for part in self.wire.parts if part.name)
        return " ".join(map(str, value))

    def __str__(self) -> str:
        return f"{type(self).__name__.removeprefix('Table')}: {self.listed() or 'none'}"


@dataclass(frozen=True, slots=True)
class UnknownTableProperty(TableProperty):
    """A property that has no class; the body is what follows its length, without padding."""

    kind: int
    body: bytes

    def __str__(self) -> str:
        return f"property {self.kind}: {self.body.hex()}"


TABLE_PROPERTY = Tlv("a table's property", UnknownTableProperty, "7.3.5.5.2", counts_padding=False)

T = TypeVar("T", bound=TableProperty)


def table_property(kind: TablePropertyType) -> Callable[[type[T]], type[T]]:
    """Make a dataclass the property of that type."""

    def declare(cls: type[T]) -> type[T]:
        TABLE_PROPERTY.register(kind.to_bytes(2, "big"), wired("7.3.5.5.2")(cls))
        return cls

    return declare


@table_property(TablePropertyType.INSTRUCTIONS)
@dataclass(frozen=True, slots=True)
class TableInstructions(TableProperty):
    """The instructions that a flow of the table may have."""

    instruction_ids: Instructions = ()


@table_property(TablePropertyType.INSTRUCTIONS_MISS)
@dataclass(frozen=True, slots=True)
class TableInstructionsMiss(TableProperty):
    """The instructions that the table-miss flow may have."""

    instruction_ids: Instructions = ()


@table_property(TablePropertyType.NEXT_TABLES)
@dataclass(frozen=True, slots=True)
class TableNextTables(TableProperty):
    """The tables that a flow may go to: a byte each."""

    next_table_ids: Annotated[bytes, GreedyBytes] = b""


@table_property(TablePropertyType.NEXT_TABLES_MISS)
@dataclass(frozen=True, slots=True)
class TableNextTablesMiss(TableProperty):
    """The tables that the table-miss flow may go to: a byte each."""

    next_table_ids: Annotated[bytes, GreedyBytes] = b""


@table_property(TablePropertyType.WRITE_ACTIONS)
@dataclass(frozen=True, slots=True)
class TableWriteActions(TableProperty):
    """The actions that a flow may write."""

    action_ids: Actions = ()


@table_property(TablePropertyType.WRITE_ACTIONS_MISS)
@dataclass(frozen=True, slots=True)
class TableWriteActionsMiss(TableProperty):
    """The actions that the table-miss flow may write."""

    action_ids: Actions = ()


@table_property(TablePropertyType.APPLY_ACTIONS)
@dataclass(frozen=True, slots=True)
class TableApplyActions(TableProperty):
    """The actions that a flow may apply."""

    action_ids: Actions = ()


@table_property(TablePropertyType.APPLY_ACTIONS_MISS)
@dataclass(frozen=True, slots=True)
class TableApplyActionsMiss(TableProperty):
    """The actions that the table-miss flow may apply."""

    action_ids: Actions = ()


@table_property(TablePropertyType.MATCH)
@dataclass(frozen=True, slots=True)
class TableMatch(TableProperty):
    """The fields that a flow may match."""

    oxm_ids: Oxms = ()


@table_property(TablePropertyType.WILDCARDS)
@dataclass(frozen=True, slots=True)
class TableWildcards(TableProperty):
    """The fields that a flow may leave out."""

    oxm_ids: Oxms = ()


@table_property(TablePropertyType.WRITE_SETFIELD)
@dataclass(frozen=True, slots=True)
class TableWriteSetField(TableProperty):
    """The fields that a flow may set by its written actions."""

    oxm_ids: Oxms = ()


@table_property(TablePropertyType.WRITE_SETFIELD_MISS)
@dataclass(frozen=True, slots=True)
class TableWriteSetFieldMiss(TableProperty):
    """The fields that the table-miss flow may set by its written actions."""

    oxm_ids: Oxms = ()


@table_property(TablePropertyType.APPLY_SETFIELD)
@dataclass(frozen=True, slots=True)
class TableApplySetField(TableProperty):
    """The fields that a flow may set by its applied actions."""

    oxm_ids: Oxms = ()


@table_property(TablePropertyType.APPLY_SETFIELD_MISS)
@dataclass(frozen=True, slots=True)
class TableApplySetFieldMiss(TableProperty):
    """The fields that the table-miss flow may set by its applied actions."""

    oxm_ids: Oxms = ()


@table_property(TablePropertyType.EXPERIMENTER)
@dataclass(frozen=True, slots=True)
class TableExperimenter(TableProperty):
    """What an experimenter says of a table."""

    experimenter: U32
    exp_type: U32 = 0
    data: Annotated[bytes, GreedyBytes] = b""

    def listed(self) -> str:
        """Give the numbers and the data."""
        return f"{self.experimenter:#x}/{self.exp_type} {self.data.hex()}"


@table_property(TablePropertyType.EXPERIMENTER_MISS)
@dataclass(frozen=True, slots=True)
class TableExperimenterMiss(TableProperty):
    """What an experimenter says of the table-miss flow."""

    experimenter: U32
    exp_type: U32 = 0
    data: Annotated[bytes, GreedyBytes] = b""

    def listed(self) -> str:
        """Give the numbers and the data."""
        return f"{self.experimenter:#x}/{self.exp_type} {self.data.hex()}"


# Messages


@wired("7.3.5.5.1")
@dataclass(frozen=True, slots=True)
class TableFeatures(Structure):
    """One table's features; `metadata_match` and `metadata_write` are the bits that can be."""

    table_id: Annotated[int, Int8ub, Padding(5)]
    name: Annotated[str, Text(32)] = ""
    metadata_match: U64 = 0
    metadata_write: Annotated[int, Int64ub] = 0
    config: U32 = 0
    max_entries: U32 = 0
    properties: Annotated[tuple[TableProperty, ...], Many(TABLE_PROPERTY)] = ()

    def __str__(self) -> str:
        head = (
            f"table {self.table_id} ({value_text('name', self.name)}): metadata match={self.metadata_match:#x} "
            f"write={self.metadata_write:#x} config={self.config:#x} max_entries={self.max_entries}"
        )
        return "\n  ".join((head, *(f"  {said}" for said in self.properties)))


TABLES = Many(Sized(TableFeatures.wire, "7.3.5.5.1"))


@multipart_request(MultipartType.TABLE_FEATURES, "7.3.5.5.1")
@dataclass(frozen=True, slots=True)
class TableFeaturesRequest(Multipart):
    """Ask for the features of all tables; with tables in it, ask that they become so."""

    tables: Annotated[tuple[TableFeatures, ...], TABLES] = ()

    def detail(self) -> str:
        """Show each table, and each property on a line."""
        return "".join(f"\n  {table}" for table in self.tables)


@multipart_reply(MultipartType.TABLE_FEATURES, "7.3.5.5.1")
@dataclass(frozen=True, slots=True)
class TableFeaturesReply(Multipart):
    """The features of tables."""

    tables: Annotated[tuple[TableFeatures, ...], TABLES] = ()

    def detail(self) -> str:
        """Show each table, and each property on a line."""
        return "".join(f"\n  {table}" for table in self.tables)
