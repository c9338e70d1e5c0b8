"""One match field with its value on the wire: an OXM TLV (7.2.3.2).

A header that no line of the table of fields knows keeps its payload as it came. One that is known must have the
length its field has, with or without a mask: a datapath that disagrees about that is not believed about the rest.
"""

import struct
from dataclasses import dataclass
from typing import Any

from daoli.ofproto.constants import OxmClass
from daoli.ofproto.errors import DecodeError, EncodeError
from daoli.ofproto.fields import BY_KEY, Field, field_named
from daoli.ofproto.wire import Reader, Wire

Value = int | bytes | str
"""How people write a value: a number, its bytes, or text such as "02:00:00:00:00:01" or "10.0.0.1"."""

MaskedValue = Value | tuple[Value, Value]
"""A value, a (value, mask), or text with a mask behind a slash: "10.0.0.0/8", "0x1000/0x1000"."""

_HEADER = struct.Struct("!I")
_EXPERIMENTER = OxmClass.EXPERIMENTER << 16
_ID_SIZE = 4


@dataclass(frozen=True, slots=True)
class Oxm:
    """A field's header and what follows it: the value, then the mask if the header says that there is one."""

    header: int
    payload: bytes

    @classmethod
    def of(cls, name: str, value: MaskedValue) -> "Oxm":
        """Make one from what people write; ValueError says what is wrong with it."""
        field = field_named(name)
        data, mask = _value_and_mask(field, value)
        if mask is not None and not field.maskable:
            raise ValueError(f"{name} cannot be masked")
        if mask is not None and any(bit & ~kept for bit, kept in zip(data, mask, strict=True)):
            raise ValueError(f"{name}={value!r} has bits outside of its mask")
        header = field.header if mask is None else field.masked_header
        payload = field.experimenter.to_bytes(4, "big") if field.experimenter else b""
        payload += data if mask is None else data + mask
        return cls(header & ~0xFF | len(payload), payload)

    @property
    def key(self) -> int:
        """What tells the field from all others: its experimenter, its class and its number."""
        return key_in(self.header, self.payload)

    @property
    def field(self) -> Field | None:
        """The field of the table, if it is there."""
        return BY_KEY.get(self.key)

    @property
    def name(self) -> str:
        """The field's name, or one made of its class and number."""
        field = self.field
        return field.name if field else f"oxm_{self.header >> 16:04x}_{self.header >> 9 & 0x7F}"

    @property
    def masked(self) -> bool:
        """Whether the payload ends with a mask."""
        return bool(self.header & 0x100)

    @property
    def _both(self) -> bytes:
        """Value and mask; an experimenter's id stands before them."""
        return self.payload[_ID_SIZE:] if self.header >= _EXPERIMENTER else self.payload

    @property
    def value(self) -> bytes:
        """The value, without its mask."""
        both = self._both
        return both[: len(both) // 2] if self.masked else both

    @property
    def mask(self) -> bytes | None:
        """The mask, if there is one."""
        both = self._both
        return both[len(both) // 2 :] if self.masked else None

    def __str__(self) -> str:
        field = self.field
        if field is None:
            return f"{self.name}={self.payload.hex()}"
        return f"{field.name}={self.text(field)}"

    def text(self, field: Field) -> str:
        """Give the value, and the mask if there is one, as Open vSwitch writes those of that field."""
        mask = self.mask
        return field.format(self.value) if mask is None else field.format_masked(self.value, mask)


def key_in(header: int, payload: bytes) -> int:
    """Give what tells a field from all others, from its header and what follows that."""
    if header < _EXPERIMENTER or len(payload) < _ID_SIZE:
        return header >> 9
    return int.from_bytes(payload[:_ID_SIZE], "big") << 23 | header >> 9


def _has_length_of(header: int, field: Field) -> bool:
    """Tell whether a header announces as many bytes as its field has."""
    if not field.elastic:
        return header in (field.header, field.masked_header)
    length = header & 0xFF
    return length <= 2 * field.width and length % 2 == 0 if header & 0x100 else 0 < length <= field.width


def _value_and_mask(field: Field, value: MaskedValue) -> tuple[bytes, bytes | None]:
    """Take apart what people write; a mask of all ones is none (7.2.3.5)."""
    if isinstance(value, str) and (words := field.parse_words(value)) is not None:
        value = words
    if isinstance(value, tuple):
        data, mask = field.pack(value[0]), field.pack(value[1])
        if field.elastic:
            width = max(len(data), len(mask))
            return field.pack(data.rjust(width, b"\0")), field.pack(mask.rjust(width, b"\0"))
    elif isinstance(value, str) and "/" in value:
        left, _, right = value.partition("/")
        return _value_and_mask(field, (field.pack(left), _text_mask(field, right)))
    else:
        return field.pack(value), None
    return data, None if mask == field.pack((1 << field.bits) - 1) else mask


def _text_mask(field: Field, text: str) -> bytes:
    """Read what follows the slash: a prefix length for an address, else a mask written like the value."""
    if field.notation not in ("ipv4", "ipv6") or not text.isdecimal():
        return field.pack(text)
    length = int(text)
    if length > field.bits:
        raise ValueError(f"{field.name} has a prefix of at most {field.bits} bits, not {length}")
    return field.pack((1 << field.bits) - (1 << field.bits - length))


class OxmWire(Wire):
    """An OXM TLV."""

    def read(self, reader: Reader) -> Oxm:
        """Take a header and as much payload as it announces."""
        start = reader.claim(4, "the header of a match field", "7.2.3.2")
        data = reader.data
        (header,) = _HEADER.unpack_from(data, start)
        length = header & 0xFF
        field = BY_KEY.get(header >> 9)
        if header >= _EXPERIMENTER:
            field = BY_KEY.get(key_in(header, data[start + 4 : min(start + 4 + length, reader.end)]))
        if field is not None and not _has_length_of(header, field):
            raise DecodeError(start + 3, f"{field.name} with a length of {length}", "7.2.3.7")
        at = reader.claim(length, "the payload of a match field", "7.2.3.2")
        return Oxm(header, data[at : at + length])

    def write(self, value: Any) -> bytes:
        """Give header and payload, which must agree about the length."""
        if not isinstance(value, Oxm):
            raise TypeError(f"{value!r} is not a match field")
        if not 0 <= value.header <= 0xFFFF_FFFF or len(value.payload) != value.header & 0xFF:
            raise EncodeError(
                "Oxm.header", f"{value.header:#x} does not announce {len(value.payload)} bytes of payload"
            )
        return _HEADER.pack(value.header) + value.payload


OXM = OxmWire()
