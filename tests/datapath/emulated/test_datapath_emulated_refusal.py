"""What is not done becomes an error message."""

import pytest

from daoli.datapath.emulated import Refused
from daoli.datapath.emulated.refusal import unreadable
from daoli.ofproto import (
    BadActionCode,
    BadInstructionCode,
    BadMatchCode,
    BadRequestCode,
    DecodeError,
    Error,
    ErrorType,
)


def test_error() -> None:
    """The error message has the type, the code, the xid and the first 64 bytes of the message at fault."""
    frame = b"\x04\x0e\x00\x48\x00\x00\x00\x07" + bytes(64)
    error = Refused(ErrorType.BAD_REQUEST, BadRequestCode.EPERM).error(frame)
    assert error == Error(ErrorType.BAD_REQUEST, BadRequestCode.EPERM, frame[:64], xid=7)


@pytest.mark.parametrize(
    ("clause", "kind", "code"),
    [
        ("7.2.5", ErrorType.BAD_ACTION, BadActionCode.BAD_LEN),
        ("7.2.4", ErrorType.BAD_INSTRUCTION, BadInstructionCode.BAD_LEN),
        ("7.2.3.2", ErrorType.BAD_MATCH, BadMatchCode.BAD_LEN),
        ("7.1.1", ErrorType.BAD_REQUEST, BadRequestCode.BAD_LEN),
    ],
)
def test_unreadable(clause: str, kind: ErrorType, code: int) -> None:
    """Bytes that are no message are refused with the error for what they are a part of."""
    refused = unreadable(DecodeError(9, "short", clause), 4)
    assert (refused.type, refused.code) == (kind, code)


def test_experimenter() -> None:
    """An experimenter's error begins with its id (7.4.4)."""
    error = Refused(ErrorType.EXPERIMENTER, 2300, experimenter=0x4F4E4600).error(bytes(8))
    assert (error.experimenter, error.data) == (0x4F4E4600, b"ONF\0" + bytes(8))
