"""What a failure says of itself."""

from daoli.ofproto import DecodeError, EncodeError


def test_decode_error() -> None:
    """A DecodeError is a ValueError with where, what and which clause."""
    error = DecodeError(12, "a match of type 0", "7.2.3.1")
    assert isinstance(error, ValueError)
    assert (error.offset, error.reason, error.clause) == (12, "a match of type 0", "7.2.3.1")
    assert str(error) == "a match of type 0 at byte 12 (OpenFlow 1.3.5, 7.2.3.1)"


def test_encode_error() -> None:
    """An EncodeError is a ValueError with the field and why its value does not fit."""
    error = EncodeError("FlowMod.priority", "too large")
    assert isinstance(error, ValueError)
    assert (error.field, error.reason) == ("FlowMod.priority", "too large")
    assert str(error) == "FlowMod.priority: too large"
