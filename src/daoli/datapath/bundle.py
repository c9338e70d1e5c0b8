"""Bundles: messages that a datapath carries out all at once or not at all (ONF extension 230; OpenFlow 1.4, 7.3.9)."""

from __future__ import annotations

from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from daoli.datapath.errors import DatapathError, RequestFailed
from daoli.ofproto import BundleAdd, BundleControl, BundleControlType, Bundled, Message

if TYPE_CHECKING:
    from daoli.datapath.datapath import Datapath

ATOMIC: Final = 1
"""Flag: all of it or nothing (OFPBF_ATOMIC)."""
ORDERED: Final = 2
"""Flag: in the order in which it was added (OFPBF_ORDERED)."""


class Bundle:
    """Messages to be carried out at once, in their order; made by `Datapath.bundle`.

    Nothing is sent before the block ends: a switch forgets a bundle that stays open (Open vSwitch after 10 s). If the
    block ends by an exception nothing is sent at all.
    """

    def __init__(self, datapath: Datapath, bundle_id: int, timeout: float) -> None:
        """`timeout` is in seconds, for each of the switch's answers."""
        self._datapath = datapath
        self._id = bundle_id
        self._timeout = timeout
        self._messages: list[Message] = []

    def add(self, *messages: Message) -> None:
        """Put messages in that have no answer: flow_mods, and group_mods and port_mods where the switch takes them.

        Raises `EncodeError` for one that does not fit the wire, `ValueError` for a request.
        """
        self._datapath.check_unanswered(messages)
        for message in messages:
            message.encode()
        self._messages += messages

    def __len__(self) -> int:
        """How many messages are in it."""
        return len(self._messages)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commit, unless the block raised. Raises `RequestFailed` for the message at fault: then nothing was done."""
        if error is None and self._messages:
            await self._commit()

    async def _commit(self) -> None:
        datapath = self._datapath
        await self._control(BundleControlType.OPEN_REQUEST)
        with datapath.watching(self._messages) as (numbered, failures):
            try:
                for message in numbered:
                    datapath.send(BundleAdd(self._id, ATOMIC | ORDERED, Bundled(message), xid=message.xid))
                await datapath.barrier(timeout=self._timeout)
                if failures:
                    raise failures[0]
            except RequestFailed:
                with suppress(DatapathError, TimeoutError):
                    await self._control(BundleControlType.DISCARD_REQUEST)
                raise
            try:
                await self._control(BundleControlType.COMMIT_REQUEST)
            except RequestFailed as refusal:
                # First comes the error of the message at fault, then one that says the commit failed.
                raise failures[0] if failures else refusal from refusal

    def _asking(self, kind: BundleControlType) -> BundleControl:
        return BundleControl(self._id, kind, ATOMIC | ORDERED)

    async def _control(self, kind: BundleControlType) -> None:
        answer = await self._datapath.request(self._asking(kind), BundleControl, timeout=self._timeout)
        if (answer.bundle_id, answer.type) != (self._id, kind + 1):
            raise DatapathError(f"{self._datapath!r} answered {kind.name} of bundle {self._id} with: {answer}")
