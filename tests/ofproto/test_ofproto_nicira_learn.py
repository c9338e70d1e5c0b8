"""What learn actions refuse; their bytes are compared with the other actions'."""

import pytest
from tests.ofproto.refusals import check_misfit, check_refused

from daoli.ofproto import Action, Bits, Learn, Learn2, LearnSpec


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ffff 0028 00002320 0010" + "00" * 22 + "4001 0001 00000000", "a part 0x4001 of a flow to learn"),
        ("ffff 0028 00002320 0010" + "00" * 22 + "2000 0001 00000000", "a part 0x2000 of a flow to learn"),
        ("ffff 0028 00002320 0010" + "00" * 22 + "3801 0001 00000000", "a part 0x3801 of a flow to learn"),
        ("ffff 0028 00002320 0010" + "00" * 22 + "2040 0001 00000000", "a constant to learn needs 8 bytes, 6 are left"),
        ("ffff 0028 00002320 002d" + "00" * 26 + "0005 0000", "a result that goes nowhere"),
    ],
)
def test_refused(text: str, reason: str) -> None:
    """What an action cannot hold is refused, with the place of it."""
    check_refused(text, reason)


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (Learn(specs=(LearnSpec(0, 0, b""),)), r"Learn\.specs: .* is no part of a flow to learn"),
        (Learn(specs=(LearnSpec(16, 1, b"1", Bits(4)),)), r"Learn\.specs: b'1' does not hold 16 bits"),
        (Learn(specs=(LearnSpec(16, 1, b"12"),)), r"Learn\.specs: .* goes nowhere, or too far"),
    ],
)
def test_misfits(action: Action, words: str) -> None:
    """A value that does not fit is an EncodeError that names it."""
    check_misfit(action, words)


def test_result_and_flag_agree() -> None:
    """A result is written if and only if the flags say so."""
    for flags, result in ((4, None), (0, Bits(4))):
        with pytest.raises(ValueError, match="with a result to"):
            Learn2(flags=flags, result_dst=result)
