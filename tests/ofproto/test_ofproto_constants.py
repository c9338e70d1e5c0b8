"""The numbers' names."""

import pytest

from daoli.ofproto import BadMatchCode, ErrorType, error_name
from daoli.ofproto.constants import ERROR_CODES


@pytest.mark.parametrize(
    ("kind", "code", "name"),
    [
        (4, 9, "BAD_MATCH/BAD_PREREQ"),
        (ErrorType.BAD_MATCH, BadMatchCode.DUP_FIELD, "BAD_MATCH/DUP_FIELD"),
        (0, 0, "HELLO_FAILED/INCOMPATIBLE"),
        (4, 99, "BAD_MATCH/99"),
        (0xFFFF, 2300, "EXPERIMENTER/2300"),
        (77, 3, "77/3"),
    ],
)
def test_error_name(kind: int, code: int, name: str) -> None:
    """An error is named as far as it has names."""
    assert error_name(kind, code) == name


def test_every_error_type_has_codes() -> None:
    """Each type of error but an experimenter's has an enumeration of its codes."""
    assert set(ERROR_CODES) == set(ErrorType) - {ErrorType.EXPERIMENTER}
