"""What the switch does not do, as an exception; at the connection it becomes an error message (7.4.4)."""

from __future__ import annotations

from typing import Final

from daoli.ofproto import (
    VERSION,
    BadActionCode,
    BadInstructionCode,
    BadMatchCode,
    BadRequestCode,
    DecodeError,
    Error,
    ErrorType,
)

QUOTE: Final = 64
"""Bytes of a refused message that the error message quotes, at most."""


class Refused(Exception):
    """What the switch is asked for it does not do: the type and code of the error message (7.4.4)."""

    def __init__(self, error_type: ErrorType, code: int, *, experimenter: int | None = None) -> None:
        """`experimenter` is the one whose code it is, for type EXPERIMENTER."""
        super().__init__(error_type, code)
        self.type = error_type
        self.code = code
        self.experimenter = experimenter

    def error(self, frame: bytes) -> Error:
        """Make the error message; `frame` is the whole message at fault."""
        whose = b"" if self.experimenter is None else self.experimenter.to_bytes(4, "big")
        return Error(self.type, self.code, whose + frame[:QUOTE], xid=int.from_bytes(frame[4:8], "big"))


_WRONG_LENGTH: Final = {
    "7.2.3": (ErrorType.BAD_MATCH, BadMatchCode.BAD_LEN),
    "7.2.4": (ErrorType.BAD_INSTRUCTION, BadInstructionCode.BAD_LEN),
    "7.2.5": (ErrorType.BAD_ACTION, BadActionCode.BAD_LEN),
}
"""The errors for bytes that break a clause, by its first three numbers."""


def unreadable(error: DecodeError, version: int) -> Refused:
    """Give the refusal of a message that cannot be read; `version` is its header's."""
    if version != VERSION:
        return Refused(ErrorType.BAD_REQUEST, BadRequestCode.BAD_VERSION)
    clause = ".".join(error.clause.split(".")[:3])
    return Refused(*_WRONG_LENGTH.get(clause, (ErrorType.BAD_REQUEST, BadRequestCode.BAD_LEN)))
