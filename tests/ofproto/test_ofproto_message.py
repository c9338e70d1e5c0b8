"""Bytes to messages and back, for every class there is, and for bytes that nobody meant."""

import re
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from construct import ConstructError
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ofproto.capture import Listener
from tests.ofproto.examples import EXAMPLES
from tests.ofproto.lengths import message_lengths
from tests.ofproto.oracles import ovs_print, tshark_print
from tests.ofproto.strategies import CLASSES, JUNK, messages, messages_of

import daoli.ofproto
from daoli.ofproto import (
    NICIRA,
    ONF,
    Action,
    ApplyActions,
    BarrierReply,
    BarrierRequest,
    BundleAdd,
    Bundled,
    Clone,
    Ct,
    CtOriginal,
    CtReply,
    DecodeError,
    DecTtlCntIds,
    EchoRequest,
    EncodeError,
    Error,
    ExperimenterMessage,
    ExperimenterMultipart,
    FeaturesRequest,
    FlowMod,
    FlowMonitorReply,
    GroupMod,
    Hello,
    IpfixBridgeReply,
    IpfixFlowReply,
    Match,
    Members,
    Message,
    MessageType,
    NiciraFlowMonitorCancel,
    NiciraFlowMonitorPaused,
    NiciraFlowMonitorResumed,
    NiciraPacketIn,
    NiciraSubtype,
    Note,
    Output,
    Oxm,
    OxmId,
    PacketData,
    PacketIn,
    PacketIn2,
    PacketOut,
    Port,
    PortStatus,
    RegMove,
    RoleRequest,
    SetFlowFormat,
    TableFeatures,
    TableFeaturesReply,
    TableNextTables,
    TableNextTablesMiss,
    UnknownExperimenterReply,
    UnknownMessage,
    VersionBitmap,
    decode,
)
from daoli.ofproto.experimenter import EXPERIMENTER_MESSAGES, EXPERIMENTER_REPLIES, EXPERIMENTER_REQUESTS
from daoli.ofproto.message import MESSAGES, check_message
from daoli.ofproto.multipart import REPLIES, REQUESTS, UnknownMultipartReply, UnknownMultipartRequest
from daoli.ofproto.onf import MAX_BUNDLES
from daoli.ofproto.wire import MAX_DEPTH

few = settings(max_examples=25, deadline=None)
many = settings(max_examples=400, deadline=None)


def frame(kind: int, body: bytes, version: int = 4, length: int | None = None) -> bytes:
    """Frame a body as a message of that type."""
    return struct.pack("!BBHI", version, kind, 8 + len(body) if length is None else length, 0) + body


# Every class


def test_every_class_is_covered() -> None:
    """What is registered is exported, has an example, and is therefore drawn from and shown to the oracles."""
    registered = {*MESSAGES.values(), *REQUESTS.values(), *REPLIES.values(), UnknownMessage}
    registered |= {*EXPERIMENTER_MESSAGES.values(), *EXPERIMENTER_REQUESTS.values(), *EXPERIMENTER_REPLIES.values()}
    assert registered == set(CLASSES) == set(EXAMPLES)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_round_trip(cls: type[Message]) -> None:
    """Any message of the class is read back as it was written, from a frame of the length its header says."""

    @few
    @given(messages_of(cls))
    def round_trip(message: Message) -> None:
        data = message.encode()
        assert int.from_bytes(data[2:4], "big") == len(data)
        assert decode(data) == message

    round_trip()


@pytest.mark.parametrize("message", EXAMPLES.values(), ids=lambda message: type(message).__name__)
def test_every_cut_is_refused_or_shorter(message: Message) -> None:
    """A message cut anywhere is a DecodeError, and with a length that agrees, at worst another message."""
    data = message.encode()
    for size in range(len(data)):
        with pytest.raises(DecodeError):
            decode(data[:size])
        if size >= 8:
            try_decode(data[:2] + size.to_bytes(2, "big") + data[4:size])


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_repr_is_python(cls: type[Message]) -> None:
    """What a message's repr says makes an equal message, with the names of the package."""

    @few
    @given(messages_of(cls))
    def says(message: Message) -> None:
        assert eval(repr(message), dict(vars(daoli.ofproto))) == message  # noqa: S307

    says()
    assert eval(repr(EXAMPLES[cls]), dict(vars(daoli.ofproto))) == EXAMPLES[cls]  # noqa: S307


# Hostile bytes


LIES: tuple[Callable[[int], int], ...] = (
    lambda length: length - 1,
    lambda length: length + 1,
    lambda length: length - 8,
    lambda length: length + 8,
    lambda _: 0,
    lambda _: 0xFFFF,
)


@pytest.mark.parametrize("message", EXAMPLES.values(), ids=lambda message: type(message).__name__)
def test_every_lie_is_refused_or_consistent(message: Message) -> None:
    """Whatever 16 bits of a message lie, it is refused, or is another message of just these bytes.

    Every length field is among them. A lie that was believed but led out of step would encode to other bytes.
    """
    data = message.encode()
    for at in range(0, len(data) - 1, 2):
        (said,) = struct.unpack_from("!H", data, at)
        for lie in {tell(said) & 0xFFFF for tell in LIES} - {said}:
            told = data[:at] + lie.to_bytes(2, "big") + data[at + 2 :]
            if (read := try_decode(told)) is not None:
                check_consistent(told, read)


BELIEVED: dict[tuple[str, str], set[str]] = {
    ("PacketOut", "Counted"): {"0"},
    ("TableFeaturesReply", "TableNextTables"): {"+8"},
    ("TableFeaturesReply", "TableNextTablesMiss"): {"+1"},
    ("CtFlush", "CtOriginal"): {"-8"},
    ("CtFlush", "CtReply"): {"-8", "+8"},
    ("PacketIn2", "PacketData"): {"-1", "+1"},
    ("PacketIn2", "PacketUserdata"): {"+1"},
    ("Resume", "PacketData"): {"-1", "+1"},
}
"""The lies about a length that the examples' bytes cannot give away: nothing says what stands on one side of it."""


def lies_of(message: Message) -> Iterator[tuple[str, str, bytes]]:
    """Give each length of a message, each lie about it, and the message that tells the lie."""
    data = message.encode()
    for at, size, owner in message_lengths(message):
        said, most = int.from_bytes(data[at : at + size], "big"), 256**size - 1
        lies = {"-1": said - 1, "+1": said + 1, "-8": said - 8, "+8": said + 8, "0": 0, "max": most}
        for name, lie in lies.items():
            if lie & most != said:
                yield owner, name, data[:at] + (lie & most).to_bytes(size, "big") + data[at + size :]


def test_every_lie_about_a_length_is_refused() -> None:
    """In each example each length, however deep, told wrong by one, by eight, as zero or at most, is a DecodeError.

    Those that are not are listed, and all of those that are listed occur.
    """
    believed: dict[tuple[str, str], set[str]] = {}
    for message in EXAMPLES.values():
        for owner, lie, told in lies_of(message):
            if (read := try_decode(told)) is not None:
                assert read.encode() == told
                believed.setdefault((type(message).__name__, owner), set()).add(lie)
    assert believed == BELIEVED


def unexplained(value: Any) -> Iterator[object]:
    """Give the bytes of a message that no declaration explains, and the numbers that say nothing of what they are."""
    if isinstance(value, Oxm):
        if value.field is None or value.field.elastic:
            yield value
    elif isinstance(value, (OxmId, VersionBitmap, Members, DecTtlCntIds, Clone, Ct, CtOriginal, CtReply)):
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from unexplained(getattr(value, field.name))
        if type(value).__name__.startswith("Unknown"):
            yield value
    elif isinstance(value, (tuple, Match)):
        for item in value:
            yield from unexplained(item)
    elif isinstance(value, bytes):
        yield value


@many
@given(messages)
def test_a_lie_that_is_believed_moved_the_unexplained(message: Message) -> None:
    """Of any message, a lie about a length is refused, or all that it did was to move bytes that nothing explains.

    These are opaque bytes, what has no class, zeros behind them, and actions beside a clone that could be in it; the
    message that is read still has all the bytes.
    """
    for _, _, told in lies_of(message):
        if (read := try_decode(told)) is not None:
            check_consistent(told, read)
            assert [*unexplained(read)] != [*unexplained(message)] or read.encode() != told


def check_consistent(data: bytes, message: Message) -> None:
    """Insist that a message was read out of all of its bytes: it encodes to the same, padding apart."""
    clean = message.encode()
    assert len(clean) == len(data)
    assert clean == data or decode(clean) == message
    for at, (was, now) in enumerate(zip(data, clean, strict=True)):
        if was != now:  # then it is padding: written as zero, and of no account whatever it holds
            assert now == 0
            assert decode(clean[:at] + bytes([was]) + clean[at + 1 :]) == message


def try_decode(data: bytes) -> Message | None:
    """Decode; whatever is raised but a DecodeError fails the test."""
    try:
        return decode(data)
    except DecodeError as error:
        check_refusal(error, len(data))
        return None


def check_refusal(error: DecodeError, size: int) -> None:
    """Insist that a refusal says where, what and against which clause."""
    assert 0 <= error.offset <= size
    assert error.reason
    assert re.fullmatch(r"[67](\.\d+)+", error.clause)


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    """Draw a message with bytes flipped, cut out, put in or overwritten, the header's length true or not."""
    data = bytearray(draw(messages).encode())
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        change = draw(st.sampled_from(["flip", "cut", "insert", "number"]))
        if change == "flip" and at < len(data):
            data[at] ^= draw(st.integers(1, 255))
        elif change == "cut":
            del data[at : at + draw(st.integers(1, 8))]
        elif change == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=8))
        elif change == "number":
            data[at : at + 2] = draw(st.sampled_from([0, 1, 3, 4, 7, 8, 0xFFFF])).to_bytes(2, "big")
    if draw(st.booleans()) and len(data) >= 4:
        data[2:4] = (len(data) & 0xFFFF).to_bytes(2, "big")
    return bytes(data)


@many
@given(mutants())
def test_mutants(data: bytes) -> None:
    """A damaged message is a message or a DecodeError; as a message it encodes to the same, padding apart."""
    if (message := try_decode(data)) is not None:
        check_consistent(data, message)


@many
@given(st.sampled_from([*range(32), 255]), st.binary(max_size=120))
def test_noise(kind: int, body: bytes) -> None:
    """Noise behind a true header is a message or a DecodeError."""
    try_decode(frame(kind, body))


@many
@given(st.binary(max_size=24))
def test_sheer_noise(data: bytes) -> None:
    """Noise is a DecodeError, or by chance a message."""
    try_decode(data)


def filled(head: bytes, unit: bytes, tail: bytes = b"") -> bytes:
    """Fill 16 KiB with a unit."""
    return head + unit * ((16384 - 8 - len(head) - len(tail)) // len(unit)) + tail


def hostile() -> Iterator[tuple[str, bytes]]:
    """Give messages of 16 KiB that hold as many small things as they can."""
    flow = bytes(40) + bytes.fromhex("0001000400000000")
    for name, unit in {
        "dec_ttl": "0018000800000000",
        "unknown action": "7718000800000000",
        "set_field": "0019001080000a020800000000000000",
        "conjunction": "ffff0010000023200022000000000000",
        "experimenter": "ffff0008deadbeef",
    }.items():
        actions = filled(bytes(16), bytes.fromhex(unit))[16:]
        yield f"packet_out of {name}", frame(13, bytes(8) + struct.pack("!H6x", len(actions)) + actions)
        actions = filled(flow + bytes(8), bytes.fromhex(unit))[len(flow) + 8 :]
        yield f"flow_mod of {name}", frame(14, flow + struct.pack("!HH4x", 4, 8 + len(actions)) + actions)
    yield "instructions", frame(14, filled(flow, bytes.fromhex("0001000800000000")))
    yield "empty instructions", frame(14, filled(flow, bytes.fromhex("0004000800000000")))
    for name, unit in {
        "empty oxm": "12340000",
        "experimenter's oxm": "ffff3404deadbeef",
        "nsh": "ffff0205005ad65001",
        "tun_metadata": "0001500100",
        "short oxm": "8000120101",
        "masked oxm": "800017080a0000000a000000",
    }.items():
        oxms = filled(bytes(28), bytes.fromhex(unit))[28:]
        padding = bytes(-(4 + len(oxms)) % 8 + 2)
        yield f"packet_in of {name}", frame(10, bytes(16) + struct.pack("!HH", 1, 4 + len(oxms)) + oxms + padding)
    yield "hello elements", frame(0, filled(b"", bytes.fromhex("0007000400000000")))
    yield "version bitmaps", frame(0, filled(b"", bytes.fromhex("0001000400000000")))
    yield "one version bitmap", frame(0, struct.pack("!HH", 1, 16372) + bytes(16372 - 4 + 4))
    yield "flow stats", frame(19, filled(struct.pack("!HH4x", 1, 0), struct.pack("!H46xHH4x", 56, 1, 4)))
    yield "table stats", frame(19, filled(struct.pack("!HH4x", 3, 0), bytes(24)))
    yield "port stats", frame(19, filled(struct.pack("!HH4x", 4, 0), bytes(112)))
    yield "ports", frame(19, filled(struct.pack("!HH4x", 13, 0), bytes(64)))
    yield "buckets", frame(15, filled(bytes(8), struct.pack("!H14x", 16)))
    actions = bytes.fromhex("0018000800000000")
    yield "buckets of dec_ttl", frame(15, filled(bytes(8), struct.pack("!H14x", 24) + actions))
    yield "drop bands", frame(29, filled(bytes(8), struct.pack("!HH12x", 1, 16)))
    yield "unknown bands", frame(29, filled(bytes(8), struct.pack("!HH", 9, 4)))
    yield "queues", frame(23, filled(bytes(8), struct.pack("!8xH6x", 16)))
    properties = filled(bytes(24), struct.pack("!HH", 9, 4))[24:]
    yield "queue properties", frame(23, bytes(8) + struct.pack("!8xH6x", 16 + len(properties)) + properties)
    for name, kind, unit in (
        ("instructions", 0, "00010004"),
        ("next tables", 2, "01"),
        ("actions", 4, "00190004"),
        ("fields", 8, "80000004"),
        ("experimenters' fields", 10, "ffff000400000001"),
    ):
        ids = filled(bytes(84), bytes.fromhex(unit))[84:]
        padding = bytes(-(4 + len(ids)) % 8)
        table = struct.pack("!H62xHH", 68 + len(ids) + len(padding), kind, 4 + len(ids)) + ids + padding
        yield f"table features of {name}", frame(19, struct.pack("!HH4x", 12, 0) + table)
    properties = filled(bytes(72), struct.pack("!HH4x", 0, 4))[72:]
    table = struct.pack("!H62x", 64 + len(properties)) + properties
    yield "empty properties", frame(19, struct.pack("!HH4x", 12, 0) + table)
    yield "tables", frame(19, filled(struct.pack("!HH4x", 12, 0), struct.pack("!H62x", 64)))
    yield "group stats", frame(19, filled(struct.pack("!HH4x", 6, 0), struct.pack("!H38x", 40)))
    counters = filled(bytes(48), bytes(16))[48:]
    yield "bucket counters", frame(19, struct.pack("!HH4x", 6, 0) + struct.pack("!H38x", 40 + len(counters)) + counters)
    yield "group descs", frame(19, filled(struct.pack("!HH4x", 7, 0), struct.pack("!H6x", 8)))
    yield "meter stats", frame(19, filled(struct.pack("!HH4x", 9, 0), struct.pack("!4xH34x", 40)))
    yield "meter configs", frame(19, filled(struct.pack("!HH4x", 10, 0), struct.pack("!H6x", 8)))
    yield "queue stats", frame(19, filled(struct.pack("!HH4x", 5, 0), bytes(40)))
    yield "zero lengths", frame(13, filled(bytes(8) + struct.pack("!H6x", 16352), bytes(8)))


def hostile_extensions() -> Iterator[tuple[str, bytes]]:
    """Give messages of 16 KiB that hold as many small things as they can, of those that are Open vSwitch's own."""
    for name, unit in {
        "learn": "ffff002000002320001000000000000000000000000000000000000000000000",
        "learn of one bit": "ffff0028000023200010" + "00" * 22 + "3001000030010000",
        "dec_ttl of many ids": "ffff00180000232000150003000000000001000200030000",
        "nat": "ffff00180000232000240000000100010a00000100000000",
        "ct with nat": "ffff002800002320002300010000000000000500000000" + "00" + "ffff0010000023200024000000010000",
        "clone": "ffff001000002320002a000000000000",
        "controller2": "ffff00200000232000250000000000000003000901020304050000000000" + "0000",
        "encap": "ffff001800002320002e00000001894f0004010501000000",
        "reg_load2": "ffff001800002320002100010b08" + "00" * 10,
    }.items():
        assert len(bytes.fromhex(unit)) % 8 == 0, name
        actions = filled(bytes(16), bytes.fromhex(unit))[16:]
        yield f"packet_out of {name}", frame(13, bytes(8) + struct.pack("!H6x", len(actions)) + actions)
    specs = filled(bytes(8 + 16 + 32), bytes.fromhex("30010000"))[8 + 16 + 32 :]
    specs += bytes(-len(specs) % 8)
    learn = struct.pack("!HHIH22x", 0xFFFF, 32 + len(specs), NICIRA, NiciraSubtype.LEARN) + specs
    yield "packet_out of a long learn", frame(13, bytes(8) + struct.pack("!H6x", len(learn)) + learn)
    nicira = struct.pack("!II", NICIRA, 30)
    yield (
        "packet_in2 of metadata",
        frame(4, nicira + struct.pack("!HH", 6, 16300) + bytes.fromhex("12340000") * 4074 + bytes(4)),
    )
    yield "packet_in2 of properties", frame(4, filled(nicira, bytes.fromhex("0009000400000000")))
    yield (
        "flow updates",
        frame(19, filled(struct.pack("!HH4xII", 0xFFFF, 0, ONF, 1870), bytes.fromhex("0008000300000001"))),
    )
    yield "tlv maps", frame(4, filled(struct.pack("!II8x", NICIRA, 24), bytes(8)))


HOSTILE = {**dict(hostile()), **dict(hostile_extensions())}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_message_is_slow(name: str) -> None:
    """A message of 16 KiB is decoded or refused in 50 ms of CPU, however many things are in it."""
    data = HOSTILE[name]
    assert 16200 < len(data) <= 16384
    spent, message = 1.0, None
    for _ in range(3):
        start = process_time()
        message = try_decode(data)
        spent = min(spent, process_time() - start)
        if spent < 0.05:
            break
    assert spent < 0.05
    assert (message is None) == (name == "zero lengths")


@pytest.mark.parametrize("name", HOSTILE)
def test_no_message_is_big(name: str) -> None:
    """A message of 16 KiB takes no more than 4 MiB while it is decoded, and once it is."""
    tracemalloc.start()
    try:
        try_decode(HOSTILE[name])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20


def nested(wrap: Callable[[bytes], bytes], size: int) -> bytes:
    """Put nothing into something again and again, until it has that size."""
    body = b""
    while (larger := len(wrap(body))) <= size:
        body = wrap(body)
        assert len(body) == larger
    return body


def in_clone(body: bytes) -> bytes:
    """Put actions into a clone."""
    return struct.pack("!HHIH6x", 0xFFFF, 16 + len(body), NICIRA, NiciraSubtype.CLONE) + body


def in_ct(body: bytes) -> bytes:
    """Put actions into a ct."""
    return struct.pack("!HHIH14x", 0xFFFF, 24 + len(body), NICIRA, NiciraSubtype.CT) + body


def in_bundle(body: bytes) -> bytes:
    """Put a message into a bundle."""
    return frame(4, struct.pack("!IIIHH", ONF, 2301, 1, 0, 0) + (body or FeaturesRequest().encode()))


def sent(actions: bytes) -> bytes:
    """Put actions into a packet_out."""
    return frame(13, bytes(8) + struct.pack("!H6x", len(actions)) + actions)


@pytest.mark.parametrize("size", [4000, 16384, 65000])
@pytest.mark.parametrize(
    "nest",
    [
        lambda size: sent(nested(in_clone, size)),
        lambda size: sent(nested(in_ct, size)),
        lambda size: sent(nested(lambda body: in_clone(in_ct(body)), size)),
        lambda size: nested(in_bundle, size),
        lambda size: in_bundle(in_bundle(sent(nested(in_clone, size - 100)))),
    ],
    ids=["clone", "ct", "both", "bundle", "clone in bundle"],
)
def test_nothing_nests_deeply(nest: Callable[[int], bytes], size: int) -> None:
    """What may hold itself, and bytes could have do so thousands of times, is refused at a depth, and at once."""
    data = nest(size)
    with pytest.raises(DecodeError, match=r"nested deeper than (100|8) ") as refusal:
        decode(data)
    check_refusal(refusal.value, len(data))
    spent = []
    for _ in range(3):
        start = process_time()
        assert try_decode(data) is None
        spent.append(process_time() - start)
    assert min(spent) < 0.05


def test_depth() -> None:
    """Up to the depth that is allowed, what holds itself is read, written, compared and shown; deeper is not made."""
    act: Action = Output(1)
    for n in range(MAX_DEPTH):
        act = Ct(actions=(act,)) if n % 2 else Clone((act,))
    message: Message = FlowMod(instructions=(ApplyActions((act,)),))
    for n in range(MAX_BUNDLES):
        message = BundleAdd(n, 0, Bundled(message))
    again = decode(message.encode())
    assert (again, hash(again), repr(again)) == (message, hash(message), repr(decode(again.encode())))
    assert str(again).count("clone(") == str(again).count("ct(") == MAX_DEPTH // 2
    for field, deeper in (
        ("Clone.actions: nested deeper than 100", lambda: Clone((act,))),
        ("Ct.actions: nested deeper than 100", lambda: Ct(actions=(Output(1), act))),
        ("Bundled.message: nested deeper than 8", lambda: Bundled(message)),
    ):
        with pytest.raises(EncodeError, match=field):
            deeper()
    wide = Clone((Clone(()), Output(1)) * 500)
    assert wide == replace(wide)


def test_depth_within_others() -> None:
    """Bytes are read to the very depth to which values are made, whatever they stand in."""
    for wrap in (lambda body: body, in_bundle):
        deepest = nested(in_clone, MAX_DEPTH * 16)
        assert decode(wrap(sent(deepest))).encode() == wrap(sent(deepest))
        with pytest.raises(DecodeError, match="nested deeper than 100"):
            decode(wrap(sent(in_ct(deepest))))
    deepest = nested(in_bundle, 8 + MAX_BUNDLES * 24)
    assert decode(deepest).encode() == deepest
    with pytest.raises(DecodeError, match="nested deeper than 8"):
        decode(in_bundle(deepest))


@pytest.mark.ovs
def test_depth_of_ovs(tmp_path: Path) -> None:
    """What ovs-ofctl takes at its deepest is read, and shown as it was given."""
    with Listener(tmp_path) as switch:
        for room, text in ((99, "{}"), (98, "write_actions({})")):
            actions = text.format("clone(" * room + "output:1" + ")" * room)
            (sent_,) = switch.ofctl("add-flow", f"actions={actions}")
            message = decode(sent_)
            assert message.encode() == sent_
            assert str(message).endswith(f"actions={actions}")
            with pytest.raises(AssertionError, match="Action nested too deeply"):
                switch.ofctl("add-flow", "actions=" + actions.replace("output:1", "clone(output:1)"))


def test_an_error_quotes_what_it_may() -> None:
    """An error's data is bytes, however many errors are quoted in it."""
    data = nested(lambda body: frame(1, bytes(4) + body), 65000)
    assert decode(data).encode() == data


# What each refusal says


@pytest.mark.parametrize(
    ("data", "offset", "clause", "reason"),
    [
        (b"", 0, "7.1.1", "cut short"),
        (b"\4\2\0\x08\0\0\0", 7, "7.1.1", "cut short"),
        (frame(2, b"", length=9), 2, "7.1.1", "a length of 9 in a message of 8"),
        (frame(2, b"1", length=8), 2, "7.1.1", "a length of 8 in a message of 9"),
        (frame(2, b"", version=1), 0, "7.1.1", "version 1"),
        (frame(99, b"", version=5), 0, "7.1.1", "type 99 in version 5"),
        (frame(5, b"?"), 8, "7.3.1", "1 bytes left over after a FeaturesRequest"),
        (frame(6, bytes(23)), 31, "7.3.1", "FeaturesReply is cut short"),
        (frame(14, bytes(43)), 48, "7.2.3.1", "the head of a match needs 4 bytes, 3 are left"),
        (frame(14, bytes(48)), 48, "7.2.3.1", "a match of type 0"),
        (frame(14, bytes(40) + b"\0\1\0\3" + bytes(4)), 50, "7.2.3.1", "a match of length 3"),
        (frame(14, bytes(40) + b"\0\1\0\x09" + bytes(4)), 52, "7.2.3.1", "a match needs 5 bytes, 4 are left"),
        (frame(14, bytes(40) + b"\0\1\0\4"), 52, "7.2.3.1", "the padding of a match needs 4 bytes"),
        (frame(14, bytes(40) + b"\0\1\0\x08\x80\0\0\4"), 56, "7.2.3.2", "the payload of a match field needs 4"),
        (frame(14, bytes(40) + b"\0\1\0\x08\x80\0\0\0"), 55, "7.2.3.7", "in_port with a length of 0"),
        (frame(14, bytes(40) + b"\0\1\0\4" + bytes(4) + b"\0\1\0\4"), 58, "7.2.4", "an instruction of kind 1"),
        (frame(13, bytes(8) + b"\0\x08" + bytes(6) + b"\0\0\0\x0c" + bytes(8)), 26, "7.2.5", "with a length of 12"),
        (frame(13, bytes(8) + b"\0\x08" + bytes(6) + b"\0\0\0\x10" + bytes(12)), 28, "7.2.5", "needs 12 bytes, 4 are"),
        (frame(13, bytes(8) + b"\0\x18" + bytes(6) + b"\0\0\0\x18" + bytes(20)), 40, "7.2.5", "8 bytes left over"),
        (frame(13, bytes(8) + b"\0\x01" + bytes(6)), 24, "7.3.7", "what its length announces"),
        (frame(0, b"\0\1\0\3"), 10, "7.5.1", "a hello element of kind 1 with a length of 3"),
        (frame(0, b"\0\1\0\x06\0\0\0\0"), 12, "7.5.1", "2 bytes are no numbers of 4"),
        (frame(0, b"\0\1\0\x04"), 12, "7.5.1", "the padding of a hello element"),
        (frame(19, b"\0\1\0"), 8, "7.3.5", "a multipart head needs 8 bytes, 3 are left"),
        (frame(19, struct.pack("!HH4x", 1, 0) + b"\0\1"), 16, "7.3.5.2", "a length of 1 does not count itself"),
        (frame(19, struct.pack("!HH4x", 3, 0) + bytes(25)), 41, "7.3.5.4", "TableStats is cut short"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refusal(data: bytes, offset: int, clause: str, reason: str) -> None:
    """A refusal says where the message is wrong, how, and what clause it breaks."""
    with pytest.raises(DecodeError) as refusal:
        decode(data)
    assert (refusal.value.offset, refusal.value.clause) == (offset, clause)
    assert reason in refusal.value.reason
    assert str(refusal.value).endswith(f"at byte {offset} (OpenFlow 1.3.5, {clause})")


@pytest.mark.parametrize(
    "error", [ConstructError("no"), RecursionError(), OverflowError(), struct.error(), ValueError()]
)
def test_nothing_else_is_raised(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever construct or Python raises about the bytes becomes a DecodeError, with its cause."""

    def fail(*_: object) -> Message:
        raise error

    monkeypatch.setattr(BarrierReply, "read", fail)
    with pytest.raises(DecodeError, match=type(error).__name__) as refusal:
        decode(BarrierReply().encode())
    assert refusal.value.__cause__ is error


@pytest.mark.parametrize("version", [0, 1, 3, 5, 255])
def test_other_versions(version: int) -> None:
    """A hello or an error of another version is read, and remembers the version."""
    for message in (Hello(version=version), Error(0, 0, b"no", version=version)):
        assert decode(message.encode()) == message
        assert decode(message.encode()).version == version


NEXT_TABLE = TableFeaturesReply((TableFeatures(0, properties=(TableNextTables(b"1"),)),))


@pytest.mark.parametrize(
    ("message", "at", "what"),
    [
        (FlowMod(match=Match(in_port=1)), 63, "the padding of a match"),
        (PacketIn(match=Match(in_port=1), data=b"1"), 37, "the padding of a match"),
        (PacketIn(match=Match(in_port=1), data=b"1"), 41, "padding in PacketIn"),
        (NiciraPacketIn(match=Match(eth_type=0x0800)), 47, "the padding of a match"),
        (NiciraPacketIn(match=Match(eth_type=0x0800)), 49, "padding in NiciraPacketIn"),
        (PacketOut(actions=(Note(b"123456"), DecTtlCntIds((1,)))), 63, "the padding of an action"),
        (NEXT_TABLE, 87, "the padding of a table's property"),
        (PacketIn2((PacketData(b"1"),)), 23, "the padding of a property of a packet"),
    ],
)
def test_dirty_padding_is_refused(message: Message, at: int, what: str) -> None:
    """Padding that stands where a length says is zero: otherwise the length is a lie, and bytes would be lost."""
    dirty = bytearray(message.encode())
    assert dirty[at] == 0
    dirty[at] = 0xAA
    with pytest.raises(DecodeError, match=f"{what} is not zero"):
        decode(bytes(dirty))


def test_dirty_padding_is_ignored() -> None:
    """What a peer leaves in padding at a fixed place changes nothing, and is not sent on."""
    clean = FlowMod(match=Match(in_port=1), instructions=(ApplyActions((Output(2),)),)).encode()
    dirty = bytearray(clean)
    for at in (46, 47, 68, 71, 82, 87):  # behind flags, the instruction's head and the action
        assert clean[at] == 0
        dirty[at] = 0xAA
    assert decode(bytes(dirty)) == decode(clean)
    assert decode(bytes(dirty)).encode() == clean


# What cannot be encoded


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (FlowMod(priority=0x10000), "FlowMod.priority"),
        (FlowMod(cookie=-1), "FlowMod.cookie"),
        (FlowMod(match=None), "FlowMod.match"),  # type: ignore[arg-type]
        (FlowMod(match=Match.of([Oxm(0x80000004, b"123")])), "Oxm.header"),
        (FlowMod(instructions=(Output(1),)), "FlowMod.instructions"),  # type: ignore[arg-type]
        (FlowMod(instructions=(ApplyActions((Output(1 << 32),)),)), "Output.port"),
        (FlowMod(instructions=(ApplyActions((Output(1, max_len="x"),)),)), "Output.max_len"),  # type: ignore[arg-type]
        (FlowMod(instructions=(ApplyActions((Action(),)),)), "ApplyActions.actions"),
        (PacketOut(actions=5), "PacketOut.actions"),  # type: ignore[arg-type]
        (PacketOut(actions=(Output(1),) * 4096), "PacketOut.actions"),
        (PacketOut(data="text"), "PacketOut.data"),  # type: ignore[arg-type]
        (PortStatus(0, Port(1, hw_addr=b"12345")), "Port.hw_addr"),
        (PortStatus(0, Port(1, name="seventeen letters")), "Port.name"),
        (PortStatus(0, Port(1, name="a\0b")), "Port.name"),
        (PortStatus(0, Port(1, name="é")), "Port.name"),
        (RoleRequest(1.5), "RoleRequest.role"),  # type: ignore[arg-type]
        (EchoRequest(bytes(65528)), "EchoRequest"),
        (BarrierReply(xid=1 << 32), "BarrierReply.xid"),
        (BarrierReply(xid=-1), "BarrierReply.xid"),
        (Hello(version=256), "Hello.version"),
        (FeaturesRequest(version=1), "FeaturesRequest.version"),
        (UnknownMessage(256, b""), "UnknownMessage.type"),
        (UnknownMultipartRequest(0x10000), "UnknownMultipartRequest.kind"),
        (UnknownMultipartReply(8, flags=-1), "UnknownMultipartReply.flags"),
    ],
)
def test_encode_error(message: Message, field: str) -> None:
    """A value that does not fit is an EncodeError that names its field."""
    with pytest.raises(EncodeError) as refusal:
        message.encode()
    assert refusal.value.field == field
    assert str(refusal.value) == f"{field}: {refusal.value.reason}"


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (GroupMod(buckets=(Output(1),)), "GroupMod.buckets: Output(port=1, max_len=65535) is not a Bucket"),  # type: ignore[arg-type]
        (PacketOut(actions=(Output(1),) * 4096), "PacketOut.actions: its length, 65536, does not fit 16 bits"),
        (PacketOut(actions=(RegMove(1, 0, 0, "reg0", 1),)), "RegMove.src: it is no header of a field, given 'reg0'"),  # type: ignore[arg-type]
        (PacketOut(actions=(DecTtlCntIds((70000,)),)), "DecTtlCntIds.cnt_ids: a number does not fit, given (70000,)"),
    ],
)
def test_encode_error_in_words(message: Message, words: str) -> None:
    """What is wrong with a value is said of the value, not of the code that writes it."""
    with pytest.raises(EncodeError, match=re.escape(words)):
        message.encode()


@pytest.mark.parametrize("value", ["x", None, 5, [1]], ids=repr)
def test_what_is_not_bytes(value: Any) -> None:
    """What stands for the rest of a message, and is not bytes, is shown in an EncodeError's own words."""
    for message in (PacketOut(data=value), EchoRequest(value)):
        with pytest.raises(EncodeError) as refusal:
            message.encode()
        assert str(refusal.value) == f"{type(message).__name__}.data: {value!r} is not bytes"


@pytest.mark.parametrize("message", EXAMPLES.values(), ids=lambda message: type(message).__name__)
def test_junk_is_refused_by_name(message: Message) -> None:
    """Whatever stands in a field of a message has bytes that are read, or is an EncodeError that names the field."""
    for field in fields(message):
        for junk in JUNK:
            try:
                data = replace(message, **{field.name: junk}).encode()
            except EncodeError as error:
                assert error.field == f"{type(message).__name__}.{field.name}"  # noqa: PT017 - it need not be raised
                continue
            if field.name != "kind":  # of another kind it is another message
                assert decode(data).encode() == data


def test_largest() -> None:
    """A message may be as long as its header can say."""
    message = EchoRequest(bytes(65527))
    assert decode(message.encode()) == message


# Messages as values


def test_value() -> None:
    """A message is immutable, compared by value, hashable, and has a copy with another xid."""
    message = FlowMod(match=Match(in_port=1))
    with pytest.raises(AttributeError):
        message.priority = 5  # type: ignore[misc]
    assert message == FlowMod(match=Match(in_port=1))
    assert hash(message) == hash(FlowMod(match=Match(in_port=1)))
    assert message.with_xid(7) == FlowMod(match=Match(in_port=1), xid=7)


def test_unknown_type() -> None:
    """A type without a class is carried as it came, whether the specification names it or not."""
    message = decode(frame(200, b"body"))
    assert message == UnknownMessage(200, b"body")
    assert str(message) == "type 200 (xid=0x0): body=626f6479"
    assert str(UnknownMessage(MessageType.METER_MOD, b"")) == "METER_MOD (xid=0x0): body="


def test_type_is_declared_once() -> None:
    """Two classes for one type are refused when the second is declared."""
    from daoli.ofproto.message import message  # noqa: PLC0415 - the decorator's name is a good one for variables

    with pytest.raises(TypeError, match="both FlowMod and BarrierReply"):
        message(MessageType.FLOW_MOD, "7")(BarrierReply)


# Oracles

OVS_WORDS = {
    "Hello": ["version bitmap: 0x01, 0x04"],
    "Error": ["OFPBMC_BAD_PREREQ", "OFPT_FLOW_MOD (OF1.3) (xid=0x0): ADD actions=drop"],
    "EchoRequest": ["3 bytes of payload", "01 02 03"],
    "EchoReply": ["3 bytes of payload", "01 02 03"],
    "FeaturesReply": [
        "dpid:0000000da0c0ffee",
        "n_tables:254, n_buffers:256, auxiliary_id:1",
        "FLOW_STATS TABLE_STATS PORT_STATS GROUP_STATS QUEUE_STATS",
    ],
    "GetConfigReply": ["frags=drop miss_send_len=128"],
    "SetConfig": ["frags=normal miss_send_len=65535"],
    "PacketIn": [
        "table_id=2 cookie=0xda01 total_len=50 in_port=3 (via action) data_len=50 (unbuffered)",
        "udp,vlan_tci=0x0000,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,nw_src=10.1.0.10,nw_dst=10.1.0.11",
    ],
    "FlowRemoved": [
        "priority=100,ip,in_port=3,dl_src=02:00:00:00:00:01,nw_src=10.1.0.10,nw_dst=10.1.0.20 reason=idle",
        "table_id=1 cookie:0xda01 duration42.500s idle30 hard600 pkts17 bytes1900",
    ],
    "PortStatus": ["MOD: 5(dl0123456789ab): addr:02:00:00:00:00:05", "PORT_DOWN", "LIVE", "10000 Mbps now, 40000 Mbps"],
    "PacketOut": ["in_port=CONTROLLER actions=dec_ttl,output:9 data_len=50"],
    "FlowMod": [
        "ADD table:1 priority=100,ip,in_port=3,dl_src=02:00:00:00:00:01,nw_src=10.1.0.10,nw_dst=10.1.0.20",
        "cookie:0xda01 idle:30 hard:600 send_flow_rem",
        "actions=dec_ttl,set_field:02:da:01:1e:00:01->eth_src,set_field:02:00:00:00:00:02->eth_dst,output:7,goto_table:4",
    ],
    "DescReply": ["Nobody", "a bench", "daoli", "S/N 1", "the switch"],
    "FlowStatsRequest": ["table=3 out_port=7 ip,in_port=3,dl_src=02:00:00:00:00:01,nw_src=10.1.0.10,nw_dst=10.1.0.20"],
    "FlowStatsReply": [
        "cookie=0xda01, duration=42s, table=1, n_packets=17, n_bytes=1900, idle_timeout=30, hard_timeout=600",
        "load:0x2->NXM_OF_ARP_OP[],move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[]",
        "conjunction(1234,2/2)",
    ],
    "AggregateStatsRequest": ["table=3 out_port=7 ip,in_port=3,dl_src=02:00:00:00:00:01,nw_src=10.1.0.10"],
    "AggregateStatsReply": ["packet_count=17 byte_count=1900 flow_count=3"],
    "TableStatsReply": ["active=2, lookup=345, matched=67", "active=8, lookup=910, matched=11"],
    "PortStatsRequest": ["port_no=5"],
    "PortStatsReply": [
        "port  5: rx pkts=101, bytes=103, drop=105, errs=107, frame=109, over=110, crc=111",
        "tx pkts=102, bytes=104, drop=106, errs=108, coll=112",
        "duration=42.005s",
    ],
    "PortDescReply": ["5(dl0123456789ab): addr:02:00:00:00:00:05", "10GB-FD COPPER"],
    "RoleRequest": ["role=primary generation_id=77"],
    "RoleReply": ["role=secondary generation_id=78"],
    "GetAsyncReply": ["PACKET_IN: no_match action invalid_ttl", "PORT_STATUS: add delete modify", "FLOW_REMOVED: idle"],
    "SetAsync": ["PACKET_IN: no_match action invalid_ttl", "PORT_STATUS: add delete modify", "FLOW_REMOVED: idle"],
    "PortMod": ["port: 5: addr:02:00:00:00:00:05", "mask:   PORT_DOWN NO_RECV NO_FWD", "10GB-FD COPPER AUTO_NEG"],
    "GroupStatsRequest": ["group_id=321"],
    "MeterStatsRequest": ["meter=7"],
    "MeterConfigRequest": ["meter=7"],
    "QueueGetConfigRequest": ["port=5"],
    "QueueGetConfigReply": ["queue 17", "min_rate:10.0% max_rate:95.0%"],
    "QueueStatsRequest": ["port=5 queue=17"],
    "QueueStatsReply": ["port 5 queue 17: bytes=1900, pkts=18, errors=19, duration=42.500s"],
    "TableMod": ["table_id=7"],
    "TableFeaturesReply": [
        'table 7 ("classifier"):',
        "metadata: match=0xffffffffffffffff write=0xffff0000",
        "max_entries=1000000",
        "next tables: 8-19",
        "instructions: meter apply_actions clear_actions write_actions write_metadata goto_table",
        "supported on Set-Field: eth_dst ip_src",
        "arbitrary mask: metadata eth_dst ip_src",
    ],
}


OPENFLOW_10_ONLY = {SetFlowFormat, NiciraFlowMonitorCancel, NiciraFlowMonitorPaused, NiciraFlowMonitorResumed}
"""Open vSwitch speaks these only where OpenFlow 1.3 does not already have them."""


@pytest.mark.parametrize("data", [None, "text", 8, [4, 0, 0, 8]], ids=repr)
def test_not_bytes(data: Any) -> None:
    """What is not bytes is a TypeError that shows it, even if bytes could be made of it."""
    with pytest.raises(TypeError, match="not the bytes of a message: ") as caught:
        decode(data)
    assert repr(data) in str(caught.value)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_kinds_of_bytes(kind: type) -> None:
    """All kinds of bytes are taken."""
    assert decode(kind(BarrierRequest(xid=3).encode())) == BarrierRequest(xid=3)


@pytest.mark.parametrize("value", [None, b"bytes", FlowMod], ids=repr)
def test_check_message(value: object) -> None:
    """What is no message is a TypeError that shows it."""
    with pytest.raises(TypeError, match="not a message: "):
        check_message(value)
    check_message(BarrierRequest())


@pytest.mark.ovs
@pytest.mark.parametrize("message", EXAMPLES.values(), ids=lambda message: type(message).__name__)
def test_ovs_reads_it(message: Message) -> None:
    """Open vSwitch reads each message without complaint, and reads the values that we meant."""
    text = ovs_print(message.encode())
    if type(message).__name__.startswith("Unknown") or type(message) in OPENFLOW_10_ONLY:
        assert "decode error" in text
        return
    assert f"(OF1.3) (xid={message.xid:#x})" in text.splitlines()[0]
    assert "error***" not in text
    assert "WARN" not in text
    for words in OVS_WORDS.get(type(message).__name__, []):
        assert words in text


def oxm_leaves(oxm: Oxm) -> Iterator[int | str]:
    """Give the value of a match field, if it is a known one."""
    if (known := oxm.field) is not None:
        number = known.notation in ("number", "hex")
        yield int.from_bytes(oxm.value, "big") if number else known.format(oxm.value)


def leaves(value: Any) -> Iterator[int | str]:
    """Give all that stands in a message: numbers, and text as Wireshark shows it."""
    if isinstance(value, Oxm):
        yield from oxm_leaves(value)
    elif isinstance(value, OxmId):
        yield from (value.header >> 9 & 0x7F, value.header & 0xFF)
    elif isinstance(value, (TableNextTables, TableNextTablesMiss)):
        yield from value.next_table_ids
    elif is_dataclass(value):
        for field in fields(value):
            if field.name not in ("xid", "version", "data", "body"):
                yield from leaves(getattr(value, field.name))
    elif isinstance(value, (tuple, Match)):
        for item in value:
            if not isinstance(item, Action) or ".nicira" not in type(item).__module__:
                yield from leaves(item)
    else:
        yield value.hex(":") if isinstance(value, bytes) else value


WIRESHARK_STUMBLES = {
    FlowMonitorReply,
    IpfixBridgeReply,
    IpfixFlowReply,
    UnknownExperimenterReply,
    UnknownMultipartReply,
}
"""Its dissector looks for more behind any reply that it does not know, and calls what is whole malformed."""


@pytest.mark.ovs
def test_wireshark_reads_it(tmp_path: Path) -> None:
    """Wireshark finds nothing malformed in any message, and shows each value that is in it."""
    shown = [message for cls, message in EXAMPLES.items() if cls not in WIRESHARK_STUMBLES]
    text = tshark_print([message.encode() for message in shown], tmp_path)
    assert "Malformed" not in text
    assert "Expert Info (Error" not in text
    sections = re.split(r"^OpenFlow 1\.3$", text, flags=re.MULTILINE)[1:]
    for message, section in zip(shown, sections, strict=True):
        numbers = {int(number, 0) for number in re.findall(r"\b(?:0x[0-9a-f]+|[1-9]\d*|0)\b", section)}
        numbers |= {int(number, 16) for number in re.findall(r": ([0-9a-f]{8})\b", section)}
        assert f"Transaction ID: {message.xid}" in section
        if isinstance(message, (ExperimenterMessage, ExperimenterMultipart)):
            continue  # of these it knows no more than that they are an experimenter's
        for leaf in leaves(message):
            assert leaf in (numbers if isinstance(leaf, int) else section), (message, leaf)
