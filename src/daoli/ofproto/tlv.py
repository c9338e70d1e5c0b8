"""A choice of structures told apart by what stands at their head: actions, instructions, properties, bands."""

import struct
from typing import Any

from daoli.ofproto.errors import DecodeError, EncodeError, check_bytes, check_number, shown
from daoli.ofproto.record import Structure
from daoli.ofproto.wire import Reader, Wire, packed_length

_HEAD = struct.Struct("!HH")

EXPERIMENTER = b"\xff\xff"
"""The kind of TLV that is told apart by an experimenter's id and subtype."""


class Tlv(Wire):
    """A choice of structures with a head of a u16 kind and a u16 length (7.2.4, 7.2.5, 7.5.1).

    Actions and instructions count their padding to 8 bytes in the length; hello elements are padded after it, to as
    many bytes as `align` says. A kind without a class is carried as `unknown(kind, body)`. Kinds are told apart by
    bytes: two of kind, or for an experimenter's those two, the four of its id and the two of its subtype. Kinds that
    were `withdrawn` before 1.3 are refused: they are no extensions, but the sign of a wrong length before them.
    """

    def __init__(
        self,
        what: str,
        unknown: type[Any],
        clause: str,
        *,
        counts_padding: bool,
        align: int = 8,
        withdrawn: frozenset[int] = frozenset(),
    ) -> None:
        super().__init__()
        self.withdrawn = withdrawn
        self.what, self.unknown, self.clause = what, unknown, clause
        self.counts_padding, self.align = counts_padding, align
        self.classes: dict[bytes, type[Structure]] = {}
        self._keys: dict[type[Structure], bytes] = {}

    def register(self, key: bytes, cls: type[Structure]) -> None:
        """Read `key` to instances of `cls` from now on."""
        if key in self.classes:
            raise TypeError(f"{self.what} {key.hex()} is both {self.classes[key].__name__} and {cls.__name__}")
        self.classes[key] = cls
        self._keys[cls] = key

    def read(self, reader: Reader) -> Any:
        """Take one structure, its padding too."""
        start = reader.claim(4, f"the head of {self.what}", self.clause)
        data = reader.data
        kind, length = _HEAD.unpack_from(data, start)
        if length < 4 or ((self.counts_padding and length % 8) or length < 8 * self.counts_padding):
            raise DecodeError(start + 2, f"{self.what} of kind {kind} with a length of {length}", self.clause)
        inner = reader.window(length - 4, f"{self.what} of kind {kind}", self.clause)
        if not self.counts_padding:
            reader.pad(-length % self.align, f"the padding of {self.what}", self.clause)
        key = data[start : start + 2]
        if key == EXPERIMENTER and length >= 10 and (longer := key + data[start + 4 : start + 10]) in self.classes:
            key = longer
        cls = self.classes.get(key)
        if cls is None:
            if kind in self.withdrawn:
                raise DecodeError(start, f"{self.what} of kind {kind}, which OpenFlow 1.3 does not have", self.clause)
            return self.unknown(kind, inner.read())
        inner.at += len(key) - 2
        value = cls.wire.read(inner)
        if self.counts_padding and (left := -(inner.at - start) % 8):
            inner.pad(left, f"the padding of {self.what}", self.clause)
        inner.finish(f"{self.what} of kind {kind}", self.clause)
        return value

    def write(self, value: Any) -> bytes:
        """Give one structure with its head and padding."""
        key = self._keys.get(type(value))
        if key is None:
            return self._write_unknown(value)
        body: bytes = key[2:] + value.wire.write(value)
        pad = bytes(-(4 + len(body)) % self.align)
        return key[:2] + packed_length(4 + len(body) + len(pad) * self.counts_padding) + body + pad

    def _write_unknown(self, value: Any) -> bytes:
        if not isinstance(value, self.unknown):
            raise TypeError(f"{shown(value)} is not {self.what}")
        name = type(value).__name__
        check_number(f"{name}.kind", value.kind, 16)
        check_bytes(f"{name}.body", value.body)
        if value.kind in self.withdrawn:
            raise EncodeError(f"{name}.kind", f"{value.kind} is none that OpenFlow 1.3 has")
        body: bytes = value.body
        pad = bytes(-(4 + len(body)) % self.align)
        if pad and self.counts_padding:
            raise EncodeError(f"{name}.body", f"{len(body)} bytes after a head of 4 do not fill 8s")
        return _HEAD.pack(value.kind, 4 + len(body)) + body + pad
