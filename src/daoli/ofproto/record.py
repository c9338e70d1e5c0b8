"""One class body is both a Python type and the construct declaration of its bytes.

A frozen dataclass says of each field what it is and how it is written: `priority: Annotated[int, Int16ub]`. The
decorator `wired` reads that and gives the class its `wire`: a `Record`, a construct like any other. What stands in an
annotation without a name (`Padding(4)`) is written before or after the field it stands with; a ClassVar is bytes
without a field. Fixed fields that stand together are read by one `struct` call.
"""

import dataclasses
import struct
import typing
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, NamedTuple, TypeVar

from construct import Bytes, Construct, ConstructError, FormatField, GreedyBytes, Padded, Pass

from daoli.ofproto.errors import DecodeError, EncodeError, check_bytes, shown
from daoli.ofproto.wire import Many, Reader, Wire, reads, writes


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


_IN_WORDS: dict[type[Exception], str] = {
    AttributeError: "it is not, or does not hold, what belongs there",
    OverflowError: "a number does not fit",
    struct.error: "a number does not fit",
}
"""What is said for errors whose own words are about Python, not about the value."""


class Record(Wire):
    """The fields of one class, in the order of its body; reads to an instance of it."""

    def __init__(self, cls: type[Structure], clause: str) -> None:
        super().__init__()
        self.cls, self.clause = cls, clause
        self.parts = _parts(cls)
        self.steps = _steps(self.parts)
        self._reads = [
            # Padding that stands by itself behind what has a length is where that says, and must be zero.
            (step.packed if step.names or step is self.steps[0] else None, step.packed.size if step.packed else 0, read)
            for step in self.steps
            for read in (reads(step.parts[0].con) if step.names else None,)
        ]

    def values(self, reader: Reader) -> list[Any]:
        """Take the fields' values, in order."""
        values: list[Any] = []
        for packed, size, read in self._reads:
            if packed is None:
                if read is None:
                    reader.pad(size, f"padding in {self.cls.__name__}", self.clause)
                else:
                    values.append(read(reader))
                continue
            at = reader.at
            if at + size > reader.end:
                self._short(reader)
            values += packed.unpack_from(reader.data, at)
            reader.at = at + size
        return values

    def listed(self) -> tuple[str, Many] | None:
        """Give the name and the construct of the list that an instance is, if it is nothing else."""
        match self.parts:
            case [Part(str(name), Many() as many)]:
                return name, many
        return None

    def read(self, reader: Reader) -> Any:
        """Take one instance."""
        return self.cls(*self.values(reader))

    def write(self, value: Any) -> bytes:
        """Give an instance's bytes; a value that does not fit is an EncodeError that names it."""
        written = []
        for step in self.steps:
            try:
                values = [getattr(value, name) for name in step.names]
            except AttributeError:
                raise TypeError(f"{shown(value)} is not a {self.cls.__name__}") from None
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
        except (ConstructError, ArithmeticError, ValueError, TypeError, AttributeError, struct.error) as error:
            name = f"{self.cls.__name__}.{part.name}"
            if part.con is GreedyBytes:
                check_bytes(name, value)
            reason = _IN_WORDS.get(type(error), error)
            raise EncodeError(name, f"{reason}, given {shown(value)}") from error

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
        return None if fits else f"{shown(value)} is not {con.length} bytes"
    try:
        struct.pack(f"!{_code(con)}", value)
    except struct.error:
        return f"{shown(value)} is not an unsigned number of {8 * con.length} bits"
    return None


def wired(clause: str) -> Callable[[type[S]], type[S]]:
    """Give a dataclass its `wire`, read from its annotations; `clause` is where the specification declares it."""

    def declare(cls: type[S]) -> type[S]:
        cls.wire = Record(cls, clause)
        return cls

    return declare
