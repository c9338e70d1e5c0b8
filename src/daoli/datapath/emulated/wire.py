"""The switch's end of one connection: the hello, framing, and the errors for what cannot be done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, cast

from daoli.datapath.emulated.refusal import Refused, unreadable
from daoli.ofproto import (
    VERSION,
    DecodeError,
    Error,
    ErrorType,
    FeaturesRequest,
    Hello,
    HelloFailedCode,
    Message,
    decode,
)

_HEADER: Final = 8


class Wire(asyncio.Protocol):
    """The switch's end of one connection."""

    def __init__(self, answer: Callable[[Message], Iterable[Message]]) -> None:
        """`answer` does what a message says, and gives the answers with their xid; or it raises `Refused`."""
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = loop.create_future()
        """Done when the controller knows the switch."""
        self.lost: asyncio.Future[None] = loop.create_future()
        """Done when the connection has ended."""
        self.failure: str | None = None
        self.clogged = False
        self._transport: asyncio.Transport | None = None
        self._answer = answer
        self._buffer = b""
        self._greeted = self._ending = False

    def send(self, *messages: Message) -> None:
        """Write messages, if the connection stands."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(message.encode() for message in messages))

    @property
    def is_open(self) -> bool:
        """Whether the connection stands."""
        return self._transport is not None and not self.lost.done()

    def close(self) -> None:
        """End the connection; `lost` is done then."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello."""
        self._transport = cast("asyncio.Transport", transport)
        self.send(Hello.of((VERSION,)))

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end, and its cause if there is one."""
        self.failure = self.failure or (str(exc) if exc else None)
        self.lost.set_result(None)

    def pause_writing(self) -> None:
        """Note that the controller does not read."""
        self.clogged = True

    def resume_writing(self) -> None:
        """Note that it reads again."""
        self.clogged = False

    def data_received(self, data: bytes) -> None:
        """Take whole messages, each in its turn; what is left waits for more."""
        data, at = self._buffer + data, 0
        while len(data) - at >= _HEADER and not self._ending:
            length = int.from_bytes(data[at + 2 : at + 4], "big")
            if length < _HEADER:
                self._end(f"a message of {length} bytes")
                return
            if len(data) - at < length:
                break
            self._receive(data[at : at + length])
            at += length
        self._buffer = data[at:]

    def _receive(self, frame: bytes) -> None:
        try:
            message = decode(frame)
            if not self._greeted:
                self._greet(message)
                return
            for answer in self._answer(message):
                self.send(answer)
        except Refused as refusal:
            self.send(refusal.error(frame))
        except DecodeError as error:
            self.send(unreadable(error, frame[0]).error(frame))
        else:
            if isinstance(message, FeaturesRequest) and not self.ready.done():
                self.ready.set_result(None)

    def _greet(self, message: Message) -> None:
        if isinstance(message, Hello) and VERSION in message.versions():
            self._greeted = True
        elif isinstance(message, Error):
            self._end(str(message))
        else:
            text = b"this switch speaks OpenFlow 1.3 (0x04) only"
            self.send(Error(ErrorType.HELLO_FAILED, HelloFailedCode.INCOMPATIBLE, text, xid=message.xid))
            self._end(f"{message} instead of a hello in OpenFlow 1.3")

    def _end(self, failure: str) -> None:
        self.failure = failure
        self._ending = True
        self.close()
