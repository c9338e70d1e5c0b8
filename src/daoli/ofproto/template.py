"""Fast paths derived from the canonical codec by probing, so that no second description of the wire exists.

A `Template` is a message of one fixed shape: constant bytes with typed holes and, at most, one tail of any length. The
holes are found by encoding the message canonically with each hole's bytes all zero and all one, and comparing. A shape
whose length or other bytes depend on a hole is refused at import, not found out on the wire.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

_LENGTH_AT: Final = 2
"""Offset of the header's length field (OpenFlow 1.3.5, 7.1), the only byte that a tail may change before itself."""
_LENGTH: Final = "length"

Hole = tuple[int, str, str]
"""Offset, struct code and name of a hole."""


class ShapeError(TypeError):
    """The canonical encoder does not treat this shape as constant bytes with holes."""


class Template:
    """Packs and unpacks a message of one fixed shape.

    `pack(*holes[, tail]) -> bytes` takes the holes in the order given. `unpack(buffer, at, end)` returns their values,
    or None when the bytes between `at` and `end` are not of this shape.
    """

    def __init__(
        self,
        build: Callable[..., bytes],
        holes: Mapping[str, str],
        tail: str | None = None,
        make: Callable[[tuple[Any, ...]], Any] = tuple,
    ) -> None:
        """Probe `build(**holes[, tail])`, the canonical encoder; `holes` maps names to struct codes.

        `make` turns the values that `unpack` reads into its result.
        """
        zero: dict[str, Any] = {name: _value(code, 0x00) for name, code in holes.items()}
        if tail:
            zero[tail] = b""
        base = build(**zero)
        found = [hole for name, code in holes.items() for hole in _find(base, build, zero, name, code)]
        if tail:
            _check_tail(base, build, zero, tail)
            found.append((_LENGTH_AT, "H", _LENGTH))
        found.sort()
        _refuse_overlaps(found)
        self.base = base
        self.size = len(base)
        self.pack, self.unpack = _compile(base, found, tuple(holes), tail, make)


def _value(code: str, byte: int) -> int | bytes:
    raw = bytes([byte]) * struct.calcsize("!" + code)
    return raw if code.endswith("s") else int.from_bytes(raw, "big")


def _find(base: bytes, build: Callable[..., bytes], zero: Mapping[str, Any], name: str, code: str) -> list[Hole]:
    """Find every place where a hole's value stands."""
    probed = build(**{**zero, name: _value(code, 0xFF)})
    if len(probed) != len(base):
        raise ShapeError(f"the message's length depends on {name!r}")
    changed = [at for at, (a, b) in enumerate(zip(base, probed, strict=True)) if a != b]
    width = struct.calcsize("!" + code)
    starts = changed[::width]
    if not changed or changed != [at for start in starts for at in range(start, start + width)]:
        raise ShapeError(f"{name!r} is not a {width}-byte field of this shape: it changes bytes {changed}")
    return [(start, code, name) for start in starts]


def _check_tail(base: bytes, build: Callable[..., bytes], zero: Mapping[str, Any], tail: str) -> None:
    for probe in (b"\xff", b"\x00" * 256):
        grown = build(**{**zero, tail: probe})
        want = base[:_LENGTH_AT] + (len(base) + len(probe)).to_bytes(2, "big") + base[_LENGTH_AT + 2 :] + probe
        if grown != want:
            raise ShapeError(f"{tail!r} is not what the message ends with, as it came")


def _refuse_overlaps(holes: list[Hole]) -> None:
    end, last = 0, ""
    for at, code, name in holes:
        if at < end:
            raise ShapeError(f"{name!r} and {last!r} overlap at byte {at}")
        end, last = at + struct.calcsize("!" + code), name


def _compile(
    base: bytes, holes: list[Hole], names: tuple[str, ...], tail: str | None, make: Callable[[tuple[Any, ...]], Any]
) -> tuple[Callable[..., bytes], Callable[[bytes, int, int], Any]]:
    """Write the two functions out as source, as `collections.namedtuple` does: one struct call each, no loop."""
    parts: list[Hole] = []
    constants: dict[str, bytes] = {}
    at = 0
    for start, code, name in [*holes, (len(base), "0s", "")]:
        if at < start:
            constant = f"_{len(constants)}"
            constants[constant] = base[at:start]
            parts.append((at, f"{start - at}s", constant))
        if name:
            parts.append((start, code, name))
        at = start + struct.calcsize("!" + code)
    layout = struct.Struct("!" + "".join(code for _, code, _ in parts))
    size = layout.size
    scope: dict[str, Any] = {"_pack": layout.pack, "_unpack": layout.unpack_from, "_make": make, **constants}

    length = f"{size} + len({tail})" if tail else ""
    arguments = ", ".join(length if name == _LENGTH and tail else name for _, _, name in parts)
    signature = ", ".join([*names, tail] if tail else names)
    end = f" + {tail}" if tail else ""

    read: list[str] = []
    checks: list[str] = []
    copies: dict[str, int] = {}
    for _, _, name in parts:
        copy = copies.get(name, 0)
        copies[name] = copy + 1
        read.append(f"{name}_{copy}")
        if name in constants:
            checks.append(f"{name}_0 == {name}")
        elif copy:
            checks.append(f"{name}_{copy} == {name}_0")
    if tail:
        checks.append(f"{_LENGTH}_0 == _end - _at")
        fits = f"_end - _at < {size}"
    else:
        fits = f"_end - _at != {size}"
    taken = [*(f"{name}_0" for name in names), *([f"_buffer[_at + {size}:_end]"] if tail else [])]
    results = f"({', '.join(taken)},)" if taken else "()"
    source = f"""
def pack({signature}):
    return _pack({arguments}){end}

def unpack(_buffer, _at, _end):
    if {fits}:
        return None
    {", ".join(read)}, = _unpack(_buffer, _at)
    return _make({results}) if {" and ".join(checks) or "True"} else None
"""
    exec(source, scope)  # noqa: S102 (the source is built above from names of fields, none of it from input)
    return scope["pack"], scope["unpack"]
