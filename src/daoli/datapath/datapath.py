"""The handle of one connected datapath."""
# ruff: noqa: ASYNC109 - a time-out is part of the promise

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Final, Protocol

from daoli.datapath.bundle import Bundle
from daoli.datapath.errors import Disconnected, RequestFailed
from daoli.datapath.reading import Pausable, Reading
from daoli.datapath.requests import TIMEOUT, Requests
from daoli.ofproto import (
    ControllerRole,
    Error,
    FeaturesReply,
    GetAsyncReply,
    GetAsyncRequest,
    Message,
    RoleReply,
    RoleRequest,
    SetAsync,
)
from daoli.ofproto.connection import REPLIES, XID_MAX, Connection, State
from daoli.ofproto.message import check_message

_APPLY_XIDS: Final = XID_MAX + 1
"""The xids of messages to apply begin here; the connection gives those of requests, from 1 to `XID_MAX`."""


class Transport(Pausable, Protocol):
    """What a datapath needs of an asyncio transport."""

    def write(self, data: bytes, /) -> None:
        """Queue bytes."""

    def abort(self) -> None:
        """Close at once."""

    def get_write_buffer_size(self) -> int:
        """Bytes that the peer has not taken yet."""


ErrorTaker = Callable[[Error], bool]
"""Is shown an error message that answers no request; says whether it took it."""


def _no_sift(_taker: ErrorTaker | None) -> None:
    """Nobody hands out messages."""


class Datapath(Requests):
    """A datapath whose handshake is done. All methods are for the event loop's thread.

    Nothing is written before the current turn of the loop ends: what one turn sends leaves in one `transport.write`.
    """

    def __init__(
        self,
        connection: Connection,
        transport: Transport,
        peer: str,
        features: FeaturesReply,
        now: float,
        flush_soon: Callable[[Datapath], None],
        sift: Callable[[ErrorTaker | None], None] = _no_sift,
        reading: Reading | None = None,
    ) -> None:
        """`sift` is called with who is to be shown error messages before the handler is, or None for nobody."""
        super().__init__(connection, reading or Reading(transport), flush_soon)
        self.dpid: int = features.datapath_id
        """The datapath's id, 64 bits."""
        self.features = features
        """What the datapath said of itself in the handshake (7.3.1)."""
        self.peer = peer
        """Where it connected from: ADDRESS:PORT."""
        self.connected_at = now
        """When the handshake was done, by the event loop's clock, in seconds."""
        self._transport = transport
        self._sift = sift
        self._applying: dict[int, tuple[Message, list[RequestFailed]]] = {}
        self._xids = count(_APPLY_XIDS)
        self._bundle_ids = count(1)

    def __repr__(self) -> str:
        return f"<Datapath {self.dpid:016x} {self.peer}>"

    # -- sending -------------------------------------------------------------------------------------------------

    def send(self, message: Message) -> None:
        """Send a message that needs no answer. A datapath that is gone takes it silently, as a cut cable would.

        It keeps its xid, by which an error about it is known. Requests get xids from 1 on, messages to `apply` from
        0x8000_0000 on: one from 0x4000_0000 on is nobody else's. If it is, the message that the error quotes decides.
        """
        check_message(message)
        if self.alive:
            self.write(message.encode())

    def write(self, packed: bytes) -> None:
        """Send whole messages that are encoded already."""
        if self._connection.state is State.READY:
            self._connection.write(packed)
            self._flush_soon(self)

    async def apply(self, *messages: Message, timeout: float = TIMEOUT) -> None:
        """Send messages that have no answer, flow_mods for instance, and wait until all are done (7.3.8).

        Their xids are replaced, so that an error message tells which of them it is about. Raises `RequestFailed` for
        the first that failed, whose `others` are the rest: what did not fail has been done, and stays. Nothing is sent
        if one cannot be encoded (`EncodeError`) or is a request (`ValueError`). Otherwise as `request`.
        """
        self.check_unanswered(messages)
        if not self.alive:
            raise Disconnected(f"{self!r} is not connected")
        with self.watching(messages) as (numbered, failures):
            self.write(b"".join(message.encode() for message in numbered))
            await self.barrier(timeout=timeout)
        if failures:
            failures[0].others = tuple(failures[1:])
            raise failures[0]

    def bundle(self, *, timeout: float = TIMEOUT) -> Bundle:
        """Begin a bundle: what is added to it in an `async with` is done at the end of the block, all or nothing.

        The end of the block raises what `apply` raises, and then nothing was done; BAD_REQUEST/BAD_EXPERIMENTER says
        that the switch has no bundles. `timeout` is in seconds, for each of the three answers that a commit takes.
        """
        return Bundle(self, next(self._bundle_ids) & 0xFFFF_FFFF, timeout)

    @staticmethod
    def check_unanswered(messages: Iterable[Message]) -> None:
        """Refuse requests, with `ValueError`: an answer that nobody waits for would be lost; and what is no message."""
        for message in messages:
            check_message(message)
            if message.type_number() in REPLIES:
                raise ValueError(f"{type(message).__name__} has an answer: use request()")

    @contextmanager
    def watching(self, messages: Iterable[Message]) -> Iterator[tuple[list[Message], list[RequestFailed]]]:
        """Give messages xids of their own, and a list that fills with the errors about them until the block ends."""
        failures: list[RequestFailed] = []
        given = {self._next_xid(): message for message in messages}
        self._applying |= {xid: (message, failures) for xid, message in given.items()}
        self._sift(self._take_error)
        try:
            yield [message.with_xid(xid) for xid, message in given.items()], failures
        finally:
            for xid in given:
                del self._applying[xid]
            if not self._applying:
                self._sift(None)

    def _next_xid(self) -> int:
        xid = next(self._xids)
        if xid == 0xFFFF_FFFF:  # the last one there is
            self._xids = count(_APPLY_XIDS)
        return xid

    def _take_error(self, error: Error) -> bool:
        """Take an error message that is about what is being applied."""
        applied = self._applying.get(error.xid)
        if applied is None:
            return False
        message, failures = applied
        failures.append(RequestFailed(message, error))
        return True

    # -- several controllers -------------------------------------------------------------------------------------

    async def role(
        self, role: ControllerRole = ControllerRole.NOCHANGE, generation_id: int = 0, *, timeout: float = TIMEOUT
    ) -> RoleReply:
        """Ask for a role, or, with none, which one this controller has (7.3.9).

        `generation_id` is an unsigned number of 64 bits that grows with every election of a master: one that is older
        than what the datapath has seen is refused, as ROLE_REQUEST_FAILED/STALE in a `RequestFailed`.
        """
        return await self.request(RoleRequest(role, generation_id), timeout=timeout)

    async def get_async(self, *, timeout: float = TIMEOUT) -> GetAsyncReply:
        """Ask which asynchronous messages this controller gets (7.3.10)."""
        return await self.request(GetAsyncRequest(), timeout=timeout)

    async def set_async(
        self,
        *,
        packet_in: tuple[int, int] | None = None,
        port_status: tuple[int, int] | None = None,
        flow_removed: tuple[int, int] | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        """Choose which asynchronous messages this controller gets (7.3.10); what is not given stays as it is.

        Each is two masks, what is wanted as master or equal, and as slave: bit r stands for reason r, as in
        `PacketInMask`, `PortStatusMask` and `FlowRemovedMask`. Ends when the datapath has done it.
        """
        now = await self.get_async(timeout=timeout)
        wanted = SetAsync(
            now.packet_in_mask if packet_in is None else packet_in,
            now.port_status_mask if port_status is None else port_status,
            now.flow_removed_mask if flow_removed is None else flow_removed,
        )
        await self.apply(wanted, timeout=timeout)

    # -- the end -------------------------------------------------------------------------------------------------

    def close(self, failure: Exception | None = None) -> None:
        """End the connection; `failure` is what the handler and all who wait are told. Flows stay on the datapath."""
        self._connection.close(failure)
        self._transport.abort()
