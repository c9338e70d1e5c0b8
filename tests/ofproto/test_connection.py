"""The connection: handshake, framing, the ledger of requests, keepalive; and nothing that the peer does raises."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daoli.ofproto import (
    BarrierReply,
    BarrierRequest,
    DecodeError,
    EchoReply,
    EchoRequest,
    EncodeError,
    Error,
    FeaturesReply,
    FeaturesRequest,
    FlowMod,
    FlowRemoved,
    FlowStats,
    FlowStatsReply,
    FlowStatsRequest,
    GetAsyncReply,
    GetConfigReply,
    GetConfigRequest,
    Hello,
    LocalProtocolError,
    Match,
    Message,
    MessageType,
    PacketIn,
    Port,
    PortStatus,
    RemoteProtocolError,
    RoleReply,
    RoleRequest,
    SetAsync,
    SetConfig,
    UnknownMessage,
    decode,
)
from daoli.ofproto.connection import (
    FORGOTTEN,
    REPLIES,
    SLICE,
    TRANSITIONS,
    XID_MAX,
    Allowance,
    Connection,
    Keepalive,
    Reply,
    State,
)
from daoli.ofproto.constants import BadRequestCode, ErrorType, HelloFailedCode
from daoli.ofproto.message import MESSAGES
from daoli.ofproto.shapes import PUNT, Punt

FEATURES = FeaturesReply(datapath_id=0xDA01, n_tables=254, xid=0)
PUNTED = Punt(0, 0xFFFFFFFF, 4, 0, 0, 0, 5, b"data")
UNKNOWN = b"\x04\x63\x00\x0c\x00\x00\x00\x07body"


def sent(connection: Connection) -> list[Message]:
    """Decode what the connection has to send."""
    return list(decoded(connection.data_to_send()))


def decoded(data: bytes) -> Iterator[Message]:
    """Cut bytes into messages."""
    while data:
        length = int.from_bytes(data[2:4], "big")
        yield decode(data[:length])
        data = data[length:]


def fresh(state: State = State.HELLO, **options: Any) -> Connection:
    """Make a connection, and bring it into a state; what it sent on the way is thrown away."""
    connection = Connection(0.0, **options)
    if state is not State.HELLO:
        connection.receive_data(Hello.of((4,)).encode(), 0.0)
    if state is State.READY:
        assert connection.receive_data(FEATURES.encode(), 0.0) == [FEATURES]
    assert connection.state is state
    connection.data_to_send()
    return connection


def feed(connection: Connection, *messages: Message, now: float = 0.0) -> list[Any]:
    """Have the peer send messages."""
    return connection.receive_data(b"".join(message.encode() for message in messages), now)


def check_refused(connection: Connection, code: BadRequestCode, frame: bytes) -> None:
    """Insist that the connection ended with an error message about a frame."""
    (error,) = sent(connection)
    assert isinstance(error, Error)
    assert (error.type, error.code) == (ErrorType.BAD_REQUEST, code)
    assert error.data == frame[:64]
    assert error.xid == int.from_bytes(frame[4:8], "big")
    assert connection.closed
    assert isinstance(connection.failure, (RemoteProtocolError, DecodeError))


# -- the handshake


def test_handshake() -> None:
    """Our hello goes first; the peer's is answered by a features request; the features reply makes it ready."""
    connection = Connection(0.0)
    (hello,) = sent(connection)
    assert isinstance(hello, Hello)
    assert (hello.version, hello.versions()) == (4, frozenset({4}))
    assert feed(connection, Hello.of((4,))) == []
    assert (connection.state, sent(connection)) == (State.FEATURES, [FeaturesRequest()])
    assert feed(connection, FEATURES) == [FEATURES]
    assert (connection.state, connection.features, sent(connection)) == (State.READY, FEATURES, [])


@pytest.mark.parametrize(
    ("hello", "agreed"),
    [
        (Hello.of((1, 4)), True),
        (Hello.of((4, 5, 6)), True),
        (Hello(version=4), True),
        (Hello(version=6), True),
        (Hello.of((1, 5)), False),
        (Hello.of((1,)), False),
        (Hello(version=1), False),
        (Hello(version=3), False),
        (Hello.of((5, 6)), False),
    ],
)
def test_versions(hello: Hello, *, agreed: bool) -> None:
    """Version 4 is agreed on where the bitmap has it, or without one where the peer's is as high (6.3.1)."""
    connection = fresh()
    assert feed(connection, hello) == []
    if agreed:
        assert connection.state is State.FEATURES
        return
    (error,) = sent(connection)
    assert isinstance(error, Error)
    assert (error.type, error.code) == (ErrorType.HELLO_FAILED, HelloFailedCode.INCOMPATIBLE)
    assert b"OpenFlow 1.3" in error.data
    assert connection.closed
    assert isinstance(connection.failure, RemoteProtocolError)


@pytest.mark.parametrize("state", [State.HELLO, State.FEATURES])
def test_peer_refuses(state: State) -> None:
    """A peer that answers the handshake with an error ends it, whatever version it says so in."""
    connection = fresh(state)
    feed(connection, Error(ErrorType.HELLO_FAILED, 0, b"no thanks", version=1))
    assert connection.closed
    assert "refused the handshake" in str(connection.failure)
    assert sent(connection) == []


def test_news_before_the_features() -> None:
    """What a switch says of itself while its features are awaited is dropped, and an echo request is answered."""
    connection = fresh(State.FEATURES)
    news = (PUNTED.message(), PortStatus(0, Port(1)), FlowRemoved(), EchoRequest(b"?", xid=3))
    assert feed(connection, *news) == []
    assert (connection.state, sent(connection)) == (State.FEATURES, [EchoReply(b"?", xid=3)])


EXAMPLES: dict[int, Message] = {
    MessageType.HELLO: Hello.of((4,)),
    MessageType.ERROR: Error(1, 1),
    MessageType.PACKET_IN: PUNTED.message(),
    MessageType.PORT_STATUS: PortStatus(0, Port(1)),
    MessageType.FEATURES_REPLY: FEATURES,
    MessageType.SET_ASYNC: SetAsync((0, 0), (0, 0), (0, 0)),
    MessageType.GET_ASYNC_REPLY: GetAsyncReply((0, 0), (0, 0), (0, 0)),
    MessageType.ROLE_REQUEST: RoleRequest(1),
    MessageType.ROLE_REPLY: RoleReply(1),
    MessageType.MULTIPART_REQUEST: FlowStatsRequest(),
    MessageType.MULTIPART_REPLY: FlowStatsReply(),
}


def example(kind: int) -> bytes:
    """Encode some message of a type."""
    if kind == MessageType.EXPERIMENTER:
        return b"\x04\x04\0\x10" + bytes(4) + b"\0\0\x23\x20" + bytes(4)
    if kind in EXAMPLES:
        return EXAMPLES[kind].encode()
    return MESSAGES[kind]().encode()


CASES = [(state, kind) for state in (State.HELLO, State.FEATURES, State.READY) for kind in sorted(MESSAGES)]


@pytest.mark.parametrize(("state", "kind"), CASES)
def test_transitions(state: State, kind: int) -> None:
    """Each message leads from each state to where the table says; where it says nothing, to an error and the end."""
    connection = fresh(state)
    frame = example(kind)
    connection.receive_data(frame, 0.0)
    after = TRANSITIONS.get((state, kind))
    if after is None:
        check_refused(connection, BadRequestCode.BAD_TYPE, frame)
        assert state.value in str(connection.failure)
    else:
        assert connection.state is after


def test_transitions_from_closed() -> None:
    """Nothing leads out of CLOSED."""
    assert not [pair for pair in TRANSITIONS if pair[0] is State.CLOSED]
    assert set(TRANSITIONS.values()) <= set(State)


@pytest.mark.parametrize("state", [State.HELLO, State.FEATURES, State.READY])
def test_unknown_type(state: State) -> None:
    """A type that we do not know is answered with BAD_TYPE, and the connection goes on (7.4.4)."""
    connection = fresh(state)
    assert connection.receive_data(UNKNOWN + (Hello.of((4,)) if state is State.HELLO else FEATURES).encode(), 0.0) in (
        [],
        [FEATURES],
    )
    error = sent(connection)[0]
    assert error == Error(ErrorType.BAD_REQUEST, BadRequestCode.BAD_TYPE, UNKNOWN, xid=7)
    assert not connection.closed


@pytest.mark.parametrize("state", [State.FEATURES, State.READY])
@pytest.mark.parametrize("version", [0, 1, 3, 5, 255])
def test_version_after_the_handshake(state: State, version: int) -> None:
    """A message in another version than the one agreed on is refused."""
    connection = fresh(state, shapes=(PUNT,))
    frame = bytes([version]) + PUNT.pack(*PUNTED)[1:]
    assert connection.receive_data(frame, 0.0) == []
    check_refused(connection, BadRequestCode.BAD_VERSION, frame)


# -- framing


@pytest.mark.parametrize("state", [State.HELLO, State.FEATURES, State.READY])
@pytest.mark.parametrize("length", range(8))
@pytest.mark.parametrize("kind", [MessageType.HELLO, MessageType.PACKET_IN])
def test_bad_length(state: State, length: int, kind: int) -> None:
    """A length shorter than the header's ends the connection, as soon as the header is there."""
    connection = fresh(state, shapes=(PUNT,))
    frame = bytes([4, kind, 0, length, 0, 0, 0, 9])
    assert connection.receive_data(frame[:7], 0.0) == []
    assert not connection.closed
    assert connection.receive_data(frame[7:] + b"more", 0.0) == []
    check_refused(connection, BadRequestCode.BAD_LEN, frame)


def test_bad_body() -> None:
    """A message whose body is malformed is quoted in an error, and nothing behind it is read."""
    connection = fresh(State.READY)
    frame = b"\x04\x0a\x00\x0c\x00\x00\x00\x05oops"
    assert connection.receive_data(EchoRequest(xid=1).encode() + frame + EchoRequest(xid=2).encode(), 0.0) == []
    reply, error = sent(connection)
    assert reply == EchoReply(xid=1)
    assert error == Error(ErrorType.BAD_REQUEST, BadRequestCode.BAD_LEN, frame, xid=5)
    assert isinstance(connection.failure, DecodeError)


def test_quote() -> None:
    """An error message quotes 64 bytes of what it is about, not all of it (7.4.4)."""
    connection = fresh(State.READY)
    frame = b"\x04\x0e\x01\x00" + bytes(252)
    connection.receive_data(frame, 0.0)
    check_refused(connection, BadRequestCode.BAD_LEN, frame)


ANY_MESSAGE = st.one_of(
    st.sampled_from(
        [
            EchoRequest(b"x", xid=5).encode(),
            EchoReply(xid=6).encode(),
            PUNT.pack(*PUNTED),
            PacketIn(match=Match(in_port=1, metadata=2), data=b"abc").encode(),
            FlowRemoved(cookie=3).encode(),
            PortStatus(0, Port(1, name="eth0")).encode(),
            FlowStatsReply(xid=77).encode(),
            BarrierReply(xid=1).encode(),
            BarrierReply(xid=2).encode(),
            Error(1, 2, b"data", xid=2).encode(),
            UNKNOWN,
        ]
    ),
    st.sampled_from([Hello().encode(), FlowMod().encode(), b"\x04\x0a\x00\x09\0\0\0\0!", b"\x04\x00\x00\x03\0\0\0\0"]),
    st.binary(min_size=1, max_size=20),
)


def outcome(stream: bytes, ends: list[int]) -> tuple[object, ...]:
    """Read a stream in pieces that end there; tell all that can be seen of it."""
    connection = fresh(State.READY, shapes=(PUNT,))
    connection.request(BarrierRequest())
    connection.data_to_send()
    received = []
    for start, end in pairwise([0, *ends]):
        received += connection.receive_data(stream[start:end], 0.0)
    return (received, connection.state, str(connection.failure), connection.data_to_send(), connection.canonical)


@given(st.lists(ANY_MESSAGE, max_size=6), st.data())
@settings(deadline=None)
def test_cut_anywhere(frames: list[bytes], data: st.DataObject) -> None:
    """However the peer's bytes are cut, the outcome is that of all at once: what is received, sent and wrong."""
    stream = b"".join(frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    whole = outcome(stream, [len(stream)])
    assert outcome(stream, [*cuts, len(stream)]) == whole
    assert outcome(stream, list(range(1, len(stream) + 1))) == whole


def test_handshake_byte_by_byte() -> None:
    """A handshake that comes byte by byte goes as one that comes at once."""
    connection = fresh()
    stream = Hello.of((1, 4)).encode() + FEATURES.encode() + EchoRequest(xid=9).encode()
    received = [message for byte in stream for message in connection.receive_data(bytes([byte]), 0.0)]
    assert received == [FEATURES]
    assert sent(connection) == [FeaturesRequest(), EchoReply(xid=9)]


@given(st.lists(st.binary(max_size=100), max_size=5), st.sampled_from([State.HELLO, State.FEATURES, State.READY]))
def test_any_bytes(chunks: list[bytes], state: State) -> None:
    """No bytes make the connection raise, and what it answers is OpenFlow."""
    connection = fresh(state, shapes=(PUNT,))
    for chunk in chunks:
        connection.receive_data(chunk, 0.0)
        assert all(isinstance(message, Error | EchoReply | FeaturesRequest) for message in sent(connection))


@given(st.integers(0, 35), st.binary(max_size=80), st.integers(0, 0xFFFFFFFF), st.sampled_from([1, 4, 4, 4, 6]))
def test_any_body(kind: int, body: bytes, xid: int, version: int) -> None:
    """No body of any type in any state makes the connection raise."""
    frame = bytes([version, kind]) + (8 + len(body)).to_bytes(2, "big") + xid.to_bytes(4, "big") + body
    for state in (State.HELLO, State.FEATURES, State.READY):
        connection = fresh(state, shapes=(PUNT,))
        if state is State.READY:
            connection.request(BarrierRequest())
            connection.data_to_send()
        connection.receive_data(frame, 0.0)
        assert len(sent(connection)) <= 1


# -- what is received


def test_shapes_first() -> None:
    """A message that a shape takes comes as its tuple, any other as decoded; only the latter are counted."""
    connection = fresh(State.READY, shapes=(PUNT,))
    before = connection.canonical
    other = PacketIn(match=Match(metadata=1, in_port=2))
    assert feed(connection, PUNTED.message(), other, PUNTED.message()) == [PUNTED, other, PUNTED]
    assert connection.canonical == before + 1


def test_shapes_after_the_handshake_in_one_read() -> None:
    """Shapes take what follows the features reply in the same bytes."""
    connection = Connection(0.0, shapes=(PUNT,))
    messages = (Hello.of((4,)), PUNTED.message(), FEATURES, PUNTED.message())
    assert feed(connection, *messages) == [FEATURES, PUNTED]


def test_echo_request() -> None:
    """An echo request is answered with its xid and data, and not handed on (7.5.2)."""
    connection = fresh(State.READY)
    assert feed(connection, EchoRequest(b"data", xid=0xABCD)) == []
    assert sent(connection) == [EchoReply(b"data", xid=0xABCD)]


def test_unasked() -> None:
    """What answers no request of ours is handed on as it is, but for an echo reply."""
    connection = fresh(State.READY)
    messages = (BarrierReply(xid=5), Error(1, 1, xid=6), GetConfigReply(xid=7))
    assert feed(connection, EchoReply(xid=0), *messages) == list(messages)


def test_nothing_after_the_end() -> None:
    """Once closed, nothing is read or sent any more; what was queued before is still there to be sent."""
    connection = fresh(State.READY)
    connection.send(SetConfig())
    connection.close()
    assert feed(connection, EchoRequest(), PUNTED.message()) == []
    assert connection.has_output
    assert sent(connection) == [SetConfig()]
    assert not connection.has_output
    assert connection.data_to_send() == b""
    for use in (connection.send, connection.request):
        with pytest.raises(LocalProtocolError):
            use(BarrierRequest())
    with pytest.raises(LocalProtocolError):
        connection.write(b"")


def test_last_words() -> None:
    """The error message that says why the connection ends is to be sent after the end."""
    connection = fresh(State.READY)
    feed(connection, Hello())
    assert connection.closed
    assert [type(message) for message in sent(connection)] == [Error]


def test_first_failure_is_kept() -> None:
    """What ended the connection is what went wrong first."""
    connection = fresh(State.READY)
    first = RemoteProtocolError("first", "1")
    connection.close(first)
    connection.close(RemoteProtocolError("second", "2"))
    connection.receive_eof()
    connection.tick(1e9)
    assert connection.failure is first


@pytest.mark.parametrize("state", [State.HELLO, State.FEATURES, State.READY])
def test_eof(state: State) -> None:
    """The peer's end of the connection is noted, with the state that it came in."""
    connection = fresh(state)
    connection.receive_eof()
    assert connection.closed
    assert state.value in str(connection.failure)


# -- what an allowance bounds

MANY = FlowStatsReply(tuple(FlowStats(cookie=n) for n in range(1000)))


def bounded(left: int) -> tuple[Connection, Allowance]:
    """Make a connection that is ready, and has so many bytes left."""
    allowance = Allowance(SLICE)
    connection = fresh(State.READY, shapes=(PUNT,), allowance=allowance)
    allowance.left = left
    return connection, allowance


def catch_up(connection: Connection, allowance: Allowance) -> list[list[Any]]:
    """Let a connection go on, a slice at a time, until it has caught up; give what came of each."""
    received = []
    while connection.behind:
        allowance.left = SLICE
        received.append(connection.receive_more())
    return received


def test_long_message() -> None:
    """A long message is decoded a slice at a time, and nothing that came after it goes before it."""
    connection, allowance = bounded(SLICE)
    xid = connection.request(FlowStatsRequest())
    reply = MANY.with_xid(xid)
    assert feed(connection, reply, EchoReply(xid=99), FlowRemoved(), PUNTED.message()) == []
    assert (connection.behind, allowance.left) == (True, 0)
    *slices, answer, rest = catch_up(connection, allowance)
    assert slices == [[]] * (len(MANY.encode()) // SLICE - 1)
    assert (answer, rest) == ([Reply(xid, reply, True)], [FlowRemoved(), PUNTED])


def test_short_messages() -> None:
    """Short messages are decoded as long as the allowance lasts; the others wait, and keep their order."""
    news = [FlowRemoved(cookie=n) for n in range(10)]
    size = len(news[0].encode())
    connection, allowance = bounded(3 * size)
    assert feed(connection, *news) == news[:3]
    assert connection.behind
    allowance.left = 5 * size - 1
    assert connection.receive_more() == news[3:7]
    assert catch_up(connection, allowance) == [news[7:]]


def test_shapes_are_free() -> None:
    """What a shape takes needs no allowance, unless it comes after what waits for one."""
    connection, allowance = bounded(0)
    assert feed(connection, PUNTED.message()) == [PUNTED]
    assert feed(connection, PUNTED.message(), FlowRemoved(), PUNTED.message()) == [PUNTED]
    assert catch_up(connection, allowance) == [[FlowRemoved(), PUNTED]]


def test_data_for_one_behind() -> None:
    """What comes while something waits is put behind it, cut anywhere."""
    connection, allowance = bounded(0)
    data = b"".join(FlowRemoved(cookie=n).encode() for n in range(3))
    for n in range(len(data)):
        assert connection.receive_data(data[n : n + 1], 0.0) == []
    assert catch_up(connection, allowance) == [[FlowRemoved(cookie=n) for n in range(3)]]


def test_without_progress() -> None:
    """A long message that was begun waits until a whole slice is left."""
    connection, allowance = bounded(SLICE)
    connection.request(FlowStatsRequest())
    feed(connection, MANY.with_xid(1))
    allowance.left = SLICE - 1
    assert connection.receive_more() == []
    assert (connection.behind, allowance.left) == (True, SLICE - 1)


def test_damage_in_a_slice() -> None:
    """Damage in any slice of a long message is refused as in a short one, and nothing after it is heard."""
    connection, allowance = bounded(SLICE)
    frame = bytearray(MANY.encode())
    frame[-56:-54] = bytes(2)  # the last flow's length
    assert connection.receive_data(bytes(frame) + FlowRemoved().encode(), 0.0) == []
    assert [message for received in catch_up(connection, allowance) for message in received] == []
    check_refused(connection, BadRequestCode.BAD_LEN, bytes(frame))
    with pytest.raises(DecodeError) as whole:
        decode(bytes(frame))
    assert str(connection.failure) == str(whole.value)


def test_close_while_behind() -> None:
    """A connection that is closed while something waits forgets it."""
    connection, allowance = bounded(SLICE)
    feed(connection, MANY, FlowRemoved())
    connection.close()
    allowance.left = SLICE
    assert (connection.behind, connection.receive_more()) == (False, [])


def test_not_a_message() -> None:
    """Asking with what is no message is a TypeError that shows it."""
    with pytest.raises(TypeError, match="not a message: None"):
        fresh(State.READY).request(None)  # type: ignore[arg-type]


# -- the ledger


def test_request() -> None:
    """A request goes out under an xid of ours, and its answer comes back as a Reply, once."""
    connection = fresh(State.READY)
    first, second = connection.request(GetConfigRequest(xid=77)), connection.request(BarrierRequest())
    assert sent(connection) == [GetConfigRequest(xid=first), BarrierRequest(xid=second)]
    assert len({first, second, 0}) == 3
    answer = GetConfigReply(xid=first)
    assert feed(connection, BarrierReply(xid=second)) == [Reply(second, BarrierReply(xid=second), last=True)]
    assert feed(connection, answer) == [Reply(first, answer, last=True)]
    assert feed(connection, answer) == [answer]


@pytest.mark.parametrize("kind", [kind for kind in REPLIES if kind in MESSAGES and REPLIES[kind] in MESSAGES])
def test_every_reply(kind: int) -> None:
    """Every request that has an answer finds it."""
    connection = fresh(State.READY)
    xid = connection.request(decode(example(kind)))
    connection.data_to_send()
    answer = decode(example(REPLIES[kind])).with_xid(xid)
    assert feed(connection, answer) == [Reply(xid, answer, last=True)]
    assert not connection._ledger


def test_error_as_reply() -> None:
    """An error message with a request's xid is its answer."""
    connection = fresh(State.READY)
    xid = connection.request(FlowStatsRequest())
    error = Error(ErrorType.BAD_REQUEST, BadRequestCode.EPERM, xid=xid)
    assert feed(connection, error) == [Reply(xid, error, last=True)]
    assert feed(connection, error) == [error]


def test_error_about_another_message() -> None:
    """An error that quotes a message of another type, sent under the same xid, is not the request's answer."""
    connection = fresh(State.READY)
    xid = connection.request(FlowStatsRequest())
    error = Error(ErrorType.BAD_ACTION, 9, FlowMod(xid=xid).encode(), xid=xid)
    assert feed(connection, error) == [error]
    connection.forget(xid)
    assert feed(connection, error) == [error]
    assert xid in connection._forgotten


@pytest.mark.parametrize(
    "quote",
    [FlowStatsRequest(xid=1).encode(), b"", FlowMod(xid=1).encode()[:7], FlowMod(xid=2).encode(), b"words of a switch"],
)
def test_error_about_a_request(quote: bytes) -> None:
    """An error that quotes the request, or nothing that tells, is the answer to the request of its xid."""
    connection = fresh(State.READY)
    xid = connection.request(FlowStatsRequest())
    error = Error(ErrorType.BAD_REQUEST, BadRequestCode.EPERM, quote, xid=xid)
    assert feed(connection, error) == [Reply(xid, error, last=True)]


def test_wrong_reply() -> None:
    """An answer of the wrong type is the peer's error."""
    connection = fresh(State.READY)
    xid = connection.request(GetConfigRequest())
    connection.data_to_send()
    answer = BarrierReply(xid=xid)
    assert feed(connection, answer) == []
    check_refused(connection, BadRequestCode.BAD_TYPE, answer.encode())


@pytest.mark.parametrize("news", [PUNTED.message(), FlowRemoved(), PortStatus(0, Port(1))], ids=repr)
def test_news_with_an_xid_of_ours(news: Message) -> None:
    """What a switch says of its own accord may have any xid, also one of ours: it answers nothing."""
    for shapes in ((), (PUNT,)):
        connection = fresh(State.READY, shapes=shapes)
        xid = connection.request(BarrierRequest())
        (received,) = feed(connection, news.with_xid(xid))
        assert not isinstance(received, Reply)
        assert feed(connection, BarrierReply(xid=xid)) == [Reply(xid, BarrierReply(xid=xid), last=True)]


def test_multipart() -> None:
    """All parts of a multipart answer belong to the request, up to the one without the flag MORE (7.3.5)."""
    connection = fresh(State.READY)
    xid = connection.request(FlowStatsRequest())
    more, last = FlowStatsReply(xid=xid, flags=1), FlowStatsReply(xid=xid)
    assert feed(connection, more) == [Reply(xid, more, last=False)]
    assert feed(connection, more, last) == [Reply(xid, more, last=False), Reply(xid, last, last=True)]
    assert feed(connection, last) == [last]


def test_forget() -> None:
    """All parts of an answer that nobody waits for any more are discarded; its xid is free after the last."""
    connection = fresh(State.READY)
    xid = connection.request(FlowStatsRequest())
    more, last = FlowStatsReply(xid=xid, flags=1), FlowStatsReply(xid=xid)
    assert len(feed(connection, more)) == 1
    connection.forget(xid)
    assert feed(connection, more, last) == []
    assert not connection._ledger
    assert not connection._forgotten
    connection.forget(xid)
    connection.forget(12345)
    assert not connection._forgotten
    assert feed(connection, last) == [last]


def test_forgotten_error() -> None:
    """An error also ends the wait for an answer that nobody waits for."""
    connection = fresh(State.READY)
    xid = connection.request(BarrierRequest())
    connection.forget(xid)
    assert feed(connection, Error(1, 1, xid=xid)) == []
    assert not connection._ledger
    assert not connection._forgotten


def test_forgotten_makes_room() -> None:
    """What nobody waits for any more is not unanswered, however much of it there is; the last are still known."""
    connection = fresh(State.READY, max_requests=1)
    many = FORGOTTEN + 100
    for xid in range(1, many + 1):
        assert connection.request(BarrierRequest()) == xid
        connection.forget(xid)
    assert (len(connection._ledger), len(connection._forgotten)) == (0, FORGOTTEN)
    for xid in (101, many):
        assert feed(connection, BarrierReply(xid=xid)) == []
    assert feed(connection, BarrierReply(xid=100)) == [BarrierReply(xid=100)]
    xid = connection.request(BarrierRequest())
    assert feed(connection, BarrierReply(xid=xid)) == [Reply(xid, BarrierReply(xid=xid), last=True)]


def test_forgotten_wrong_reply() -> None:
    """Also what nobody waits for any more is answered by its own type only."""
    connection = fresh(State.READY)
    xid = connection.request(GetConfigRequest())
    connection.forget(xid)
    connection.data_to_send()
    answer = BarrierReply(xid=xid)
    assert feed(connection, answer) == []
    check_refused(connection, BadRequestCode.BAD_TYPE, answer.encode())


def test_max_requests() -> None:
    """There is a bound on unanswered requests; an answer makes room."""
    connection = fresh(State.READY, max_requests=2)
    first = connection.request(BarrierRequest())
    connection.request(BarrierRequest())
    connection.data_to_send()
    with pytest.raises(LocalProtocolError, match="2 requests are unanswered"):
        connection.request(BarrierRequest())
    assert sent(connection) == []
    feed(connection, BarrierReply(xid=first))
    connection.request(BarrierRequest())


def test_xid_wraps_around() -> None:
    """After the highest xid comes 1: 0 is for what is no request. Xids that may yet be answered are skipped."""
    connection = fresh(State.READY)
    assert connection.request(BarrierRequest()) == 1
    connection.forget(connection.request(BarrierRequest()))
    connection._xid = XID_MAX - 1
    assert connection.request(BarrierRequest()) == XID_MAX
    assert connection.request(BarrierRequest()) == 3


@pytest.mark.parametrize("state", [State.HELLO, State.FEATURES])
def test_no_requests_before_ready(state: State) -> None:
    """Nothing can be requested before the handshake is done."""
    connection = fresh(state)
    with pytest.raises(LocalProtocolError, match=state.value):
        connection.request(BarrierRequest())


def test_no_answer() -> None:
    """What has no answer cannot be a request."""
    with pytest.raises(LocalProtocolError, match="UnknownMessage has no answer"):
        fresh(State.READY).request(UnknownMessage(99, b""))
    with pytest.raises(LocalProtocolError, match="FlowMod has no answer"):
        fresh(State.READY).request(FlowMod())


def test_request_that_cannot_be_encoded() -> None:
    """A request that fails to encode is not waited for."""
    connection = fresh(State.READY)
    with pytest.raises(EncodeError):
        connection.request(RoleRequest(-1))
    assert not connection._ledger
    assert sent(connection) == []


# -- keepalive


def test_keepalive() -> None:
    """A silent peer is asked once, and given up on when it does not answer (6.4)."""
    connection = fresh(State.READY, keepalive=Keepalive(interval=5.0, patience=10.0))
    connection.tick(4.9)
    assert sent(connection) == []
    connection.tick(5.0)
    connection.tick(9.0)
    assert sent(connection) == [EchoRequest()]
    connection.tick(14.9)
    assert not connection.closed
    connection.tick(15.0)
    assert connection.closed
    assert "silent for 15 s" in str(connection.failure)
    assert sent(connection) == []


def test_keepalive_hears() -> None:
    """Any bytes show that the peer lives, part of a message too; then the silence is counted anew."""
    connection = fresh(State.READY, keepalive=Keepalive(interval=5.0, patience=10.0))
    connection.tick(5.0)
    assert sent(connection) == [EchoRequest()]
    assert feed(connection, EchoReply(), now=14.0) == []
    connection.receive_data(b"\x04", 20.0)
    connection.tick(24.0)
    assert sent(connection) == []
    connection.tick(25.0)
    assert sent(connection) == [EchoRequest()]
    connection.tick(34.9)
    assert not connection.closed


@pytest.mark.parametrize("state", [State.HELLO, State.FEATURES])
def test_keepalive_in_the_handshake(state: State) -> None:
    """During the handshake nobody is asked, but silence still ends it."""
    connection = fresh(state, keepalive=Keepalive(interval=5.0, patience=10.0))
    connection.tick(14.0)
    assert sent(connection) == []
    connection.tick(15.0)
    assert connection.closed
