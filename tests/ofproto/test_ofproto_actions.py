"""Actions on the wire; what they are in words is in the tests of `text`."""

import pytest
from hypothesis import given
from tests.ofproto.oracles import ovs_print
from tests.ofproto.strategies import behind, values

from daoli.ofproto import (
    FIELDS,
    Action,
    ActionType,
    ApplyActions,
    CopyTtlIn,
    CopyTtlOut,
    Ct,
    DecMplsTtl,
    DecNwTtl,
    DecodeError,
    EncodeError,
    FlowMod,
    Group,
    Match,
    Output,
    Oxm,
    PopMpls,
    PopPbb,
    PopVlan,
    PortNo,
    PushMpls,
    PushPbb,
    PushVlan,
    SetField,
    SetMplsTtl,
    SetNwTtl,
    SetQueue,
    UnknownAction,
)
from daoli.ofproto.actions import ACTION, ACTIONS
from daoli.ofproto.fields import READ_ONLY
from daoli.ofproto.oxm import MaskedValue

BYTES: dict[Action, str] = {
    Output(5): "0000 0010 00000005 ffff 000000000000",
    Output(0xFFFFFFFD, 128): "0000 0010 fffffffd 0080 000000000000",
    CopyTtlOut(): "000b 0008 00000000",
    CopyTtlIn(): "000c 0008 00000000",
    SetMplsTtl(3): "000f 0008 03 000000",
    DecMplsTtl(): "0010 0008 00000000",
    PushVlan(0x8100): "0011 0008 8100 0000",
    PopVlan(): "0012 0008 00000000",
    PushMpls(0x8847): "0013 0008 8847 0000",
    PopMpls(0x0800): "0014 0008 0800 0000",
    SetQueue(7): "0015 0008 00000007",
    Group(9): "0016 0008 00000009",
    SetNwTtl(64): "0017 0008 40 000000",
    DecNwTtl(): "0018 0008 00000000",
    SetField.of(eth_src="02:00:00:00:00:01"): "0019 0010 80000806 020000000001 0000",
    SetField.of(ipv4_dst="10.0.0.1"): "0019 0010 80001804 0a000001 00000000",
    SetField.of(tcp_dst=80): "0019 0010 80001c02 0050 000000000000",
    SetField.of(tunnel_id=1): "0019 0010 80004c08 0000000000000001",
    PushPbb(0x88E7): "001a 0008 88e7 0000",
    PopPbb(): "001b 0008 00000000",
    UnknownAction(0x7777, b"body"): "7777 0008 626f6479",
}


@pytest.mark.parametrize("action", BYTES, ids=repr)
def test_bytes(action: Action) -> None:
    """Each action is laid out as in 7.2.5."""
    data = bytes.fromhex(BYTES[action])
    assert ACTION.write(action) == data
    assert ACTION.parse(data) == action


def test_every_action_is_covered() -> None:
    """Each type that the specification names has a class, and each class its bytes above."""
    standard = {int.from_bytes(key, "big"): cls for key, cls in ACTION.classes.items() if len(key) == 2}
    assert set(standard) == set(ActionType) - {ActionType.EXPERIMENTER}
    assert set(standard.values()) == {type(action) for action in BYTES} - {UnknownAction}


@given(values(ACTIONS))
def test_round_trip(actions: tuple[Action, ...]) -> None:
    """Any list of actions is read back as it was written."""
    assert ACTIONS.parse(ACTIONS.write(actions)) == actions


@pytest.mark.parametrize("kind", [1, 2, 10, 13, 14])
def test_withdrawn(kind: int) -> None:
    """An action that OpenFlow 1.3 has no more is refused: it may be an instruction that a wrong length took in."""
    with pytest.raises(DecodeError, match=f"an action of kind {kind}, which OpenFlow 1.3 does not have"):
        ACTIONS.parse(kind.to_bytes(2, "big") + bytes.fromhex("0008 04000000"))
    with pytest.raises(EncodeError, match=f"UnknownAction.kind: {kind} is none that OpenFlow 1.3 has"):
        ACTIONS.write((UnknownAction(kind, bytes(4)),))


def test_set_field_of_one() -> None:
    """A set_field sets exactly one field."""
    assert SetField.of(metadata=3) == SetField(Oxm.of("metadata", 3))
    for fields in ({}, {"metadata": 3, "tcp_dst": 4}):
        with pytest.raises(EncodeError, match=f"SetField: it sets one field, not {len(fields)}"):
            SetField.of(**fields)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("in_port", 3, r"in_port: it cannot be set: it says where the packet came in \(7.2.5\)"),
        ("eth_type", 0x0800, "eth_type: it cannot be set: it says what headers the packet has"),
        ("ct_state", "+trk", "ct_state: it cannot be set"),
        ("ct_zone", 3, "ct_zone: it cannot be set: the datapath alone decides it"),
        ("ipv4_dst", "10.0.0.0/8", r"ipv4_dst: '10.0.0.0/8' has a mask, .* RegLoad2\(Oxm.of\(…\)\) is Open vSwitch's"),
        ("metadata", (1, 3), r"metadata: \(1, 3\) has a mask"),
        ("metadata", (1, 0), r"metadata: \(1, 0\) has a mask"),
        ("vlan_vid", 5, r"vlan_vid: 5 is in no packet: .* 0x1005"),
        ("vlan_vid", 0, r"vlan_vid: 0 lacks VlanId.PRESENT; PopVlan takes a tag off"),
        ("eth_src", 1.5, "eth_src: 1.5 is neither number nor bytes nor text"),
        ("nw_src", "10.0.0.1", "nw_src: no match field is called 'nw_src'"),
    ],
)
def test_set_field_refuses(name: str, value: MaskedValue, words: str) -> None:
    """What cannot be set, or not to that, is refused when it is built, by its name and with the reason."""
    with pytest.raises(EncodeError, match=words) as refusal:
        SetField.of(**{name: value})
    assert refusal.value.field == name


def test_set_field_of_a_whole_mask() -> None:
    """A mask of all ones is none."""
    assert SetField.of(metadata=(1, 0xFFFF_FFFF_FFFF_FFFF)) == SetField.of(metadata=1)


@pytest.mark.parametrize("oxm", [Oxm.of("in_port", 3), Oxm.of("metadata", (1, 3)), Oxm(0x80000C02, b"\0\5")])
def test_decoding_is_liberal(oxm: Oxm) -> None:
    """A set_field that nobody should send is read as it came, and written so."""
    data = ACTIONS.write((SetField(oxm),))
    assert ACTIONS.parse(data) == (SetField(oxm),)


def test_read_only_are_fields() -> None:
    """What cannot be set is in the table of fields, with a reason."""
    assert set(READ_ONLY) <= set(FIELDS)
    assert all(READ_ONLY.values())


@pytest.mark.ovs
@pytest.mark.parametrize(
    "name", sorted(set(FIELDS) - {f"tun_metadata{number}" for number in range(1, 64)} - {"pbb_isid"})
)
def test_ovs_sets_the_same(name: str) -> None:
    """Open vSwitch refuses to set just the fields that are refused here; the one of PBB it does not know."""
    field = FIELDS[name]
    value = {"vlan_vid": 0x1005, "nxm_of_ip_tos": 4}.get(name, 1)
    action: Action = SetField(Oxm.of(name, value))
    tracked = name in ("ct_mark", "ct_label")
    setting = ApplyActions((Ct(flags=1, actions=(action,)) if tracked else action,))
    match = Match(eth_type=0x0800) if tracked else Match(**behind(field, when_set=True))
    refused = "error" in ovs_print(FlowMod(match=match, instructions=(setting,)).encode())
    assert refused == (name in READ_ONLY)


def test_output_by_name() -> None:
    """A reserved port may be given by its name, in any case; another name is refused, and the field is named."""
    assert Output("local") == Output(PortNo.LOCAL)
    assert Output("CONTROLLER", 128).port == PortNo.CONTROLLER
    with pytest.raises(EncodeError, match=r"^Output.port: 'eth0' is neither a number nor one of IN_PORT, .*, ANY$"):
        Output("eth0")
