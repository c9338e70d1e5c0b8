"""Tables and their features."""

import pytest
from tests.ofproto.examples import TABLE

from daoli.ofproto import (
    FIELDS,
    ActionId,
    DecodeError,
    EncodeError,
    InstructionId,
    Message,
    OxmId,
    TableApplyActions,
    TableExperimenter,
    TableExperimenterMiss,
    TableFeatures,
    TableFeaturesReply,
    TableFeaturesRequest,
    TableInstructions,
    TableMatch,
    TableMod,
    TableNextTables,
    TableProperty,
    TablePropertyType,
    TableWildcards,
    UnknownTableProperty,
    decode,
)
from daoli.ofproto.tables import TABLE_PROPERTY

BYTES: dict[Message, str] = {
    TableMod(1, 2): "04110010 00000000 01 000000 00000002",
    TableFeaturesRequest(): "04120010 00000000 000c 0000 00000000",
    TableFeaturesReply((TableFeatures(1, "t", 2, 3, 4, 5),), flags=1): (
        "04130050 00000000 000c 0001 00000000 0040 01 0000000000 74"
        + "00" * 31
        + "0000000000000002 0000000000000003 00000004 00000005"
    ),
}

PROPERTIES: dict[TableProperty, str] = {
    TableInstructions((InstructionId(1), InstructionId(0xFFFF, b"\0\0\x23\x20"))): (
        "0000 0010 0001 0004 ffff 0008 00002320"
    ),
    TableNextTables(b"\1\2\3"): "0002 0007 01 02 03 00",
    TableApplyActions((ActionId(0), ActionId(25), ActionId(27))): "0006 0010 0000 0004 0019 0004 001b 0004",
    TableMatch((OxmId(FIELDS["ipv4_src"].masked_header), OxmId(0xFFFF5408, 0x4F4E4600))): (
        "0008 0010 80001708 ffff5408 4f4e4600"
    ),
    TableWildcards(): "000a 0004 00000000",
    TableExperimenter(1, 2, b"odd"): "fffe 000f 00000001 00000002 6f6464 00",
    TableExperimenterMiss(1, 2): "ffff 000c 00000001 00000002 00000000",
    UnknownTableProperty(9, b"\1\2"): "0009 0006 0102 0000",
}


@pytest.mark.parametrize("message", BYTES, ids=lambda message: type(message).__name__)
def test_bytes(message: Message) -> None:
    """Each message is laid out as in 7.3.3 and 7.3.5.5.1."""
    data = bytes.fromhex(BYTES[message])
    assert message.encode() == data
    assert decode(data) == message


@pytest.mark.parametrize("value", PROPERTIES, ids=lambda value: type(value).__name__)
def test_property(value: TableProperty) -> None:
    """A property is padded to 8 bytes behind its length (7.3.5.5.2)."""
    data = bytes.fromhex(PROPERTIES[value])
    assert TABLE_PROPERTY.build(value) == data
    assert TABLE_PROPERTY.parse(data) == value


def test_every_property_has_a_class() -> None:
    """The specification's properties are all there."""
    assert set(TABLE_PROPERTY.classes) == {kind.to_bytes(2, "big") for kind in TablePropertyType}


def test_largest() -> None:
    """The features of tables may fill a message to its last 8 bytes."""
    largest = TableFeaturesReply((TableFeatures(1, properties=(TableMatch((OxmId(0x80000004),) * 16354),)),))
    data = largest.encode()
    assert len(data) == 65504
    assert decode(data) == largest
    with pytest.raises(EncodeError):
        TableFeaturesReply(largest.tables * 2).encode()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("0000 0006 0001 0000", "the head of an instruction's id needs 4 bytes, 2 are left"),
        ("0000 0008 0001 0003", "an instruction's id of kind 1 with a length of 3"),
        ("0006 0008 0001 0005", "an action's id of kind 1 with a length of 5"),
        ("0008 0006 8000 0000", "the header of a match field needs 4 bytes, 2 are left"),
        ("0008 0008 ffff0004", "the experimenter of a match field needs 4 bytes, 0 are left"),
        ("0002 0007 01 02 03", "the padding of a table's property needs 1 bytes, 0 are left"),
        ("fffe 000b 00000001 000000 0000000000", "TableExperimenter is cut short"),
    ],
)
def test_refused(data: str, reason: str) -> None:
    """A property that does not hold what it announces is refused."""
    with pytest.raises(DecodeError, match=reason) as refusal:
        TABLE_PROPERTY.parse(bytes.fromhex(data))
    assert refusal.value.clause == "7.3.5.5.2"


def test_experimenters_field() -> None:
    """A header says whether an experimenter's id follows it; nothing else is written."""
    for oxm in (OxmId(0xFFFF0004), OxmId(0x80000004, 1)):
        with pytest.raises(EncodeError, match=r"OxmId\.experimenter"):
            TableFeaturesReply((TableFeatures(1, properties=(TableMatch((oxm,)),)),)).encode()


def test_text() -> None:
    """A table is shown with a line for each property, by names where there are names."""
    assert str(TableFeaturesReply((TABLE,))).splitlines()[1:6] == [
        "  table 7 (classifier): metadata match=0xffffffffffffffff write=0xffff0000 config=0x3 max_entries=1000000",
        "    Instructions: goto_table write_metadata write_actions apply_actions clear_actions meter",
        "    InstructionsMiss: goto_table write_metadata write_actions",
        "    NextTables: 8 9 10 11 12 13 14 15 16 17 18 19",
        "    NextTablesMiss: 9 10 11",
    ]
    shown = {
        TableWildcards(): "Wildcards: none",
        TableMatch((OxmId(0x80000004), OxmId(0x12340004), OxmId(0xFFFFFE04, 1))): (
            "Match: in_port 0x12340004 0xfffffe04(0x1)"
        ),
        TableInstructions((InstructionId(99), InstructionId(0xFFFF, b"\1"))): "Instructions: 99 experimenter(01)",
        TableApplyActions((ActionId(0xFFFF, b"\1"),)): "ApplyActions: experimenter(01)",
        TableExperimenter(0xDA, 1, b"\2"): "Experimenter: 0xda/1 02",
        TableExperimenterMiss(0xDA, 1): "ExperimenterMiss: 0xda/1 ",
        UnknownTableProperty(9, b"\1"): "property 9: 01",
    }
    for value, text in shown.items():
        assert str(value) == text
    assert str(TableFeaturesRequest((TableFeatures(1),))).splitlines()[1].startswith("  table 1 ()")


def test_only_an_experimenters_id_has_a_body() -> None:
    """The id of an instruction or an action is its kind, and no more: what follows it is the next one."""
    with pytest.raises(DecodeError, match="an instruction's id of kind 1 with a length of 8"):
        TABLE_PROPERTY.parse(bytes.fromhex("0000 000c 0001 0008 0002 0004 00000000"))
    with pytest.raises(DecodeError, match="an action's id of kind 25 with a length of 8"):
        TABLE_PROPERTY.parse(bytes.fromhex("0006 000c 0019 0008 001b 0004 00000000"))
    with pytest.raises(EncodeError, match=r"ActionId\.body: .* is not what kind 25 has"):
        TABLE_PROPERTY.write(TableApplyActions((ActionId(25, bytes(4)),)))
    with pytest.raises(EncodeError, match=r"ActionId\.kind: 65536 is not an unsigned number of 16 bits"):
        TABLE_PROPERTY.write(TableApplyActions((ActionId(0x10000),)))
    with pytest.raises(EncodeError, match="5 is not an action's id"):
        TABLE_PROPERTY.write(TableApplyActions((5,)))  # type: ignore[arg-type]
