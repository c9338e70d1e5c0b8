"""Masks of reasons in words; Open vSwitch's own are compared in the tests of `text`."""

from daoli.ofproto.async_text import FLOW_REMOVED, PACKET_IN, async_text, masks_text, reason_text


def test_reasons() -> None:
    """A reason has Open vSwitch's word, or else its number."""
    assert [reason_text(PACKET_IN, reason) for reason in (0, 2, 9)] == ["no_match", "invalid_ttl", "9"]
    assert reason_text(FLOW_REMOVED, 1) == "hard"


def test_masks() -> None:
    """Both roles have a line for each kind of message; bits without a name are given in hex."""
    text = masks_text([(0x45, 0), (0, 7), (0, 0)])
    assert text.startswith("\n  primary:\n         PACKET_IN: no_match invalid_ttl 0x40\n       PORT_STATUS: (off)")
    assert "secondary:\n         PACKET_IN: (off)\n       PORT_STATUS: add delete modify\n" in text
    assert text.count("(off)") == 10


def test_kinds_of_later_versions() -> None:
    """What OpenFlow 1.4 added has its words, too."""
    text = async_text({4: 0x18}, {5: 3})
    assert "TABLE_STATUS: vacancy_down vacancy_up\n" in text
    assert text.endswith("REQUESTFORWARD: group_mod_request meter_mod_request")
