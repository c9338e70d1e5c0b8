"""What a failure says of itself."""

from daoli.ofproto import DecodeError, EncodeError, LocalProtocolError, RemoteProtocolError


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


def test_protocol_errors() -> None:
    """Who breaks the protocol is the error's type, and a peer that does is told the clause."""
    error = RemoteProtocolError("a second hello", "6.3.1")
    assert (error.reason, error.clause) == ("a second hello", "6.3.1")
    assert str(error) == "a second hello (OpenFlow 1.3.5, 6.3.1)"
    assert not issubclass(LocalProtocolError, RemoteProtocolError)
