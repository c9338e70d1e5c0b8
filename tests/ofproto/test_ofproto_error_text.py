"""Errors in words."""

from pathlib import Path

import pytest
from tests.ofproto.oracles import ovs_texts

from daoli.ofproto import NICIRA, ONF, Error
from daoli.ofproto.constants import ERROR_CODES
from daoli.ofproto.error_text import error_text

OVS_NAMES = {
    "OFPBRC_BAD_STAT": "OFPBRC_BAD_MULTIPART",
    "OFPBRC_BAD_VENDOR": "OFPBRC_BAD_EXPERIMENTER",
    "OFPBRC_BAD_SUBTYPE": "OFPBRC_BAD_EXP_TYPE",
    "OFPBRC_IS_SECONDARY": "OFPBRC_IS_SLAVE",
    "OFPBAC_BAD_VENDOR": "OFPBAC_BAD_EXPERIMENTER",
    "OFPBAC_BAD_VENDOR_TYPE": "OFPBAC_BAD_EXP_TYPE",
}
"""Errors that Open vSwitch calls otherwise than the specification."""


def test_names() -> None:
    """An error is named with the prefix of its type; one without a name is given by its numbers."""
    assert error_text(5, 1) == "OFPFMFC_TABLE_FULL"
    assert error_text(5, 99) == "OFPFMFC/99"
    assert error_text(99, 9) == "99/9"
    assert error_text(0xFFFF, 4, NICIRA) == "NXBRC_MUST_BE_ZERO"
    assert error_text(0xFFFF, 4, 0xDA) == "EXPERIMENTER/4 experimenter=0xda"


@pytest.mark.ovs
def test_ovs_names_experimenters_errors_the_same(tmp_path: Path) -> None:
    """Each error of an experimenter that Open vSwitch knows has its name."""
    asked = [(who, code) for who in (NICIRA, ONF) for code in range(3000)]
    texts = ovs_texts([Error(0xFFFF, code, who.to_bytes(4, "big")).encode() for who, code in asked], tmp_path)
    named = {pair: text.split()[3] for pair, text in zip(asked, texts, strict=True) if "decode error" not in text}
    assert {(who, code): error_text(0xFFFF, code, who) for who, code in named} == named


@pytest.mark.ovs
def test_ovs_names_errors_the_same(tmp_path: Path) -> None:
    """Each of the specification's errors has the name that Open vSwitch gives it, but for a few that it renamed."""
    asked = [(kind, code) for kind, codes in ERROR_CODES.items() for code in codes]
    texts = ovs_texts([Error(kind, code).encode() for kind, code in asked], tmp_path)
    for (kind, code), text in zip(asked, texts, strict=True):
        name = text.split()[3]
        if name.startswith("OFP") and not name.startswith(("OFPBPC", "OFPTFFC", "OFPMMFC_BAD_BAND_VALUE")):
            assert OVS_NAMES.get(name, name) == error_text(kind, code)
