"""What can go wrong, with the blame in the type.

Bytes: `DecodeError` is the peer's fault, `EncodeError` the caller's; nothing else leaves the codec. Conversation:
`RemoteProtocolError` is the peer's fault, `LocalProtocolError` the caller's.
"""

import reprlib


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
        field: the field at fault: `Class.name`, or the name of a match field.
        reason: why it does not fit.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class _Brief(reprlib.Repr):
    """Writes of a value no more than one can read, whatever it is and however deep."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 80

    def repr_int(self, x: int, level: int) -> str:
        """Write a number; a very long one in hex, since Python refuses to write that in decimal."""
        return str(x) if x.bit_length() <= 2 * self.maxother else f"{x:#x}"[: self.maxother] + "..."


shown = _Brief().repr
"""Write a value into a reason."""


def check_number(field: str, value: object, bits: int) -> None:
    """Raise EncodeError for what is not an unsigned number of so many bits."""
    if not isinstance(value, int) or not 0 <= value < 1 << bits:
        raise EncodeError(field, f"{shown(value)} is not an unsigned number of {bits} bits")


def check_bytes(field: str, value: object) -> None:
    """Raise EncodeError for what is not bytes."""
    if not isinstance(value, bytes):
        raise EncodeError(field, f"{shown(value)} is not bytes")


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
