"""Matches, as people write them and as they come."""

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ofproto.strategies import oxms

from daoli.ofproto import FIELDS, Match, Oxm
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
        ({"ipv4_dst": "10.0.0.1"}, "ipv4_dst needs eth_type=0x800 before it"),
        ({"ipv4_dst": "10.0.0.1", "eth_type": 0x0800}, "ipv4_dst needs eth_type=0x800 before it"),
        ({"eth_type": 0x0806, "ipv4_dst": "10.0.0.1"}, "ipv4_dst needs eth_type=0x800 before it"),
        ({"eth_type": 0x0806, "ip_proto": 6}, r"ip_proto needs eth_type=0x800\|0x86dd before it"),
        ({"eth_type": 0x0800, "tcp_dst": 80}, "tcp_dst needs ip_proto=0x6 before it"),
        ({"eth_type": 0x0800, "ip_proto": 17, "tcp_dst": 80}, "tcp_dst needs ip_proto=0x6 before it"),
        ({"in_phy_port": 1}, "in_phy_port needs in_port before it"),
        ({"vlan_vid": 0, "vlan_pcp": 1}, "vlan_pcp needs vlan_vid before it"),
        ({"port": 1}, "no match field is called 'port'"),
        ({"in_port": 1 << 32}, "in_port takes a number of 32 bits"),
        ({"eth_src": b"123"}, "eth_src takes 6 bytes"),
    ],
)
def test_refused(fields: dict[str, MaskedValue], words: str) -> None:
    """A name, size or missing prerequisite is a ValueError that says which."""
    with pytest.raises(ValueError, match=words):
        Match(**fields)


def test_prerequisites_met() -> None:
    """Each field may be matched behind what it requires."""
    for field in FIELDS.values():
        before: dict[str, MaskedValue] = {}
        wanted = [field]
        while wanted and wanted[-1].requires:
            (requirement,) = wanted[-1].requires
            before = {requirement.field: requirement.values[0] if requirement.values else 1, **before}
            wanted.append(FIELDS[requirement.field])
        assert field.name in Match(**before, **{field.name: 1} if field.name not in before else {})


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
