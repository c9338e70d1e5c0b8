"""What the switch does not do, as an exception; at the connection it becomes an error message (7.4.4)."""

from __future__ import annotations

from typing import Final

from daoli.ofproto import Error, ErrorType

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
