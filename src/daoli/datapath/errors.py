"""What can go wrong between the controller and a datapath."""

from __future__ import annotations

from daoli.ofproto import Error, Message


class DatapathError(Exception):
    """The datapath did not do what was asked of it."""


class Disconnected(DatapathError):
    """The connection ended before the answer came."""


class ListenError(DatapathError):
    """The listening socket could not be opened."""


class TlsError(DatapathError):
    """A certificate, key or authority could not be loaded."""


class RequestFailed(DatapathError):
    """The switch answered with an error message (7.4.4).

    Attributes:
        request: the message that it is about, as it was given.
        error: the error message: its type, code and data.
        others: where several messages were applied, what became of the others that failed, in order.
    """

    def __init__(self, request: Message, error: Error) -> None:
        super().__init__(f"{type(request).__name__} failed: {error}")
        self.request = request
        self.error = error
        self.others: tuple[RequestFailed, ...] = ()
