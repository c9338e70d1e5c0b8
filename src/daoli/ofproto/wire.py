"""One class body is both a Python type and the construct declaration of its bytes.

A frozen dataclass says of each field what it is and how it is written: `priority: Annotated[int, Int16ub]`. The
decorator `wired` reads that and gives the class its `wire`: a `Record`, a construct like any other. What stands in an
annotation without a name (`Padding(4)`) is written before or after the field it stands with; a ClassVar is bytes
without a field. Everything of variable length is one of the constructs below.

Padding (7.1.2): it is written as zero, and ignored when received, whatever it holds. A message whose padding is clean
encodes back to the bytes it came from; one with dirty padding encodes to the clean form. What follows the first NUL of
a fixed-size string is padding too.

construct's own combinators are not used for nesting: `GreedyRange` stops silently at a bad item, nested streams lose
the offset, and each copies its bytes. Here all levels read from one `Reader`, so a message is read in linear time and
errors know the absolute offset. Fixed fields that stand together are read by one `struct` call.
"""

import dataclasses
import struct
import typing
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, NamedTuple, TypeVar

from construct import (
    Bytes,
    Construct,
    ConstructError,
    FormatField,
    Int8ub,
    Int16ub,
    Int32ub,
    Int64ub,
    Padded,
    Pass,
    stream_write,
)

from daoli.ofproto.errors import DecodeError, EncodeError

U8 = Annotated[int, Int8ub]
U16 = Annotated[int, Int16ub]
U32 = Annotated[int, Int32ub]
U64 = Annotated[int, Int64ub]
Mac = Annotated[bytes, Bytes(6)]
Ipv4 = Annotated[bytes, Bytes(4)]

_HEAD = struct.Struct("!HH")
_LENGTH = struct.Struct("!H")


class Reader:
    """A window on a message's bytes: a stream for constructs, whose position is the absolute offset."""

    __slots__ = ("at", "data", "end")

    def __init__(self, data: bytes, at: int, end: int) -> None:
        self.data = data
        self.at = at
        self.end = end

    def read(self, size: int = -1) -> bytes:
        """Take at most `size` bytes, all that are left if it is negative."""
        stop = self.end if size < 0 else min(self.at + size, self.end)
        taken = self.data[self.at : stop]
        self.at = stop
        return taken

    def tell(self) -> int:
        """Give the absolute offset of the next byte."""
        return self.at

    def claim(self, size: int, what: str, clause: str) -> int:
        """Step over `size` bytes, which must be there, and give the offset of their first."""
        at = self.at
        if at + size > self.end:
            raise DecodeError(at, f"{what} needs {size} bytes, {self.end - at} are left", clause)
        self.at = at + size
        return at

    def window(self, size: int, what: str, clause: str) -> "Reader":
        """Step over `size` bytes, which must be there, and give a reader of just these."""
        at = self.claim(size, what, clause)
        return Reader(self.data, at, at + size)

    def finish(self, what: str, clause: str) -> None:
        """Insist that nothing is left."""
        if self.at != self.end:
            raise DecodeError(self.at, f"{self.end - self.at} bytes left over after {what}", clause)


class Wire(Construct):
    """A construct that reads from a `Reader` and writes to bytes."""

    def read(self, reader: Reader) -> Any:
        """Take one value from the reader."""
        raise NotImplementedError

    def write(self, value: Any) -> bytes:
        """Give the bytes of one value."""
        raise NotImplementedError

    def _parse(self, stream: Any, context: Any, path: Any) -> Any:
        if isinstance(stream, Reader):
            return self.read(stream)
        data = stream.read()
        return self.read(Reader(data, 0, len(data)))

    def _build(self, obj: Any, stream: Any, context: Any, path: Any) -> Any:
        data = self.write(obj)
        stream_write(stream, data, len(data), path)
        return obj


def reads(con: Construct) -> Callable[[Reader], Any]:
    """Give the shortest way to read one `con`."""
    return con.read if isinstance(con, Wire) else con.parse_stream


def writes(con: Construct) -> Callable[[Any], bytes]:
    """Give the shortest way to write one `con`."""
    return con.write if isinstance(con, Wire) else con.build


class Text(Wire):
    """A string in a field of fixed size, ended by the first NUL (7.2.1); bytes that are not ASCII survive."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length

    def read(self, reader: Reader) -> str:
        """Take the field; what follows the NUL is padding."""
        at = reader.claim(self.length, "a string", "7.1.2")
        return reader.data[at : at + self.length].partition(b"\0")[0].decode("ascii", "surrogateescape")

    def write(self, value: str) -> bytes:
        """Give the string and its padding."""
        data = value.encode("ascii", "surrogateescape")
        if len(data) > self.length or b"\0" in data:
            raise ValueError(f"{value!r} is not a string of at most {self.length} bytes without NUL")
        return data.ljust(self.length, b"\0")


class Pair(Wire):
    """Two numbers of 32 bits."""

    _pair = struct.Struct("!II")

    def read(self, reader: Reader) -> tuple[int, int]:
        """Take both."""
        first, second = self._pair.unpack_from(reader.data, reader.claim(8, "a pair of masks", "7.3.10"))
        return first, second

    def write(self, value: tuple[int, int]) -> bytes:
        """Give both."""
        first, second = value
        return self._pair.pack(first, second)


class Words(Wire):
    """As many numbers of 32 bits as fill what encloses them."""

    def read(self, reader: Reader) -> tuple[int, ...]:
        """Take all that is left."""
        size = reader.end - reader.at
        if size % 4:
            raise DecodeError(reader.at, f"{size} bytes are no numbers of 4", "7.5.1")
        return struct.unpack_from(f"!{size // 4}I", reader.data, reader.claim(size, "numbers", "7.5.1"))

    def write(self, value: tuple[int, ...]) -> bytes:
        """Give them end to end."""
        return struct.pack(f"!{len(value)}I", *value)


class Many(Wire):
    """As many `item` as fill what encloses them, and not a byte more."""

    def __init__(self, item: Construct) -> None:
        super().__init__()
        self.item = item
        self._read, self._write = reads(item), writes(item)

    def read(self, reader: Reader) -> tuple[Any, ...]:
        """Take items until nothing is left; each must take something."""
        values = []
        while (at := reader.at) < reader.end:
            values.append(self._read(reader))
            if reader.at == at:
                raise DecodeError(at, "an empty item in a list", "7.1.1")
        return tuple(values)

    def write(self, value: tuple[Any, ...]) -> bytes:
        """Give the items, end to end."""
        return b"".join([self._write(item) for item in value])


class Counted(Wire):
    """A u16 that counts the bytes of what follows it, after some padding."""

    def __init__(self, con: Construct, pad: int, clause: str) -> None:
        super().__init__()
        self.con, self.pad, self.clause = con, pad, clause
        self._read, self._write = reads(con), writes(con)

    def read(self, reader: Reader) -> Any:
        """Take the count, and exactly that."""
        (length,) = _LENGTH.unpack_from(reader.data, reader.claim(2 + self.pad, "a length", self.clause))
        inner = reader.window(length, "what its length announces", self.clause)
        value = self._read(inner)
        inner.finish("what was counted", self.clause)
        return value

    def write(self, value: Any) -> bytes:
        """Give the count and what it counts."""
        body = self._write(value)
        return _LENGTH.pack(len(body)) + bytes(self.pad) + body


class Sized(Wire):
    """A u16 length that counts itself, then `con` within it."""

    def __init__(self, con: Construct, clause: str) -> None:
        super().__init__()
        self.con, self.clause = con, clause
        self._read, self._write = reads(con), writes(con)

    def read(self, reader: Reader) -> Any:
        """Take the length, and exactly that."""
        start = reader.claim(2, "a length", self.clause)
        (length,) = _LENGTH.unpack_from(reader.data, start)
        if length < 2:
            raise DecodeError(start, f"a length of {length} does not count itself", self.clause)
        inner = reader.window(length - 2, "what its length announces", self.clause)
        value = self._read(inner)
        inner.finish("what was counted", self.clause)
        return value

    def write(self, value: Any) -> bytes:
        """Give the length and what it counts."""
        body = self._write(value)
        return _LENGTH.pack(2 + len(body)) + body


class Part(NamedTuple):
    """One construct of a class body; what has no name is no field."""

    name: str | None
    con: Construct


class _Step(NamedTuple):
    """Parts that are read at once: by one struct call, or else one construct of variable length."""

    parts: tuple[Part, ...]
    packed: struct.Struct | None
    names: tuple[str, ...]
    sizes: tuple[int | None, ...]  # of each name that holds bytes


def _code(con: Construct) -> str | None:
    """Give the struct code of a construct of fixed size, if it is one."""
    if isinstance(con, FormatField):
        return str(con.fmtstr[-1])
    if isinstance(con, Bytes) and isinstance(con.length, int):
        return f"{con.length}s"
    if isinstance(con, Padded) and con.subcon is Pass:
        return f"{con.length}x"
    return None


def _parts(cls: type) -> list[Part]:
    """Read the constructs out of a class body, in order."""
    parts = []
    named = {field.name for field in dataclasses.fields(cls)}
    for name, declared in typing.get_type_hints(cls, include_extras=True).items():
        hint = typing.get_args(declared)[0] if typing.get_origin(declared) is ClassVar else declared
        if typing.get_origin(hint) is not Annotated:
            continue
        owner: str | None = name if name in named else None
        for con in hint.__metadata__:
            if isinstance(con, Padded) or owner is None:
                parts.append(Part(None, con))
            else:
                parts.append(Part(owner, con))
                owner = None
    return parts


def _steps(parts: list[Part]) -> list[_Step]:
    """Gather neighbours of fixed size into one struct each."""
    runs: list[list[Part]] = []
    for part in parts:
        if _code(part.con) is not None and runs and _code(runs[-1][0].con) is not None:
            runs[-1].append(part)
        else:
            runs.append([part])
    steps = []
    for run in runs:
        codes = [_code(part.con) for part in run]
        packed = None if codes[0] is None else struct.Struct("!" + "".join(filter(None, codes)))
        sizes = tuple(part.con.length if isinstance(part.con, Bytes) else None for part in run if part.name)
        steps.append(_Step(tuple(run), packed, tuple(part.name for part in run if part.name), sizes))
    return steps


class Structure:
    """What has bytes on the wire; `wired` gives each class its own declaration."""

    __slots__ = ()
    wire: ClassVar["Record"]


S = TypeVar("S", bound=Structure)


class Record(Wire):
    """The fields of one class, in the order of its body; reads to an instance of it."""

    def __init__(self, cls: type[Structure], clause: str) -> None:
        super().__init__()
        self.cls, self.clause = cls, clause
        self.parts = _parts(cls)
        self.steps = _steps(self.parts)
        self._reads = [
            (step.packed, step.packed.size if step.packed else 0, reads(step.parts[0].con)) for step in self.steps
        ]

    def values(self, reader: Reader) -> list[Any]:
        """Take the fields' values, in order."""
        values: list[Any] = []
        for packed, size, read in self._reads:
            if packed is None:
                values.append(read(reader))
                continue
            at = reader.at
            if at + size > reader.end:
                self._short(reader)
            values += packed.unpack_from(reader.data, at)
            reader.at = at + size
        return values

    def read(self, reader: Reader) -> Any:
        """Take one instance."""
        return self.cls(*self.values(reader))

    def write(self, value: Any) -> bytes:
        """Give an instance's bytes; a value that does not fit is an EncodeError that names it."""
        written = []
        for step in self.steps:
            values = [getattr(value, name) for name in step.names]
            if step.packed is None:
                written.append(self._write_one(step.parts[0], values[0]))
                continue
            for size, held in zip(step.sizes, values, strict=True):
                if size is not None and (not isinstance(held, bytes) or len(held) != size):
                    self._blame(step, values)
            try:
                written.append(step.packed.pack(*values))
            except struct.error:
                self._blame(step, values)
        return b"".join(written)

    def _write_one(self, part: Part, value: Any) -> bytes:
        try:
            return writes(part.con)(value)
        except EncodeError:
            raise
        except (ConstructError, ValueError, TypeError, AttributeError, struct.error) as error:
            raise EncodeError(f"{self.cls.__name__}.{part.name}", str(error)) from error

    def _short(self, reader: Reader) -> typing.NoReturn:
        raise DecodeError(reader.end, f"{self.cls.__name__} is cut short", self.clause)

    def _blame(self, step: _Step, values: list[Any]) -> typing.NoReturn:
        """Find the first of a step's values that does not fit, and name it."""
        fields = [part for part in step.parts if part.name]
        for part, value in zip(fields, values, strict=True):
            if (misfit := _misfit(part.con, value)) is not None:
                raise EncodeError(f"{self.cls.__name__}.{part.name}", misfit)
        raise EncodeError(self.cls.__name__, "cannot be written")  # pragma: no cover - one of them did not fit


def _misfit(con: Construct, value: Any) -> str | None:
    """Say why a value does not fit a construct of fixed size, if it does not."""
    if isinstance(con, Bytes):
        fits = isinstance(value, bytes) and len(value) == con.length
        return None if fits else f"{value!r} is not {con.length} bytes"
    try:
        struct.pack(f"!{_code(con)}", value)
    except struct.error:
        return f"{value!r} is not an unsigned number of {8 * con.length} bits"
    return None


def wired(clause: str) -> Callable[[type[S]], type[S]]:
    """Give a dataclass its `wire`, read from its annotations; `clause` is where the specification declares it."""

    def declare(cls: type[S]) -> type[S]:
        cls.wire = Record(cls, clause)
        return cls

    return declare


EXPERIMENTER = b"\xff\xff"
"""The kind of TLV that is told apart by an experimenter's id and subtype."""


class Tlv(Wire):
    """A choice of structures with a head of a u16 kind and a u16 length (7.2.4, 7.2.5, 7.5.1).

    Actions and instructions count their padding to 8 bytes in the length; hello elements are padded after it. A kind
    without a class is carried as `unknown(kind, body)`. Kinds are told apart by bytes: two of kind, or for an
    experimenter's those two, the four of its id and the two of its subtype.
    """

    def __init__(self, what: str, unknown: type[Any], clause: str, *, counts_padding: bool) -> None:
        super().__init__()
        self.what, self.unknown, self.clause, self.counts_padding = what, unknown, clause, counts_padding
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
            reader.claim(-length % 8, f"the padding of {self.what}", self.clause)
        key = data[start : start + 2]
        if key == EXPERIMENTER and length >= 10:
            key += data[start + 4 : start + 10]
        cls = self.classes.get(key)
        if cls is None:
            return self.unknown(kind, inner.read())
        inner.at += len(key) - 2
        value = cls.wire.read(inner)
        if self.counts_padding and (left := -(inner.at - start) % 8):
            inner.claim(left, f"the padding of {self.what}", self.clause)
        inner.finish(f"{self.what} of kind {kind}", self.clause)
        return value

    def write(self, value: Any) -> bytes:
        """Give one structure with its head and padding."""
        key = self._keys.get(type(value))
        if key is None:
            return self._write_unknown(value)
        body: bytes = key[2:] + value.wire.write(value)
        pad = bytes(-(4 + len(body)) % 8)
        return key[:2] + _LENGTH.pack(4 + len(body) + len(pad) * self.counts_padding) + body + pad

    def _write_unknown(self, value: Any) -> bytes:
        if not isinstance(value, self.unknown):
            raise TypeError(f"{value!r} is not {self.what}")
        body: bytes = value.body
        pad = bytes(-(4 + len(body)) % 8)
        if pad and self.counts_padding:
            raise EncodeError(f"{type(value).__name__}.body", f"{len(body)} bytes after a head of 4 do not fill 8s")
        return _HEAD.pack(value.kind, 4 + len(body)) + body + pad
