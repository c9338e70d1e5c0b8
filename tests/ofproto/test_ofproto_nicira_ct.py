"""Forgetting connections, as ovs-ofctl asks for it."""

from ipaddress import IPv6Address
from pathlib import Path

import pytest
from tests.ofproto.capture import Listener
from tests.ofproto.examples import MAPPED
from tests.ofproto.oracles import ovs_lines

from daoli.ofproto import (
    CtDestination,
    CtDestinationPort,
    CtFlush,
    CtIcmpCode,
    CtIcmpId,
    CtIcmpType,
    CtOriginal,
    CtPart,
    CtReply,
    CtSource,
    CtSourcePort,
    CtZone,
    UnknownCtPart,
    UnknownCtProperty,
    decode,
)

ICMP: tuple[CtPart, ...] = (CtIcmpId(7), CtIcmpType(8), CtIcmpCode(0))
NO_ICMP: tuple[CtPart, ...] = (CtIcmpId(0), CtIcmpType(0), CtIcmpCode(0))

FLUSHES = {
    ("zone=5",): CtFlush(properties=(CtZone(5),)),
    ("ct_nw_src=10.0.0.1,ct_nw_proto=6,ct_tp_src=80",): CtFlush(
        6, properties=(CtOriginal((CtSource(MAPPED + b"\n\0\0\1"), CtSourcePort(80))),)
    ),
    (
        "zone=7",
        "ct_nw_src=10.0.0.1,ct_nw_dst=10.0.0.2,ct_nw_proto=17,ct_tp_dst=9",
        "ct_nw_src=10.0.0.3",
    ): CtFlush(
        17,
        properties=(
            CtOriginal((CtSource(MAPPED + b"\n\0\0\1"), CtDestination(MAPPED + b"\n\0\0\2"), CtDestinationPort(9))),
            CtReply((CtSource(MAPPED + b"\n\0\0\3"),)),
            CtZone(7),
        ),
    ),
    ("ct_ipv6_src=fe80::1,ct_nw_proto=58,icmp_id=7,icmp_type=8,icmp_code=0",): CtFlush(
        58, properties=(CtOriginal((CtSource(IPv6Address("fe80::1").packed), *ICMP)), CtReply(NO_ICMP))
    ),
}
"""What ovs-ofctl's ct-flush is told, and what it then sends."""


def test_text() -> None:
    """What is not given is zero, what is not known is in hex, the address family is that of any address."""
    assert str(CtFlush()).endswith(
        ": zone=0 'ct_ipv6_src=::,ct_ipv6_dst=::,ct_tp_src=0,ct_tp_dst=0,ct_nw_proto=0' "
        "'ct_ipv6_src=::,ct_ipv6_dst=::,ct_tp_src=0,ct_tp_dst=0'"
    )
    odd = CtFlush(1, 2, (CtOriginal((CtSourcePort(5), UnknownCtPart(9, b"\1"))), UnknownCtProperty(9, b"\2")))
    text = str(odd)
    assert "icmp_id=0,icmp_type=0,icmp_code=0,ct_tp_src=5,part_9=01,ct_nw_proto=1'" in text
    assert text.endswith(" family=2 property_9=02")
    assert decode(odd.encode()) == odd


@pytest.mark.ovs
@pytest.mark.parametrize("command", FLUSHES)
def test_what_ovs_sends(command: tuple[str, ...], tmp_path: Path) -> None:
    """What ovs-ofctl sends is read to typed values, and has the text that it prints itself."""
    with Listener(tmp_path) as switch:
        (data,) = switch.ofctl("ct-flush", *command)
    message = decode(data)
    assert message.with_xid(0) == FLUSHES[command]
    assert message.encode() == data
    assert ovs_lines(data) == [message.detail()]
