"""What actions of connection tracking refuse; their bytes are compared with the other actions'."""

import pytest
from tests.ofproto.refusals import check_misfit, check_refused

from daoli.ofproto import Nat, NatRange


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ffff 0010 00002320 0024 0000 0001 0040", "a range that has 0x40"),
        ("ffff 0010 00002320 0024 0000 0001 0001", "the end of a range needs 4 bytes"),
    ],
)
def test_refused(text: str, reason: str) -> None:
    """What an action cannot hold is refused, with the place of it."""
    check_refused(text, reason)


def test_misfit() -> None:
    """A value that does not fit is an EncodeError that names it."""
    check_misfit(Nat(1, NatRange(ipv4_min=b"123")), r"Nat\.range: b'123' is not 4 bytes")
