"""One match field with its value on the wire: an OXM TLV (7.2.3.2).

A header that no line of the table of fields knows keeps its payload as it came. One that is known must have the
length its field has, with or without a mask: a datapath that disagrees about that is not believed about the rest.
"""

import struct
from dataclasses import dataclass
from typing import Any

from daoli.ofproto.constants import OxmClass, VlanId
from daoli.ofproto.errors import DecodeError, EncodeError, check_bytes, check_number, shown
from daoli.ofproto.fields import BY_KEY, Field, field_named
from daoli.ofproto.wire import Reader, Wire

Value = int | bytes | str
"""How people write a value: a number, its bytes, or text such as "02:00:00:00:00:01" or "10.0.0.1"."""

MaskedValue = Value | tuple[Value, Value]
"""A value, a (value, mask), or text with a mask behind a slash: "10.0.0.0/8", "0x1000/0x1000".

Bits of the value that the mask lacks do not count: they are cleared (7.2.3.5), so "10.0.0.1/8" is "10.0.0.0/8".
"""

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
        """Make one from what people write; EncodeError names the field and says what is wrong with its value."""
        field = field_named(name)
        data, mask = _value_and_mask(field, value)
        if mask is not None and not field.maskable:
            raise EncodeError(name, f"{shown(value)} has a mask, which the field cannot have")
        if name == "vlan_vid":
            _check_vlan(data, mask)
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


def _check_vlan(data: bytes, mask: bytes | None) -> None:
    """Refuse a VLAN's number without the bit that a tagged packet has: it would match nothing (7.2.3.7)."""
    number, kept = (int.from_bytes(part, "big") for part in (data, b"\xff\xff" if mask is None else mask))
    if kept & VlanId.PRESENT and not number & VlanId.PRESENT and number != VlanId.NONE:
        tagged = number | VlanId.PRESENT
        raise EncodeError(
            "vlan_vid", f"{number} is in no packet: one with that tag has {tagged:#x} (VlanId.PRESENT | {number})"
        )


def _value_and_mask(field: Field, value: MaskedValue) -> tuple[bytes, bytes | None]:
    """Take apart what people write; a mask of all ones is none (7.2.3.5)."""
    if isinstance(value, str) and (words := field.parse_words(value)) is not None:
        value = words
    if isinstance(value, str) and "/" in value:
        left, _, right = value.partition("/")
        value = field.pack(left), _text_mask(field, left, right)
    if not isinstance(value, tuple):
        return field.pack(value), None
    if len(value) != 2:
        raise EncodeError(field.name, f"{shown(value)} is no pair of a value and a mask")
    data, mask = field.pack(value[0]), _mask(field, *value)
    if field.elastic:
        width = max(len(data), len(mask))
        data, mask = data.rjust(width, b"\0"), mask.rjust(width, b"\0")
    data = bytes(bit & kept for bit, kept in zip(data, mask, strict=True))
    return data, None if not field.elastic and mask == field.pack((1 << field.bits) - 1) else mask


def _mask(field: Field, value: Value, mask: Value) -> bytes:
    """Read the mask of a pair; a length of a prefix belongs behind a slash."""
    length = int(mask) if isinstance(mask, str) and mask.isdecimal() else mask
    if field.notation in _SLASH and isinstance(value, str) and isinstance(length, int) and 0 < length <= field.bits:
        raise EncodeError(field.name, f"{shown(mask)} is not a mask: {_SLASH[field.notation]}")
    return field.pack(mask)


_SLASH = {
    "ipv4": "a prefix is written '10.0.0.0/8'",
    "ipv6": "a prefix is written 'fe80::/10'",
    "mac": "a mask is written '02:da:01:00:00:00/ff:ff:ff:00:00:00'",
}
"""How masks of addresses are written in text."""


def _text_mask(field: Field, left: str, right: str) -> bytes:
    """Read what follows the slash: a prefix length for an IP address, else a mask written like the value."""
    if field.notation not in ("ipv4", "ipv6") or not right.isdecimal():
        return _mask(field, left, right)
    if len(right) > 3 or int(right) > field.bits:  # the digits of 128
        raise EncodeError(field.name, f"{shown(right)} is not the length of a prefix of at most {field.bits} bits")
    return field.pack((1 << field.bits) - (1 << field.bits - int(right)))


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
            raise TypeError(f"{shown(value)} is not a match field")
        try:
            head = _HEADER.pack(value.header)
        except struct.error:
            check_number("Oxm.header", value.header, 32)
            raise  # pragma: no cover - it did not fit
        if type(value.payload) is not bytes:
            check_bytes("Oxm.payload", value.payload)
        if len(value.payload) != value.header & 0xFF:
            raise EncodeError(
                "Oxm.header", f"{value.header:#x} does not announce {len(value.payload)} bytes of payload"
            )
        return head + value.payload


OXM = OxmWire()
