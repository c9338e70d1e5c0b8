"""What a packet must look like: the OXM fields of a match, in order (7.2.3).

On the wire any list of fields is carried as it came. What people write is checked in full: `Match(eth_type=0x0800,
ipv4_dst="10.0.0.0/8")` refuses a name, a size, a mask or a missing prerequisite that the datapath would refuse, when
the match is made and not when an error message comes back: an EncodeError that names the field. `Match.of` takes
fields as they are.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

from daoli.ofproto.constants import MatchType
from daoli.ofproto.errors import DecodeError, EncodeError, shown
from daoli.ofproto.fields import Field, field_named
from daoli.ofproto.oxm import OXM, MaskedValue, Oxm
from daoli.ofproto.wire import Many, Reader, Wire


class Match:
    """An immutable list of match fields; without any it matches every packet.

    Fields stand in the order they are given: a prerequisite before what needs it (7.2.3.6). A mask of zero matches
    anything, so that field is left out (7.2.3.5).
    """

    __slots__ = ("oxms",)
    oxms: tuple[Oxm, ...]

    def __init__(self, **fields: MaskedValue) -> None:
        oxms = [Oxm.of(name, value) for name, value in fields.items()]
        kept = tuple(oxm for oxm in oxms if oxm.mask is None or any(oxm.mask))
        _check_prerequisites(kept)
        object.__setattr__(self, "oxms", kept)

    @classmethod
    def of(cls, oxms: Iterable[Oxm]) -> "Match":
        """Make a match of fields as they are, unchecked."""
        match = cls.__new__(cls)
        object.__setattr__(match, "oxms", tuple(oxms))
        return match

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a match is immutable: {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a match is immutable: {name}")

    def oxm(self, name: str) -> Oxm | None:
        """Give the first field of that name, if it is matched; EncodeError if no field is called so."""
        key = field_named(name).key
        for oxm in self.oxms:
            if oxm.key == key:
                return oxm
        return None

    def get(self, name: str) -> bytes | None:
        """Give the value (without mask) that a field is matched on, if it is."""
        oxm = self.oxm(name)
        return None if oxm is None else oxm.value

    def number(self, name: str) -> int | None:
        """Give that value as a number."""
        value = self.get(name)
        return None if value is None else int.from_bytes(value, "big")

    def __getitem__(self, name: str) -> bytes:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.oxm(name) is not None

    def __iter__(self) -> Iterator[Oxm]:
        return iter(self.oxms)

    def __len__(self) -> int:
        return len(self.oxms)

    def __eq__(self, other: object) -> bool:
        return self.oxms == other.oxms if isinstance(other, Match) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.oxms)

    def __reduce__(self) -> tuple[Any, ...]:
        return Match.of, (self.oxms,)

    def __repr__(self) -> str:
        said = {field.name: _said(field, oxm) for oxm in self.oxms if (field := oxm.field) is not None}
        try:
            plain = Match(**said) == self
        except ValueError:
            plain = False
        if not plain:
            return f"Match.of({self.oxms!r})"
        return f"Match({', '.join(f'{name}={value!r}' for name, value in said.items())})"


def _said(field: Field, oxm: Oxm) -> MaskedValue:
    """Write a field's value as a person would."""
    mask = oxm.mask
    if field.notation in ("number", "hex", "port"):
        number = int.from_bytes(oxm.value, "big")
        return number if mask is None else (number, int.from_bytes(mask, "big"))
    return oxm.text(field)


def _check_prerequisites(oxms: tuple[Oxm, ...]) -> None:
    """Insist on 7.2.3.6: what a field requires is matched before it."""
    seen: dict[str, Oxm] = {}
    for oxm in oxms:
        for requirement in oxm.field.requires if oxm.field else ():
            before = seen.get(requirement.field)
            if before is None or not requirement.admits(before.value, before.mask):
                raise EncodeError(oxm.name, f"it needs {requirement} before it")
        seen[oxm.name] = oxm


class MatchWire(Wire):
    """A match: its type, its length without padding, the fields, padding to 8 bytes (7.2.3.1)."""

    _head = struct.Struct("!HH")
    _oxms = Many(OXM)

    def read(self, reader: Reader) -> Match:
        """Take a match and its padding."""
        start = reader.claim(4, "the head of a match", "7.2.3.1")
        kind, length = self._head.unpack_from(reader.data, start)
        if kind != MatchType.OXM:
            raise DecodeError(start, f"a match of type {kind}", "7.2.3.1")
        if length < 4:
            raise DecodeError(start + 2, f"a match of length {length}", "7.2.3.1")
        match = Match.of(self._oxms.read(reader.window(length - 4, "a match", "7.2.3.1")))
        reader.pad(-length % 8, "the padding of a match", "7.2.3.1")
        return match

    def write(self, value: Any) -> bytes:
        """Give a match and its padding."""
        if not isinstance(value, Match):
            raise TypeError(f"{shown(value)} is not a Match")
        body = self._oxms.write(value.oxms)
        length = 4 + len(body)
        return self._head.pack(MatchType.OXM, length) + body + bytes(-length % 8)


MATCH = MatchWire()

EVERY_PACKET = Match()
"""The match that is empty."""
