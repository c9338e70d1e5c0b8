"""Numbers in words."""

from daoli.ofproto import FlowModCommand, FlowModFlags, PortNo
from daoli.ofproto.number_text import (
    counter_text,
    duration_text,
    flags_text,
    group_name,
    hex_dump,
    name_of,
    port16_text,
    port_text,
)


def test_names() -> None:
    """What has a name is named, what has none is a number."""
    assert [name_of(FlowModCommand, command) for command in (0, 9)] == ["ADD", "9"]
    assert flags_text(FlowModFlags, 0x81) == "SEND_FLOW_REM 0x80"
    assert flags_text(FlowModFlags, 0) == "0"
    assert [port_text(port) for port in (1, PortNo.LOCAL, PortNo.MAX)] == ["1", "LOCAL", "4294967040"]
    assert [port16_text(port) for port in (1, 0xFFFE)] == ["1", "LOCAL"]
    assert [group_name(group) for group in (1, 0xFFFF_FFFC, 0xFFFF_FFFF)] == ["1", "ALL", "ANY"]


def test_durations_and_counters() -> None:
    """Decimals come by threes; all ones is unknown."""
    times = [(5, 0), (5, 500_000_000), (5, 5_000), (5, 5), (0xFFFF_FFFF, 0)]
    assert [duration_text(*time) for time in times] == ["5s", "5.500s", "5.000005s", "5.000000005s", "?"]
    assert [counter_text(count) for count in (7, 2**64 - 1)] == ["7", "?"]


def test_hex_dump() -> None:
    """A line has 16 bytes and what is printable of them."""
    assert hex_dump(bytes(range(60, 80)) + b"\n") == (
        "\n  00000000  3c 3d 3e 3f 40 41 42 43-44 45 46 47 48 49 4a 4b |<=>?@ABCDEFGHIJK|"
        "\n  00000010  4c 4d 4e 4f 0a                                  |LMNO.           |"
    )
    assert hex_dump(b"") == ""
