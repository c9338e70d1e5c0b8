"""Bundles: changes that are carried out all at once or not at all (ONF extension 230; OpenFlow 1.4, 7.3.9)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from daoli.datapath.emulated.refusal import Refused
from daoli.datapath.emulated.state import Change, News, State
from daoli.ofproto import (
    ONF,
    BundleAdd,
    BundleControl,
    BundleControlType,
    ErrorType,
    FlowMod,
    GroupMod,
    MeterMod,
    PortMod,
    TableMod,
)

MAX_BUNDLES: Final = 64
"""Bundles that a controller may have open."""
MAX_MESSAGES: Final = 100_000
"""Messages in a bundle."""
FLAGS: Final = 3
"""ATOMIC and ORDERED; every bundle is both, whether it is asked to be or not."""
BUNDLED: Final = (FlowMod, GroupMod, MeterMod, PortMod, TableMod)
"""What may be in a bundle."""


class BundleFailed(IntEnum):
    """Why a bundle was refused: the codes of the ONF's experimenter errors."""

    UNKNOWN = 2300
    EPERM = 2301
    BAD_ID = 2302
    BUNDLE_EXIST = 2303
    BUNDLE_CLOSED = 2304
    OUT_OF_BUNDLES = 2305
    BAD_TYPE = 2306
    BAD_FLAGS = 2307
    MSG_BAD_LEN = 2308
    MSG_BAD_XID = 2309
    MSG_UNSUP = 2310
    MSG_CONFLICT = 2311
    MSG_TOO_MANY = 2312
    MSG_FAILED = 2313
    TIMEOUT = 2314
    BUNDLE_IN_PROGRESS = 2315


def _refuse(code: BundleFailed) -> Refused:
    return Refused(ErrorType.EXPERIMENTER, code, experimenter=ONF)


@dataclass(slots=True)
class _Bundle:
    """What was put in so far."""

    flags: int
    closed: bool = False
    messages: list[tuple[BundleAdd, Change]] = field(default_factory=list)


class CommitFailed(Exception):
    """A bundle was not carried out: the message at fault, what is wrong with it, and that this is so."""

    def __init__(self, message: BundleAdd, cause: Refused) -> None:
        super().__init__(message, cause)
        self.message = message
        self.cause = cause
        self.refusal = _refuse(BundleFailed.MSG_FAILED)


class Bundles:
    """The bundles of one controller. A step that is wrong ends the bundle, and nothing of it is carried out."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._bundles: dict[int, _Bundle] = {}

    def control(self, message: BundleControl, now: float) -> list[News]:
        """Open, close, commit or discard a bundle; give what a commit has to tell.

        Raises `Refused`, or `CommitFailed` where a message in it is at fault.
        """
        number = message.bundle_id
        match message.type:
            case BundleControlType.OPEN_REQUEST:
                if self._bundles.pop(number, None) is not None:
                    raise _refuse(BundleFailed.BUNDLE_EXIST)
                self._open(number, message.flags)
            case BundleControlType.CLOSE_REQUEST:
                self._writable(number, message.flags).closed = True
            case BundleControlType.COMMIT_REQUEST:
                return list(self._commit(number, message.flags, now))
            case BundleControlType.DISCARD_REQUEST:
                if self._bundles.pop(number, None) is None:
                    raise _refuse(BundleFailed.BAD_ID)
            case _:
                raise _refuse(BundleFailed.BAD_TYPE)
        return []

    def add(self, message: BundleAdd) -> None:
        """Put a message into a bundle, which is opened if it was not. Raises `Refused`."""
        change = message.bundled.message
        if not isinstance(change, BUNDLED):
            raise _refuse(BundleFailed.MSG_UNSUP)
        if change.xid != message.xid:
            raise _refuse(BundleFailed.MSG_BAD_XID)
        self._state.check(change)
        if message.bundle_id not in self._bundles:
            self._open(message.bundle_id, message.flags)
        bundle = self._writable(message.bundle_id, message.flags)
        if len(bundle.messages) >= MAX_MESSAGES:
            raise _refuse(BundleFailed.MSG_TOO_MANY)
        bundle.messages.append((message, change))

    def _open(self, number: int, flags: int) -> None:
        if flags & ~FLAGS:
            raise _refuse(BundleFailed.BAD_FLAGS)
        if len(self._bundles) >= MAX_BUNDLES:
            raise _refuse(BundleFailed.OUT_OF_BUNDLES)
        self._bundles[number] = _Bundle(flags)

    def _writable(self, number: int, flags: int) -> _Bundle:
        bundle = self._bundles.get(number)
        if bundle is None:
            raise _refuse(BundleFailed.BAD_ID)
        if bundle.closed or bundle.flags != flags:
            del self._bundles[number]
            raise _refuse(BundleFailed.BUNDLE_CLOSED if bundle.closed else BundleFailed.BAD_FLAGS)
        return bundle

    def _commit(self, number: int, flags: int, now: float) -> Iterator[News]:
        bundle = self._bundles.pop(number, None)
        if bundle is None:
            raise _refuse(BundleFailed.BAD_ID)
        if bundle.flags != flags:
            raise _refuse(BundleFailed.BAD_FLAGS)
        restore = self._state.keep()
        for message, change in bundle.messages:
            try:
                yield from self._state.change(change, now)
            except Refused as cause:
                restore()
                raise CommitFailed(message, cause) from cause
