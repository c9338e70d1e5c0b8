"""What can go wrong, with the blame in the type.

Bytes: `DecodeError` is the peer's fault, `EncodeError` the caller's; nothing else leaves the codec. Conversation:
`RemoteProtocolError` is the peer's fault, `LocalProtocolError` the caller's.
"""


class DecodeError(ValueError):
    """Bytes that are not OpenFlow 1.3.

    Attributes:
        offset: where in the message, in bytes from its first.
        reason: what is wrong there.
        clause: the clause of OpenFlow 1.3.5 that it breaks.
    """

    def __init__(self, offset: int, reason: str, clause: str) -> None:
        super().__init__(f"{reason} at byte {offset} (OpenFlow 1.3.5, {clause})")
        self.offset = offset
        self.reason = reason
        self.clause = clause


class EncodeError(ValueError):
    """A value that does not fit the wire.

    Attributes:
        field: the field at fault, as `Class.name`.
        reason: why it does not fit.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class LocalProtocolError(RuntimeError):
    """The caller asked a connection for what its state does not allow."""


class RemoteProtocolError(RuntimeError):
    """The peer sent a well-formed message that the protocol does not allow there.

    Attributes:
        reason: what it did.
        clause: the clause of OpenFlow 1.3.5 that forbids it.
    """

    def __init__(self, reason: str, clause: str) -> None:
        super().__init__(f"{reason} (OpenFlow 1.3.5, {clause})")
        self.reason = reason
        self.clause = clause
