"""Damage to OpenFlow bytes that a decoder notices late: the header stays true while what is nested lies.

Blind damage mostly ends at the header's length or type. Here a stream is cut into its messages, one of them is changed
by something that knows where lengths stand, and then its header is mended, mostly. All chance comes from `dice`.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence
from typing import Final

from fuzz.targets import frames

from daoli.ofproto.constants import VERSION
from daoli.ofproto.fields import FIELDS
from daoli.ofproto.message import MESSAGES
from daoli.ofproto.multipart import REPLIES, REQUESTS

Change = Callable[[bytearray, random.Random], None]

_HEADER: Final = 8
_LONGEST: Final = 0xFFFF
_U16: Final = struct.Struct("!H")
_U32: Final = struct.Struct("!I")
_LYING: Final = (0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 15, 16, 24, 0x7FFF, 0x8000, 0xFFF8, 0xFFFF)
_NUMBERS: Final = (0, 1, 0xFF, 0x100, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFF00, 0xFFFFFFFE, 0xFFFFFFFF)
_MULTIPART: Final = (18, 19)
_KINDS: Final = sorted({*MESSAGES, 30, 99, 255})
_PARTS: Final = sorted({*REQUESTS, *REPLIES, 99, 0xFFFF})
_OXMS: Final = [header for field in FIELDS.values() for header in (field.header, field.masked_header)]
_MAX_CHANGES: Final = 3


def lengths(message: bytes | bytearray) -> list[int]:
    """List the offsets behind the header where a u16 could be the length of a TLV that begins two bytes before.

    Match, instructions, actions, properties, bands and elements all look so; of other fields some do by chance.
    """
    size = len(message)
    found = []
    for at in range(_HEADER + 2, size - 1, 2):
        (length,) = _U16.unpack_from(message, at)
        if 4 <= length <= size - at + 2:
            found.append(at)
    return found


def _tlv(message: bytes | bytearray, dice: random.Random) -> tuple[int, int] | None:
    """Choose something that could be a TLV: where it begins and ends."""
    if not (places := lengths(message)):
        return None
    at = dice.choice(places)
    return at - 2, at - 2 + int(_U16.unpack_from(message, at)[0])


def lie(message: bytearray, dice: random.Random) -> None:
    """Change a nested length."""
    if not (places := lengths(message)):
        return
    at = dice.choice(places)
    (length,) = _U16.unpack_from(message, at)
    near = length + dice.choice((-8, -4, -2, -1, 1, 2, 4, 8))
    _U16.pack_into(message, at, dice.choice((*_LYING, near, near, near)) & 0xFFFF)


def repeat(message: bytearray, dice: random.Random) -> None:
    """Put a TLV in once more, or many times, behind itself; a length that encloses it grows along, mostly."""
    if (place := _tlv(message, dice)) is None:
        return
    start, end = place
    copies = bytes(message[start:end]) * dice.choice((1, 1, 1, 2, 7))
    _widen(message, start, end, len(copies), dice)
    message[end:end] = copies


def remove(message: bytearray, dice: random.Random) -> None:
    """Take a TLV out; a length that encloses it shrinks along, mostly."""
    if (place := _tlv(message, dice)) is None:
        return
    start, end = place
    _widen(message, start, end, start - end, dice)
    del message[start:end]


def nest(message: bytearray, dice: random.Random) -> None:
    """Put a TLV into itself."""
    if (place := _tlv(message, dice)) is None:
        return
    start, end = place
    _insert(message, min(start + dice.choice((4, 8, 16)), end), bytes(message[start:end]), dice)


def put_field(message: bytearray, dice: random.Random) -> None:
    """Put a match field in, at a place where one may stand."""
    header = dice.choice(_OXMS)
    payload = dice.randbytes(header & 0xFF)
    at = dice.randrange(len(message) + 1) & ~3
    _insert(message, min(max(_HEADER, at), len(message)), _U32.pack(header) + payload, dice)


def retype(message: bytearray, dice: random.Random) -> None:
    """Change the message's type, or that of one within it, or what a multipart message is about."""
    within = [
        at + 1 for at in range(_HEADER, len(message) - 7) if message[at] == VERSION and message[at + 1] in MESSAGES
    ]
    if within and dice.random() < 0.3:
        message[dice.choice(within)] = dice.choice(_KINDS)
    elif len(message) >= _HEADER + 2 and message[1] in _MULTIPART and dice.random() < 0.7:
        _U16.pack_into(message, _HEADER, dice.choice(_PARTS))
    elif len(message) > 1:
        message[1] = dice.choice(_KINDS)


def renumber(message: bytearray, dice: random.Random) -> None:
    """Overwrite a number of 16 or 32 bits by one from the edge."""
    pack = dice.choice((_U16, _U32))
    if len(message) < _HEADER + pack.size:
        return
    at = dice.randrange(_HEADER, len(message) - pack.size + 1) & ~1
    pack.pack_into(message, at, dice.choice(_NUMBERS) & (1 << 8 * pack.size) - 1)


def flip(message: bytearray, dice: random.Random) -> None:
    """Change a byte anywhere."""
    if message:
        message[dice.randrange(len(message))] ^= dice.randrange(1, 256)


def cut(message: bytearray, dice: random.Random) -> None:
    """Drop the end."""
    if len(message) > _HEADER:
        del message[dice.randrange(_HEADER, len(message)) :]


def grow(message: bytearray, dice: random.Random) -> None:
    """Put bytes in anywhere behind the header."""
    at = dice.randrange(min(_HEADER, len(message)), len(message) + 1)
    message[at:at] = dice.choice((bytes(8), bytes(4), dice.randbytes(dice.randrange(1, 17))))


CHANGES: Final[Sequence[Change]] = (lie, lie, repeat, remove, nest, put_field, retype, renumber, flip, cut, grow)


def _insert(message: bytearray, at: int, data: bytes, dice: random.Random) -> None:
    _widen(message, at, at, len(data), dice)
    message[at:at] = data


def _widen(message: bytearray, start: int, end: int, by: int, dice: random.Random) -> None:
    """Mend, nine times of ten, every length that seems to enclose what stands from start to end."""
    if dice.random() < 0.1:
        return
    for place in lengths(message):
        (length,) = _U16.unpack_from(message, place)
        if place - 2 < start and end <= place - 2 + length and 0 <= length + by <= _LONGEST:
            _U16.pack_into(message, place, length + by)


def mend(message: bytearray) -> None:
    """Write the header's length as it is."""
    if _HEADER <= len(message) <= _LONGEST:
        _U16.pack_into(message, 2, len(message))


def splice(message: bytearray, other: bytes, dice: random.Random) -> None:
    """Put a TLV of another message in place of one, or behind it."""
    theirs, ours = _tlv(other, dice), _tlv(message, dice)
    if theirs is None or ours is None:
        return
    start, end = ours
    data = other[slice(*theirs)]
    at = dice.choice((start, end))
    _widen(message, start, end, len(data) - (end - at), dice)
    message[at:end] = data


def mutate(data: bytes, dice: random.Random, others: Sequence[bytes] = ()) -> bytes:
    """Damage one message of a stream; `others` are messages to splice from."""
    messages = frames(data) or [b""]
    chosen = dice.randrange(len(messages))
    message = bytearray(messages[chosen])
    for _ in range(dice.randint(1, _MAX_CHANGES)):
        if others and dice.random() < 0.25:
            splice(message, dice.choice(others), dice)
        else:
            dice.choice(CHANGES)(message, dice)
    if dice.random() < 0.95:
        mend(message)
    messages[chosen] = bytes(message)
    if others and dice.random() < 0.05:
        messages.insert(dice.randrange(len(messages) + 1), dice.choice(others))
    return b"".join(messages)
