"""One match field with its value on the wire: an OXM TLV (7.2.3.2).

A header that no line of the table of fields knows keeps its payload as it came. One that is known must have the
length its field has, with or without a mask: a datapath that disagrees about that is not believed about the rest.
"""

import struct
from dataclasses import dataclass
from typing import Any

from daoli.ofproto.errors import DecodeError, EncodeError
from daoli.ofproto.fields import BY_KEY, Field, field_named
from daoli.ofproto.wire import Reader, Wire

Value = int | bytes | str
"""How people write a value: a number, its bytes, or text such as "02:00:00:00:00:01" or "10.0.0.1"."""

MaskedValue = Value | tuple[Value, Value]
"""A value, a (value, mask), or text with a mask behind a slash: "10.0.0.0/8", "0x1000/0x1000"."""

_HEADER = struct.Struct("!I")


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
        if mask is None:
            return cls(field.header, data)
        if not field.maskable:
            raise ValueError(f"{name} cannot be masked")
        if any(bit & ~kept for bit, kept in zip(data, mask, strict=True)):
            raise ValueError(f"{name}={value!r} has bits outside of its mask")
        return cls(field.masked_header, data + mask)

    @property
    def field(self) -> Field | None:
        """The field of the table, if it is there."""
        return BY_KEY.get(self.header >> 9)

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
    def value(self) -> bytes:
        """The value, without its mask."""
        return self.payload[: len(self.payload) // 2] if self.masked else self.payload

    @property
    def mask(self) -> bytes | None:
        """The mask, if there is one."""
        return self.payload[len(self.payload) // 2 :] if self.masked else None

    def __str__(self) -> str:
        field = self.field
        value, mask = self.value, self.mask
        if field is None:
            return f"{self.name}={self.payload.hex()}"
        return f"{field.name}={field.format(value)}" + (f"/{field.format_mask(mask)}" if mask is not None else "")


def _value_and_mask(field: Field, value: MaskedValue) -> tuple[bytes, bytes | None]:
    """Take apart what people write; a mask of all ones is none (7.2.3.5)."""
    if isinstance(value, tuple):
        data, mask = field.pack(value[0]), field.pack(value[1])
    elif isinstance(value, str) and "/" in value:
        left, _, right = value.partition("/")
        data, mask = field.pack(left), _text_mask(field, right)
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
        (header,) = _HEADER.unpack_from(reader.data, start)
        length = header & 0xFF
        field = BY_KEY.get(header >> 9)
        if field is not None and header not in (field.header, field.masked_header):
            raise DecodeError(start + 3, f"{field.name} with a length of {length}", "7.2.3.7")
        at = reader.claim(length, "the payload of a match field", "7.2.3.2")
        return Oxm(header, reader.data[at : at + length])

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
