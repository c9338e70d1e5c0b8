"""Constructs that read from one window on a message, and write bytes.

construct's own combinators are not used for nesting: `GreedyRange` stops silently at a bad item, nested streams lose
the offset, and each copies its bytes. Here all levels read from one `Reader`, so a message is read in linear time and
errors know the absolute offset. How a class declares its bytes is in `record`.

Padding (7.1.2): it is written as zero, as all that Open vSwitch sends is. Where a length says where it stands, behind
a match, an action, a property, it must be zero when received: otherwise the length is wrong, and bytes would be lost.
At a fixed place in its structure it is ignored, whatever it holds, and so is what follows the first NUL of a fixed-size
string: a message in which that is dirty encodes to the clean form. All others encode back to the bytes they came from.

Lengths: each, at every depth, must be filled exactly by what it measures, and a wrong one is a DecodeError wherever the
bytes can tell. They cannot where a length divides bytes that nothing explains (a packet's data, an experimenter's, a
list of tables, those of an unknown kind) from zeros or from what stands beside them, nor where what is at the end of
one list could as well be in another: of an unknown kind, or as an action beside a clone that could be in it. Such a lie
moves bytes across; none is lost, and the message that is read encodes back to the very same.
"""

import struct
from collections.abc import Callable
from typing import Annotated, Any

from construct import Bytes, Construct, Int8ub, Int16ub, Int32ub, Int64ub, stream_write

from daoli.ofproto.errors import DecodeError, EncodeError

U8 = Annotated[int, Int8ub]
U16 = Annotated[int, Int16ub]
U32 = Annotated[int, Int32ub]
U64 = Annotated[int, Int64ub]
Mac = Annotated[bytes, Bytes(6)]
Ipv4 = Annotated[bytes, Bytes(4)]

_LENGTH = struct.Struct("!H")


class Reader:
    """A window on a message's bytes: a stream for constructs, whose position is the absolute offset.

    `depth` counts the things of one kind that it is within, as actions in actions.
    """

    __slots__ = ("at", "data", "depth", "end")

    def __init__(self, data: bytes, at: int, end: int, depth: int = 0) -> None:
        self.data = data
        self.at = at
        self.end = end
        self.depth = depth

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

    def pad(self, size: int, what: str, clause: str) -> None:
        """Step over padding that stands where a length says: it is there and zero, or the length was wrong."""
        at = self.claim(size, what, clause)
        if self.data[at : self.at].strip(b"\0"):
            raise DecodeError(at, f"{what} is not zero", clause)

    def window(self, size: int, what: str, clause: str) -> "Reader":
        """Step over `size` bytes, which must be there, and give a reader of just these."""
        at = self.claim(size, what, clause)
        return Reader(self.data, at, at + size, self.depth)

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


def check_items(value: object) -> None:
    """Insist on a tuple, or a list: what else one could go through has no order, or is something else."""
    if not isinstance(value, tuple | list):
        raise TypeError("it is no tuple")


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


class Quad(Wire):
    """Four numbers of 32 bits."""

    _quad = struct.Struct("!4I")

    def read(self, reader: Reader) -> tuple[int, int, int, int]:
        """Take all four."""
        return self._quad.unpack_from(reader.data, reader.claim(16, "a number for each type of group", "7.3.5.11"))

    def write(self, value: tuple[int, int, int, int]) -> bytes:
        """Give all four."""
        return self._quad.pack(*value)


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
        check_items(value)
        return struct.pack(f"!{len(value)}I", *value)


class Many(Wire):
    """As many `item` as fill what encloses them, and not a byte more."""

    def __init__(self, item: Construct) -> None:
        super().__init__()
        self.item = item
        self._read, self._write = reads(item), writes(item)

    def read(self, reader: Reader) -> tuple[Any, ...]:
        """Take items until nothing is left; each must take something."""
        return tuple(self.read_until(reader, reader.end))

    def read_until(self, reader: Reader, stop: int) -> list[Any]:
        """Take items until the reader is at `stop`, or beyond."""
        values = []
        while (at := reader.at) < stop:
            values.append(self._read(reader))
            if reader.at == at:
                raise DecodeError(at, "an empty item in a list", "7.1.1")
        return values

    def write(self, value: tuple[Any, ...]) -> bytes:
        """Give the items, end to end."""
        if type(value) is not tuple:
            check_items(value)
        return b"".join([self._write(item) for item in value])


MAX_DEPTH = 100
"""How deep actions may stand within actions: as ovs-ofctl has it; ovs-vswitchd takes what a message holds."""


def depth_with(field: str, held: object) -> int:
    """Give the depth of what holds these, one more than the deepest's; beyond `MAX_DEPTH` an EncodeError."""
    items = held if isinstance(held, tuple | list) else ()
    depth: int = 1 + max((getattr(item, "depth", 0) for item in items), default=0)
    if depth > MAX_DEPTH:
        raise EncodeError(field, f"nested deeper than {MAX_DEPTH}")
    return depth


def packed_length(length: int) -> bytes:
    """Give the 16 bits that say a length or a count; ValueError if they do not suffice."""
    try:
        return _LENGTH.pack(length)
    except struct.error:
        raise ValueError(f"its length, {length}, does not fit 16 bits") from None


class Nested(Wire):
    """A `con` that may hold itself, to the depth that is allowed; 64 KiB could hold thousands.

    What it is read to says its `depth_with` when it is made: so none is deeper than can be read, compared and shown.
    """

    def __init__(self, con: Construct, clause: str) -> None:
        super().__init__()
        self.con, self.clause = con, clause
        self._read, self._write = reads(con), writes(con)

    def read(self, reader: Reader) -> Any:
        """Take all that is left, one level deeper."""
        if reader.depth >= MAX_DEPTH:
            raise DecodeError(reader.at, f"nested deeper than {MAX_DEPTH}", self.clause)
        inner = Reader(reader.data, reader.at, reader.end, reader.depth + 1)
        value = self._read(inner)
        reader.at = inner.at
        return value

    def write(self, value: Any) -> bytes:
        """Give its bytes."""
        try:
            return self._write(value)
        except RecursionError:  # of a caller that is deep in calls itself
            raise ValueError("nested deeper than the stack has room for") from None


class Tally(Wire):
    """A u16 that counts the numbers of 16 bits behind it, after some padding."""

    def __init__(self, pad: int, clause: str) -> None:
        super().__init__()
        self.pad, self.clause = pad, clause

    def read(self, reader: Reader) -> tuple[int, ...]:
        """Take the count, and so many numbers."""
        (count,) = _LENGTH.unpack_from(reader.data, reader.claim(2 + self.pad, "a count", self.clause))
        return struct.unpack_from(f"!{count}H", reader.data, reader.claim(2 * count, "what was counted", self.clause))

    def write(self, value: tuple[int, ...]) -> bytes:
        """Give the count and the numbers."""
        check_items(value)
        return packed_length(len(value)) + bytes(self.pad) + struct.pack(f"!{len(value)}H", *value)


class Fill(Wire):
    """Bytes that fill their structure to a multiple of 8: `after` are those that stand before them."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after

    def read(self, reader: Reader) -> bytes:
        """Take all that is left."""
        return reader.read()

    def write(self, value: bytes) -> bytes:
        """Give them."""
        if not isinstance(value, bytes):
            raise TypeError("it is not bytes")
        if (self.after + len(value)) % 8:
            raise ValueError(f"{len(value)} bytes after {self.after} do not fill 8s")
        return value


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
        return packed_length(len(body)) + bytes(self.pad) + body


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
        return packed_length(2 + len(body)) + body


class Measured(Wire):
    """A structure that holds its own length, a u16 at byte `at`, where its class has padding."""

    def __init__(self, con: Construct, at: int, clause: str) -> None:
        super().__init__()
        self.con, self.at, self.clause = con, at, clause
        self._read, self._write = reads(con), writes(con)

    def read(self, reader: Reader) -> Any:
        """Take the structure, which must be as long as it says."""
        start = reader.claim(self.at + 2, "what begins with a length", self.clause)
        (length,) = _LENGTH.unpack_from(reader.data, start + self.at)
        if length < self.at + 2:
            raise DecodeError(start + self.at, f"a length of {length} does not count itself", self.clause)
        reader.at = start
        inner = reader.window(length, "what its length announces", self.clause)
        value = self._read(inner)
        inner.finish("what was counted", self.clause)
        return value

    def write(self, value: Any) -> bytes:
        """Give the structure, its length put in."""
        body = self._write(value)
        return body[: self.at] + packed_length(len(body)) + body[self.at + 2 :]
