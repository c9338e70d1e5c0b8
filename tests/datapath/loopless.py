"""A datapath's handle over a connection that the test feeds, without a socket."""

from __future__ import annotations

import asyncio

from daoli.datapath import Datapath
from daoli.datapath.datapath import ErrorTaker
from daoli.ofproto import Error, FeaturesReply, Hello, Message, decode
from daoli.ofproto.connection import Connection, Reply


class FakeTransport:
    """Takes what is written, and remembers whether it was aborted."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.aborted = self.paused = False

    def write(self, data: bytes, /) -> None:
        """Keep bytes."""
        self.writes.append(data)

    def abort(self) -> None:
        """Note the end."""
        self.aborted = True

    def get_write_buffer_size(self) -> int:
        """Say that all was taken."""
        return 0

    def pause_reading(self) -> None:
        """Note that nothing is read."""
        self.paused = True

    def resume_reading(self) -> None:
        """Note that reading goes on."""
        self.paused = False

    def is_closing(self) -> bool:
        """Say whether it was aborted."""
        return self.aborted


class Loopless:
    """A handle over a connection that the test feeds, without a socket."""

    def __init__(self) -> None:
        self.transport = FakeTransport()
        self.connection = Connection(0.0)
        features = FeaturesReply(datapath_id=0xDA01)
        self.connection.receive_data(Hello.of((4,)).encode() + features.encode(), 0.0)
        self.connection.data_to_send()
        self.flushes = 0
        self.taker: ErrorTaker | None = None
        self.unanswered: list[Message] = []
        """What came that nobody had asked for."""
        self.datapath = Datapath(
            self.connection, self.transport, "peer", features, 0.0, self._flush_soon, self._show_errors_to
        )

    def _flush_soon(self, _: Datapath) -> None:
        self.flushes += 1

    def _show_errors_to(self, taker: ErrorTaker | None) -> None:
        self.taker = taker

    def feed(self, *messages: Message) -> None:
        """Have the switch send messages."""
        for received in self.connection.receive_data(b"".join(message.encode() for message in messages), 0.0):
            if isinstance(received, Reply):
                self.datapath._receive_reply(received)
            elif not (self.taker is not None and isinstance(received, Error) and self.taker(received)):
                self.unanswered.append(received)

    def sent(self) -> list[Message]:
        """Take what was sent since this was asked last."""
        data, messages = self.connection.data_to_send(), []
        while data:
            length = int.from_bytes(data[2:4], "big")
            messages.append(decode(data[:length]))
            data = data[length:]
        return messages


async def settle() -> None:
    """Let tasks that can run do so, until they wait for something."""
    for _ in range(10):
        await asyncio.sleep(0)
