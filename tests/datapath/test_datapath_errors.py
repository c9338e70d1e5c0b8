"""What goes wrong with datapaths, as exceptions."""

from __future__ import annotations

from daoli.datapath.errors import DatapathError, Disconnected, ListenError, RequestFailed
from daoli.ofproto import BarrierRequest, Error, ErrorType


def test_hierarchy() -> None:
    """Whoever deals with a datapath's failures can catch them as one kind."""
    assert all(issubclass(kind, DatapathError) for kind in (Disconnected, ListenError, RequestFailed))
    assert not issubclass(DatapathError, OSError)


def test_request_failed() -> None:
    """A refusal names the request and the switch's error."""
    failed = RequestFailed(BarrierRequest(), Error(ErrorType.BAD_REQUEST, 5))
    assert "BarrierRequest failed" in str(failed)
    assert "EPERM" in str(failed)
