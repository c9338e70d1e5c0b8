"""What is not done becomes an error message."""

from daoli.datapath.emulated import Refused
from daoli.ofproto import BadRequestCode, Error, ErrorType


def test_error() -> None:
    """The error message has the type, the code, the xid and the first 64 bytes of the message at fault."""
    frame = b"\x04\x0e\x00\x48\x00\x00\x00\x07" + bytes(64)
    error = Refused(ErrorType.BAD_REQUEST, BadRequestCode.EPERM).error(frame)
    assert error == Error(ErrorType.BAD_REQUEST, BadRequestCode.EPERM, frame[:64], xid=7)
