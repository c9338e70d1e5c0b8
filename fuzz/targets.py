"""What must hold of any bytes whatsoever, said as functions that raise when it does not.

Shared by the coverage-guided fuzzer (`fuzz_decode`) and by the tests; neither a fuzzer nor a test framework may be
imported here. A broken promise is an AssertionError; whatever else is raised is a bug just as well.
"""

from __future__ import annotations

import random
import re
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from time import thread_time
from typing import Any, Final

from daoli.ofproto import (
    BarrierRequest,
    DecodeError,
    DescRequest,
    FeaturesReply,
    FlowStatsRequest,
    Hello,
    LocalProtocolError,
    Message,
    RemoteProtocolError,
    RoleRequest,
    decode,
)
from daoli.ofproto.connection import Connection, State
from daoli.ofproto.shapes import EMIT, PUNT, Shaped

UNIT: Final = 16384
"""Bytes that `CPU` is for."""
CPU: Final = 0.05
"""Seconds of CPU that 16 KiB may cost."""
MEMORY_BASE: Final = 65536
"""Bytes that may be taken whatever the length: error texts, caches of the interpreter."""
MEMORY_FACTOR: Final = 40
"""Bytes that may be taken for each byte of the input; an empty match field, of 4 bytes, takes 23 for each."""
MAX_CUTS: Final = 24

_CLAUSE: Final = re.compile(r"[67](\.\d+)+")
_HEADER: Final = struct.Struct("!BBHI")
_TRIES: Final = 3

HANDSHAKE: Final = Hello.of((4,)).encode() + FeaturesReply(1, 256, 254, 0, 0x4F).encode()


def broken(promise: str, data: bytes) -> AssertionError:
    """Make the error that says what does not hold, and of what."""
    return AssertionError(f"{promise}: {data.hex()}")


# -- one message -------------------------------------------------------------------------------------------------------


def check_decode(data: bytes) -> Message | None:
    """Insist that bytes are a message that encodes again to what reads the same, or a DecodeError that says where."""
    try:
        message = decode(data)
    except DecodeError as error:
        check_refusal(error, data)
        return None
    clean = message.encode()
    if decode(clean) != message:
        raise broken("decode(encode(m)) is not m", data)
    if len(clean) != len(data) or any(now and was != now for was, now in zip(data, clean, strict=True)):
        raise broken("something else than padding is lost or changed", data)
    if not (str(message) and repr(message)):
        raise broken("a message has no text", data)
    return message


def check_refusal(error: DecodeError, data: bytes) -> None:
    """Insist that a refusal says where in the bytes, why, and against which clause."""
    if not (0 <= error.offset <= len(data) and error.reason and _CLAUSE.fullmatch(error.clause)):
        raise broken(f"a refusal points nowhere ({error})", data)


# -- a connection ------------------------------------------------------------------------------------------------------


def check_connection(data: bytes) -> None:
    """Insist that a peer's bytes, cut anywhere, never raise, and mean the same as if they came at once."""
    for opened in (False, True):
        whole = _hear(data, [], opened=opened)
        parts = _hear(data, _cuts(data), opened=opened)
        if whole != parts:
            raise broken(f"cuts change what was heard (opened: {opened})", data)


def _cuts(data: bytes) -> list[int]:
    """Choose where to cut, by chance, but the same for the same bytes."""
    dice = random.Random(zlib.crc32(data))
    return sorted(dice.randrange(len(data) + 1) for _ in range(dice.randrange(MAX_CUTS)))


def _hear(data: bytes, cuts: list[int], *, opened: bool) -> tuple[object, ...]:
    """Feed the bytes to a connection, and give all that can be seen of what it made of them."""
    connection = Connection(0.0, shapes=(PUNT, EMIT))
    heard: list[Any] = []
    if opened:
        connection.receive_data(HANDSHAKE, 0.0)
        for question in (BarrierRequest(), FlowStatsRequest(), DescRequest(), RoleRequest(1)):
            connection.request(question)
        connection.forget(2)
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        heard += connection.receive_data(data[start:end], 0.0)
    _check_end(connection, data)
    return (heard, connection.state, str(connection.failure), connection.data_to_send())


def _check_end(connection: Connection, data: bytes) -> None:
    """Insist that what ended a connection is the peer's fault, and that nothing is heard after."""
    if connection.state is not State.CLOSED:
        if connection.failure is not None:
            raise broken("an open connection has failed", data)
        return
    if not isinstance(connection.failure, DecodeError | RemoteProtocolError):
        raise broken(f"closed by {connection.failure!r}", data)
    if connection.receive_data(HANDSHAKE, 0.0):
        raise broken("a closed connection hears", data)
    try:
        connection.send(Hello())
    except LocalProtocolError:
        return
    raise broken("a closed connection sends", data)


def check_output(data: bytes) -> None:
    """Insist that what a connection answers to any bytes is OpenFlow itself."""
    connection = Connection(0.0)
    connection.receive_data(HANDSHAKE + data, 0.0)
    for frame in frames(connection.data_to_send()):
        decode(frame)


def check_shapes(data: bytes) -> None:
    """Insist that what a shape takes is what the canonical decoder reads."""
    for shape in (PUNT, EMIT):
        taken: Shaped | None = shape.unpack(data, 0, len(data))
        if taken is not None and taken.message() != decode(data):
            raise broken(f"{type(taken).__name__} differs from the canonical message", data)


def frames(stream: bytes) -> list[bytes]:
    """Cut a stream into its messages; what is left over at its end is one more."""
    cut, at = [], 0
    while len(stream) - at >= _HEADER.size:
        length = max(_HEADER.size, _HEADER.unpack_from(stream, at)[2])
        cut.append(stream[at : at + length])
        at += length
    return [*cut, stream[at:]] if at < len(stream) else cut


# -- what it may cost --------------------------------------------------------------------------------------------------


def check_cost(data: bytes, slowdown: float = 1.0) -> None:
    """Insist on 50 ms of CPU for each 16 KiB begun; `slowdown` is what a tracer makes of it."""
    bound = slowdown * CPU * (len(data) // UNIT + 1)
    took = min_seconds(lambda: _decode_quietly(data), bound)
    if took > bound:
        raise broken(f"decoding takes {took * 1000:.0f} ms", data)


def min_seconds(work: Callable[[], object], enough: float) -> float:
    """Give the CPU time of the best of three tries; one that is good enough is the last."""
    best = float("inf")
    for _ in range(_TRIES):
        began = thread_time()
        work()
        best = min(best, thread_time() - began)
        if best <= enough:
            break
    return best


def check_memory(data: bytes) -> None:
    """Insist that memory taken is bounded by the length."""
    tracemalloc.start()
    try:
        kept = _decode_quietly(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    del kept
    if peak > MEMORY_BASE + MEMORY_FACTOR * len(data):
        raise broken(f"decoding takes {peak} bytes for {len(data)}", data)


def _decode_quietly(data: bytes) -> Message | None:
    try:
        return decode(data)
    except DecodeError:
        return None


def check_everything(data: bytes) -> None:
    """Insist on all that is cheap: the bytes as one message, each message of the stream, and the stream."""
    check_decode(data)
    for frame in frames(data):
        check_decode(frame)
        check_shapes(frame)
    check_connection(data)
    check_output(data)
