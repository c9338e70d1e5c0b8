"""The controller's end of an OpenFlow connection, without the input and output.

Bytes come in by `receive_data`, which returns what they said; messages go in by `send` and `request`, and bytes come
out of `data_to_send`. Time comes in as an argument. What the peer does wrong never raises: the connection answers with
an error message where the specification has one, becomes CLOSED, keeps the cause in `failure`, and discards all that
comes after. What the caller does wrong is a `LocalProtocolError`.

An `Allowance` bounds how much is decoded at a time. What it did not suffice for waits, in order, for `receive_more`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum
from math import inf
from typing import Any, Final, NamedTuple

from daoli.ofproto.constants import VERSION, BadRequestCode, ErrorType, HelloFailedCode, MessageType
from daoli.ofproto.errors import DecodeError, LocalProtocolError, RemoteProtocolError
from daoli.ofproto.handshake import FeaturesReply, FeaturesRequest
from daoli.ofproto.message import Message, UnknownMessage, check_message, decode
from daoli.ofproto.shapes import Shape
from daoli.ofproto.slices import SlicedDecoder
from daoli.ofproto.symmetric import EchoReply, EchoRequest, Error, Hello

HEADER: Final = 8
QUOTE: Final = 64
"""Bytes of an offending message that an error message quotes (7.4.4)."""

SLICE: Final = 8 * 1024
"""Bytes of a message that are decoded at a time: 2 to 3 ms of flows."""

FORGOTTEN: Final = 1024
"""Requests nobody waits for any more whose late answers are still known, and discarded; of more the oldest are not."""

XID_MAX: Final = 0x7FFF_FFFF
"""The highest xid that a request gets; after it comes 1. Those above are for who sends messages that have no answer."""


class State(Enum):
    """Where the connection stands."""

    HELLO = "awaiting the peer's hello"
    FEATURES = "awaiting the features reply"
    READY = "open"
    CLOSED = "closed"


# The handshake (6.3). What is not in the table is the peer's error. While the features are awaited the switch may
# already send what its flow table and ports give rise to; that is dropped, since nobody knows yet whose it is.
TRANSITIONS: Final[dict[tuple[State, int], State]] = {
    (State.HELLO, MessageType.HELLO): State.FEATURES,
    (State.HELLO, MessageType.ERROR): State.CLOSED,
    (State.FEATURES, MessageType.FEATURES_REPLY): State.READY,
    (State.FEATURES, MessageType.ERROR): State.CLOSED,
    (State.FEATURES, MessageType.ECHO_REQUEST): State.FEATURES,
    (State.FEATURES, MessageType.ECHO_REPLY): State.FEATURES,
    (State.FEATURES, MessageType.PACKET_IN): State.FEATURES,
    (State.FEATURES, MessageType.FLOW_REMOVED): State.FEATURES,
    (State.FEATURES, MessageType.PORT_STATUS): State.FEATURES,
    **{
        (State.READY, kind): State.READY
        for kind in (
            MessageType.ERROR,
            MessageType.ECHO_REQUEST,
            MessageType.ECHO_REPLY,
            MessageType.EXPERIMENTER,
            MessageType.FEATURES_REPLY,
            MessageType.GET_CONFIG_REPLY,
            MessageType.PACKET_IN,
            MessageType.FLOW_REMOVED,
            MessageType.PORT_STATUS,
            MessageType.MULTIPART_REPLY,
            MessageType.BARRIER_REPLY,
            MessageType.QUEUE_GET_CONFIG_REPLY,
            MessageType.ROLE_REPLY,
            MessageType.GET_ASYNC_REPLY,
        )
    },
}

# Which type answers which (6.1.1, 7.3). A request that is not here is answered by an error or not at all.
REPLIES: Final[dict[int, int]] = {
    MessageType.ECHO_REQUEST: MessageType.ECHO_REPLY,
    MessageType.EXPERIMENTER: MessageType.EXPERIMENTER,
    MessageType.FEATURES_REQUEST: MessageType.FEATURES_REPLY,
    MessageType.GET_CONFIG_REQUEST: MessageType.GET_CONFIG_REPLY,
    MessageType.MULTIPART_REQUEST: MessageType.MULTIPART_REPLY,
    MessageType.BARRIER_REQUEST: MessageType.BARRIER_REPLY,
    MessageType.QUEUE_GET_CONFIG_REQUEST: MessageType.QUEUE_GET_CONFIG_REPLY,
    MessageType.ROLE_REQUEST: MessageType.ROLE_REPLY,
    MessageType.GET_ASYNC_REQUEST: MessageType.GET_ASYNC_REPLY,
}

_ASKED: Final = {answer: request for request, answer in REPLIES.items()}

_NEWS: Final = frozenset({MessageType.PACKET_IN, MessageType.FLOW_REMOVED, MessageType.PORT_STATUS})
"""What a switch sends of its own accord (6.1.2): it answers nothing, whatever xid it has."""

MORE: Final = 1
"""Flag of a multipart reply that another follows (7.3.5)."""


class Reply(NamedTuple):
    """An answer to a request made by `Connection.request`; an `Error` message is an answer too."""

    xid: int
    message: Message
    last: bool


class Keepalive(NamedTuple):
    """When to ask a silent peer whether it lives, and when to give up. Seconds."""

    interval: float = 5.0
    """Silence after which an echo request is sent."""
    patience: float = 10.0
    """Further silence after which the connection is closed."""


class Allowance:
    """How many bytes may still be decoded before somebody else has a turn; connections may share one.

    What shapes take does not count: it is soon done. A message waits until its bytes are left, a long one until `SLICE`
    are; so with less than that in one allowance a long one waits for ever.
    """

    __slots__ = ("left",)

    def __init__(self, left: float = inf) -> None:
        self.left = left


class Connection:
    """One OpenFlow 1.3 connection, the controller's side."""

    def __init__(
        self,
        now: float,
        *,
        shapes: Sequence[Shape[Any]] = (),
        keepalive: Keepalive = Keepalive(),  # noqa: B008 (immutable)
        max_requests: int = 1024,
        allowance: Allowance | None = None,
    ) -> None:
        """Begin at time `now` with our hello. `shapes` are tried, in order, before the canonical decoder.

        Without an `allowance` all that has come is decoded at once.
        """
        self.state = State.HELLO
        self.failure: Exception | None = None
        self.features: FeaturesReply | None = None
        self.canonical = 0
        """Messages that no shape took; on a hot path this should not grow."""
        self.behind = False
        """Whether something that has come waits for `receive_more`."""
        self._allowance = allowance or Allowance()
        self._sliced: SlicedDecoder | None = None
        self._shapes: dict[int, tuple[Shape[Any], ...]] = {}
        for shape in shapes:
            self._shapes[shape.type] = (*self._shapes.get(shape.type, ()), shape)
        self._keepalive = keepalive
        self._max_requests = max_requests
        self._heard = now
        self._asked = False
        self._buffer = b""
        self._out: list[bytes] = []
        self._ledger: dict[int, int] = {}  # xid -> the type that answers it
        self._forgotten: dict[int, int] = {}  # the same of those that nobody waits for any more, oldest first
        self._xid = 0
        self.send(Hello.of((VERSION,)))

    # -- in ------------------------------------------------------------------------------------------------------

    def receive_data(self, data: bytes, now: float) -> list[Any]:
        """Take bytes from the peer, cut anywhere; return what they complete, in order, as far as the allowance goes.

        That is `Reply` for what answers a request, otherwise a shape's tuple or a message. Handshake and keepalive are
        dealt with here: of those only the first features reply is returned, when the connection becomes READY.
        """
        self.hear(now)
        if self.state is State.CLOSED:
            return []
        if self._buffer:
            data = self._buffer + data
        if self.behind:
            self._buffer = data
            return []
        return self._receive(data)

    def receive_more(self) -> list[Any]:
        """Go on with what waits, after the allowance was renewed; return as `receive_data` does."""
        received: list[Any] = []
        if self._sliced is not None:
            self._go_on(self._sliced, received)
        return received if self._sliced is not None else received + self._receive(self._buffer)

    def hear(self, now: float) -> None:
        """Note that the peer is there; also of one that is not read, whose silence is not its own."""
        self._heard = now
        self._asked = False

    def _receive(self, data: bytes) -> list[Any]:
        """Take the messages that `data` begins with, as far as the allowance goes, and keep the rest."""
        received: list[Any] = []
        self._buffer = b""
        self.behind = False
        at, size = 0, len(data)
        shapes = self._shapes if self.state is State.READY else None
        while size - at >= HEADER and not self.behind:
            length = data[at + 2] << 8 | data[at + 3]
            if length < HEADER:
                self._receive_frame(data[at : at + HEADER], received)  # the decoder says what is wrong
                return received
            end = at + length
            if end > size:
                break
            taken = None
            if shapes is not None and data[at] == VERSION:
                for shape in shapes.get(data[at + 1], ()):
                    if (taken := shape.unpack(data, at, end)) is not None:
                        break
            if taken is not None:
                received.append(taken)
            elif self._allowance.left < min(length, SLICE):
                self.behind = True
                break
            else:
                self._receive_frame(data[at:end], received)
                if self.state is State.CLOSED:
                    return received
                shapes = self._shapes if self.state is State.READY else None
            at = end
        self._buffer = data[at:]
        return received

    def receive_eof(self) -> None:
        """Note that the peer ended the connection."""
        if self.state is not State.CLOSED:
            self.close(RemoteProtocolError(f"the peer ended the connection while {self.state.value}", "6.3.1"))

    def _receive_frame(self, frame: bytes, received: list[Any]) -> None:
        """Decode and act on one frame, or begin to."""
        self.canonical += 1
        if len(frame) > SLICE:
            self._sliced = SlicedDecoder(frame)
            self._go_on(self._sliced, received)
            return
        self._allowance.left -= len(frame)
        try:
            message = decode(frame)
        except DecodeError as error:
            self._refuse(error, frame)
        else:
            self._act(message, frame, received)

    def _go_on(self, sliced: SlicedDecoder, received: list[Any]) -> None:
        """Decode as much of a long frame as the allowance lets; act on it if that was all."""
        while self._allowance.left >= SLICE:
            self._allowance.left -= SLICE
            try:
                message = sliced.step(SLICE)
            except DecodeError as error:
                self._refuse(error, sliced.frame)
                return
            if message is not None:
                self._sliced = None
                self._act(message, sliced.frame, received)
                return
        self.behind = True

    def _act(self, message: Message, frame: bytes, received: list[Any]) -> None:
        """Act on a message; `frame` is what it came as."""
        if isinstance(message, UnknownMessage):
            self.send(Error(ErrorType.BAD_REQUEST, BadRequestCode.BAD_TYPE, frame[:QUOTE], xid=message.xid))
            return
        state = TRANSITIONS.get((self.state, message.TYPE))
        if state is None:
            self._refuse(RemoteProtocolError(f"{type(message).__name__} while {self.state.value}", "6.3"), frame)
        elif self.state is State.READY:
            self._receive_ready(message, frame, received)
        else:
            self._receive_handshake(message, state, received)

    def _receive_handshake(self, message: Message, state: State, received: list[Any]) -> None:
        if isinstance(message, Hello):
            if VERSION not in message.versions():
                text = f"this controller speaks OpenFlow 1.3 (0x04) only, the peer {sorted(message.versions())}"
                self.send(Error(ErrorType.HELLO_FAILED, HelloFailedCode.INCOMPATIBLE, text.encode(), xid=message.xid))
                self.close(RemoteProtocolError(text, "6.3.1"))
                return
            self.send(FeaturesRequest())
        elif isinstance(message, Error):
            self.close(RemoteProtocolError(f"the peer refused the handshake: {message}", "6.3.1"))
        elif isinstance(message, EchoRequest):
            self.send(EchoReply(message.data, xid=message.xid))
        elif isinstance(message, FeaturesReply):
            self.features = message
            received.append(message)
        if self.state is not State.CLOSED:
            self.state = state

    def _receive_ready(self, message: Message, frame: bytes, received: list[Any]) -> None:
        if isinstance(message, EchoRequest):
            self.send(EchoReply(message.data, xid=message.xid))
            return
        forgotten = message.xid in self._forgotten
        ledger = self._forgotten if forgotten else self._ledger
        expected = None if message.TYPE in _NEWS else ledger.get(message.xid)
        if expected is None or (isinstance(message, Error) and _quotes_another(message, _ASKED[expected])):
            if not isinstance(message, EchoReply):
                received.append(message)
            return
        if message.TYPE not in (expected, MessageType.ERROR):
            self._refuse(
                RemoteProtocolError(f"{type(message).__name__} answers xid {message.xid:#x} of another type", "7.1"),
                frame,
            )
            return
        last = not (message.TYPE == MessageType.MULTIPART_REPLY and getattr(message, "flags", 0) & MORE)
        if last:
            del ledger[message.xid]
        if not forgotten:
            received.append(Reply(message.xid, message, last))

    def _refuse(self, error: DecodeError | RemoteProtocolError, frame: bytes) -> None:
        code = BadRequestCode.BAD_LEN if isinstance(error, DecodeError) else BadRequestCode.BAD_TYPE
        if frame[0] != VERSION:
            code = BadRequestCode.BAD_VERSION
        self.send(Error(ErrorType.BAD_REQUEST, code, frame[:QUOTE], xid=int.from_bytes(frame[4:8], "big")))
        self.close(error)

    # -- out -----------------------------------------------------------------------------------------------------

    def send(self, message: Message) -> None:
        """Queue a message that needs no answer."""
        self.write(message.encode())

    def write(self, packed: bytes) -> None:
        """Queue whole messages that are encoded already."""
        if self.state is State.CLOSED:
            raise LocalProtocolError("the connection is closed")
        self._out.append(packed)

    def request(self, message: Message) -> int:
        """Queue a message whose answer is awaited, under an xid of ours, which is returned."""
        check_message(message)
        if self.state is not State.READY:
            raise LocalProtocolError(f"no requests while {self.state.value}")
        if (answer := REPLIES.get(message.type_number())) is None:
            raise LocalProtocolError(f"{type(message).__name__} has no answer")
        if len(self._ledger) >= self._max_requests:
            raise LocalProtocolError(f"{self._max_requests} requests are unanswered")
        while True:
            self._xid = self._xid % XID_MAX + 1  # 0 is for what is not a request
            if self._xid not in self._ledger and self._xid not in self._forgotten:
                break
        self.send(replace(message, xid=self._xid))
        self._ledger[self._xid] = answer
        return self._xid

    def forget(self, xid: int) -> None:
        """Stop waiting for an answer, and make room for another request; if it comes after all it is discarded.

        Of the last `FORGOTTEN` requests, that is: an answer later than that is one to nothing, and returned as it came.
        """
        if (expected := self._ledger.pop(xid, None)) is not None:
            self._forgotten[xid] = expected
            if len(self._forgotten) > FORGOTTEN:
                del self._forgotten[next(iter(self._forgotten))]

    def tick(self, now: float) -> None:
        """Let time pass: ask a silent peer whether it is there, and give up on one that does not answer (6.4)."""
        if self.state is State.CLOSED:
            return
        silence = now - self._heard
        if silence >= self._keepalive.interval + self._keepalive.patience:
            self.close(RemoteProtocolError(f"silent for {silence:.0f} s while {self.state.value}", "6.4"))
        elif silence >= self._keepalive.interval and self.state is State.READY and not self._asked:
            self._asked = True
            self.send(EchoRequest())

    @property
    def closed(self) -> bool:
        """Whether the connection has ended."""
        return self.state is State.CLOSED

    @property
    def has_output(self) -> bool:
        """Whether `data_to_send` has something."""
        return bool(self._out)

    def data_to_send(self) -> bytes:
        """Hand over what is queued; also after `close`, since the last error message is for the peer."""
        if not self._out:
            return b""
        out, self._out = self._out, []
        return b"".join(out)

    def close(self, failure: Exception | None = None) -> None:
        """Become CLOSED; the first failure is kept."""
        if self.state is State.CLOSED:
            return
        self.state = State.CLOSED
        self.failure = failure
        self.behind = False
        self._sliced = None
        self._buffer = b""


def _quotes_another(error: Error, kind: int) -> bool:
    """Tell whether an error quotes a message of its xid, as it must (7.4.4), that is not of this type.

    Then it is about what somebody sent with an xid of their own, which a request happens to have got too.
    """
    quote = error.data
    return (
        len(quote) >= HEADER and quote[0] == VERSION and quote[1] != kind and quote[4:8] == error.xid.to_bytes(4, "big")
    )
