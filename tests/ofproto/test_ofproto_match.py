"""Matches, as people write them and as they come."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ofproto.oracles import ovs_print
from tests.ofproto.strategies import JUNK, behind, oxms

from daoli.ofproto import FIELDS, EncodeError, Field, FlowMod, Match, Oxm, PacketOut, PortNo, SetField, decode
from daoli.ofproto.match import MATCH
from daoli.ofproto.oxm import MaskedValue


@given(st.lists(oxms, max_size=6))
def test_round_trip(fields: list[Oxm]) -> None:
    """Any fields, in any order, are read back as they were written, padded to 8 bytes."""
    match = Match.of(fields)
    data = MATCH.write(match)
    assert len(data) % 8 == 0
    assert MATCH.parse(data) == match
    assert tuple(MATCH.parse(data)) == tuple(fields)


def test_bytes() -> None:
    """A match is its type, its length without padding, its fields and padding (7.2.3.1)."""
    match = Match(in_port=1, eth_type=0x0800, ipv4_dst="10.0.0.0/8")
    data = bytes.fromhex("0001001e 8000000400000001 80000a020800 800019080a000000ff000000 0000")
    assert MATCH.write(match) == data
    assert MATCH.parse(data) == match


def test_lookup() -> None:
    """A match gives its values by name, and says what it does not match."""
    match = Match(in_port=1, eth_type=0x0800, ipv4_dst="10.0.0.0/8")
    assert match["ipv4_dst"] == b"\n\0\0\0"
    assert match.get("eth_type") == b"\x08\0"
    assert match.number("in_port") == 1
    assert match.get("eth_src") is None
    assert match.number("eth_src") is None
    assert "in_port" in match
    assert "eth_src" not in match
    assert 3 not in match
    assert len(match) == 3
    oxm = match.oxm("ipv4_dst")
    assert oxm is not None
    assert oxm.mask == b"\xff\0\0\0"
    with pytest.raises(KeyError, match="eth_src"):
        match["eth_src"]
    with pytest.raises(ValueError, match="no match field is called 'port'"):
        match.get("port")


def test_value() -> None:
    """A match is immutable, and compared, hashed and copied by value; order counts."""
    match = Match(in_port=1, eth_type=0x0800)
    assert match == Match(in_port=1, eth_type=0x0800)
    assert match != Match(eth_type=0x0800, in_port=1)
    assert match != (match.oxms,)
    assert hash(match) == hash(Match(in_port=1, eth_type=0x0800))
    assert pickle.loads(pickle.dumps(match)) == copy.copy(match) == match  # noqa: S301 - our own
    with pytest.raises(AttributeError, match="immutable"):
        match.oxms = ()
    with pytest.raises(AttributeError, match="immutable"):
        del match.oxms


def test_mask_of_zero() -> None:
    """A mask of zero matches anything, so the field is not there."""
    assert Match(eth_type=0x0800, ipv4_dst="0.0.0.0/0") == Match(eth_type=0x0800)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"ipv4_dst": "10.0.0.1"}, "ipv4_dst: it needs eth_type=0x800 before it"),
        ({"ipv4_dst": "10.0.0.1", "eth_type": 0x0800}, "ipv4_dst: it needs eth_type=0x800 before it"),
        ({"eth_type": 0x0806, "ipv4_dst": "10.0.0.1"}, "ipv4_dst: it needs eth_type=0x800 before it"),
        ({"eth_type": 0x0806, "ip_proto": 6}, r"ip_proto: it needs eth_type=0x800\|0x86dd before it"),
        ({"eth_type": 0x0800, "tcp_dst": 80}, "tcp_dst: it needs ip_proto=0x6 before it"),
        ({"eth_type": 0x0800, "ip_proto": 17, "tcp_dst": 80}, "tcp_dst: it needs ip_proto=0x6 before it"),
        ({"in_phy_port": 1}, "in_phy_port: it needs in_port before it"),
        ({"vlan_vid": 0, "vlan_pcp": 1}, "vlan_pcp: it needs vlan_vid=0x1000/0x1000 before it"),
        ({"port": 1}, "no match field is called 'port'"),
        ({"in_port": 1 << 32}, "in_port: 4294967296 is not a number of 32 bits"),
        ({"eth_src": b"123"}, "eth_src: b'123' is 3 bytes, not 6"),
    ],
)
def test_refused(fields: dict[str, MaskedValue], words: str) -> None:
    """A name, size or missing prerequisite is an EncodeError that says which."""
    with pytest.raises(EncodeError, match=words):
        Match(**fields)


def test_prerequisites_met() -> None:
    """Each field may be matched behind what it requires."""
    for field in FIELDS.values():
        assert field.name in Match(**behind(field), **{field.name: _one(field)})


def _one(field: Field) -> int:
    return {"vlan_vid": 0x1001, "nxm_of_ip_tos": 4}.get(field.name, 1)


_STRANGE = {"in_phy_port", "pbb_isid", "ipv6_exthdr", "recirc_id"}
"""Open vSwitch has no such field, or is not told it by others."""


@pytest.mark.ovs
@pytest.mark.parametrize("name", sorted(set(FIELDS) - _STRANGE - {f"tun_metadata{number}" for number in range(1, 64)}))
def test_ovs_demands_the_same(name: str) -> None:
    """Open vSwitch accepts each field behind what it requires, and not without: the table is its own."""
    field = FIELDS[name]
    before = [Oxm.of(one, value) for one, value in behind(field).items()]
    oxm = Oxm.of(name, _one(field))
    assert "error" not in ovs_print(FlowMod(match=Match.of((*before, oxm))).encode())
    for place in range(len(before)):
        if len(field.requires) or place:
            refused = Match.of((*before[:place], *before[place + 1 :], oxm))
            assert "decode error" in ovs_print(FlowMod(match=refused).encode())


@pytest.mark.parametrize(
    ("fields", "met"),
    [
        ({"vlan_vid": 0x1000, "vlan_pcp": 3}, True),
        ({"vlan_vid": (0x1000, 0x1000), "vlan_pcp": 3}, True),
        ({"vlan_vid": 0, "vlan_pcp": 3}, False),
        ({"vlan_vid": (0, 0x1000), "vlan_pcp": 3}, False),
        ({"vlan_vid": (5, 0xFFF), "vlan_pcp": 3}, False),
        ({"in_port": 0, "in_phy_port": 3}, True),
        ({"eth_type": 0x86DD, "ip_proto": 58, "icmpv6_type": 1}, True),
        ({"eth_type": 0x0800, "ip_proto": 58, "icmpv6_type": 1}, False),
        ({"eth_type": 0x86DD, "ip_proto": 1, "icmpv4_type": 1}, False),
        ({"eth_type": 0x86DD, "ip_proto": 58, "icmpv6_type": 136, "ipv6_nd_target": "::1"}, True),
        ({"eth_type": 0x86DD, "ip_proto": 58, "icmpv6_type": 136, "ipv6_nd_sll": 1}, False),
        ({"eth_type": 0x86DD, "ip_proto": 58, "icmpv6_type": 135, "ipv6_nd_tll": 1}, False),
        ({"eth_type": 0x0800, "ipv6_exthdr": 1}, False),
        ({"eth_type": 0x8848, "mpls_bos": 1}, True),
        ({"eth_type": 0x88E7, "pbb_isid": 1}, True),
        ({"eth_type": 0x0800, "ip_proto": 132, "sctp_dst": 1}, True),
        ({"tunnel_id": 1}, True),
        ({"eth_type": 0x8035, "arp_op": 3, "arp_sha": "02:00:00:00:00:01"}, True),
        ({"eth_type": 0x0806, "arp_op": 1}, True),
        ({"eth_type": 0x0800, "arp_op": 1}, False),
        ({"ct_state": "+est", "ct_nw_proto": 6}, True),
        ({"ct_state": "+trk-inv", "eth_type": 0x0800, "ct_nw_src": "10.0.0.1"}, True),
        ({"ct_state": "+trk", "ct_nw_proto": 6}, False),
        ({"ct_state": "+trk+inv", "ct_nw_proto": 6}, False),
        ({"ct_state": "+est", "ct_nw_src": "10.0.0.1"}, False),
    ],
)
def test_prerequisites(fields: dict[str, MaskedValue], *, met: bool) -> None:
    """What is required must be certain: a field under a mask counts for the bits that the mask has."""
    if met:
        assert len(Match(**fields)) == len(fields)
        return
    last = list(fields)[-1]
    with pytest.raises(EncodeError, match=f"{last}: it needs ") as refusal:
        Match(**fields)
    assert refusal.value.field == last


junk = st.one_of(
    st.sampled_from(JUNK),
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(max_size=20), st.lists(st.integers())),
    *(
        st.tuples(st.integers(), st.integers()),
        st.tuples(st.text(), st.integers()),
        st.from_regex(r"[0-9a-f.:/x+]{,20}"),
    ),
)


def attempt(build: Callable[[], Match | SetField]) -> Match | SetField | EncodeError:
    """Build, or give the error that it came to."""
    try:
        return build()
    except EncodeError as error:
        return error


@settings(max_examples=1000, deadline=None)
@given(st.sampled_from(list(FIELDS.values())), junk)
def test_any_value_is_taken_or_refused_by_name(field: Field, value: Any) -> None:
    """Whatever is given for a field is bytes that a datapath reads, or an EncodeError that names the field."""
    for build in (lambda: Match(**behind(field), **{field.name: value}), lambda: SetField.of(**{field.name: value})):
        built = attempt(build)
        if isinstance(built, EncodeError):
            assert built.field == field.name
            assert 0 < len(built.reason) < 400
            continue
        message = FlowMod(match=built) if isinstance(built, Match) else PacketOut(actions=(built,))
        assert decode(message.encode()) == message


@pytest.mark.parametrize("value", JUNK, ids=lambda value: type(value).__name__)
def test_junk_is_refused(value: Any) -> None:
    """What cannot be a field's value is refused for each field alike, by its name; what can is a number in text."""
    for field in FIELDS.values():
        test_any_value_is_taken_or_refused_by_name.hypothesis.inner_test(field, value)  # type: ignore[attr-defined]


@given(st.lists(oxms, max_size=4))
def test_repr_is_python(fields: list[Oxm]) -> None:
    """What a match says it is, evaluates to it."""
    match = Match.of(fields)
    assert eval(repr(match), {"Match": Match, "Oxm": Oxm}) == match  # noqa: S307 - our own


def test_repr_reads_well() -> None:
    """A match that a person could have written is shown as they would have."""
    match = Match(in_port=1, eth_type=0x0800, ipv4_dst="10.0.0.0/8", metadata=(1, 3))
    assert repr(match) == "Match(in_port=1, eth_type=2048, ipv4_dst='10.0.0.0/8', metadata=(1, 3))"
    assert repr(Match()) == "Match()"


def test_reserved_ports() -> None:
    """A reserved port may be matched by its name, whatever the case, and is said so; what is none is refused."""
    assert Match(in_port="controller") == Match(in_port=PortNo.CONTROLLER)
    assert Match(in_port="7") == Match(in_port=7)
    assert Match(nxm_of_in_port="LOCAL")["nxm_of_in_port"] == b"\xff\xfe"
    assert str(Match(in_port="local").oxm("in_port")) == "in_port=LOCAL"
    assert repr(Match(in_port="local")) == "Match(in_port=4294967294)"
    with pytest.raises(EncodeError, match=r"^in_port: 'eth0' is neither a number nor one of IN_PORT, .*, ANY$"):
        Match(in_port="eth0")


def test_macs() -> None:
    """A MAC address may be written with hyphens, its mask too."""
    assert Match(eth_dst="02-00-00-00-00-01/ff-ff-00-00-00-00") == Match(eth_dst="02:00:00:00:00:00/ff:ff:00:00:00:00")
