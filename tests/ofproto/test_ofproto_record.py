"""Class bodies as declarations."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, ClassVar

import pytest
from construct import Bytes, GreedyBytes, Int8ub, Int16ub, Padding
from hypothesis import Phase, find, settings
from tests.ofproto.strategies import JUNK, instances

from daoli.ofproto import DecodeError, EncodeError, Message
from daoli.ofproto.record import Structure, wired
from daoli.ofproto.wire import Pair, Text


@wired("9.9")
@dataclass(frozen=True, slots=True)
class Sample(Structure):
    """Fields of every kind."""

    _start: ClassVar[Annotated[None, Padding(1)]] = None
    small: Annotated[int, Int8ub, Padding(2)]
    wide: Annotated[int, Padding(1), Int16ub]
    raw: Annotated[bytes, Bytes(3)] = b"abc"
    words: Annotated[str, Text(4)] = ""
    both: Annotated[tuple[int, int], Pair()] = (0, 0)
    rest: Annotated[bytes, GreedyBytes] = b""
    remark: str = "not on the wire"


def test_layout() -> None:
    """Fields and padding are written in the order of the class body, what is not annotated is not written."""
    sample = Sample(1, 2, b"xyz", "hi", (3, 4), b"!")
    data = bytes.fromhex("00 01 0000 00 0002 78797a 68690000 00000003 00000004 21")
    assert Sample.wire.build(sample) == Sample.wire.write(sample) == data
    assert Sample.wire.parse(data) == sample


def test_fixed_fields_are_one_step() -> None:
    """Neighbours of fixed size are read at once."""
    assert [step.names for step in Sample.wire.steps] == [("small", "wide", "raw"), ("words",), ("both",), ("rest",)]


def test_cut_short() -> None:
    """Bytes that end within the fields are refused, with the clause of the class."""
    for size in range(Sample.wire.steps[0].packed.size if Sample.wire.steps[0].packed else 0):
        with pytest.raises(DecodeError, match="Sample is cut short") as refusal:
            Sample.wire.parse(bytes(size))
        assert (refusal.value.offset, refusal.value.clause) == (size, "9.9")


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        (Sample(256, 0), "Sample.small: 256 is not an unsigned number of 8 bits"),
        (Sample(0, -1), "Sample.wide: -1 is not an unsigned number of 16 bits"),
        (Sample(0, 0, b"ab"), "Sample.raw: b'ab' is not 3 bytes"),
        (Sample(0, 0, "abc"), "Sample.raw: 'abc' is not 3 bytes"),  # type: ignore[arg-type]
        (Sample(0, 0, words="fives"), "Sample.words: 'fives' is not a string of at most 4 bytes without NUL"),
        (Sample(0, 0, both=(1, 2, 3)), "Sample.both: too many values"),  # type: ignore[arg-type]
        (Sample(0, 0, both=(1, -2)), "Sample.both"),
        (Sample(0, 0, rest=5), "Sample.rest"),  # type: ignore[arg-type]
    ],
)
def test_blame(sample: Sample, words: str) -> None:
    """A value that does not fit is an EncodeError that begins with its field."""
    with pytest.raises(EncodeError) as refusal:
        Sample.wire.write(sample)
    assert str(refusal.value).startswith(words)


def declared(base: type[Structure] = Structure) -> Iterator[type[Structure]]:
    """Give every class that has bytes of its own, but messages."""
    for cls in base.__subclasses__():
        if "wire" in vars(cls) and cls.__module__.startswith("daoli.") and not issubclass(cls, Message):
            yield cls
        yield from declared(cls)


ONE = settings(database=None, phases=(Phase.generate,))
STRUCTURES: list[type[Structure]] = sorted(declared(), key=lambda cls: cls.__name__)


PYTHONS = re.compile(
    "object has no|format requires|unsupported|required argument|out of range|to convert|to unpack|must be"
)
"""What Python says about its own code where a value does not fit."""


@pytest.mark.parametrize("cls", STRUCTURES, ids=lambda cls: cls.__name__)
def test_junk_is_refused_by_name(cls: type[Structure]) -> None:
    """Whatever stands in a field of a structure has bytes that are read, or is an EncodeError that names the field."""
    instance: Any = find(instances(cls), lambda _: True, settings=ONE)
    for field in (field for field in fields(instance) if field.init):
        for junk in JUNK:
            try:
                data = cls.wire.write(replace(instance, **{field.name: junk}))
            except EncodeError as error:
                assert error.field == f"{cls.__name__}.{field.name}"  # noqa: PT017 - it need not be raised
                assert not PYTHONS.search(error.reason)  # noqa: PT017
                continue
            assert cls.wire.write(cls.wire.parse(data)) == data
