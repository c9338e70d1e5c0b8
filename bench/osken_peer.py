"""The jobs that the codec is compared on, done by os-ken: what its users write, as short as it can be written.

os-ken is the extra `bench`; `make bench` installs it. Its messages want a datapath that says which parser they are of;
a stub will do, no connection is needed.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

from os_ken.ofproto import ofproto_parser, ofproto_v1_3, ofproto_v1_3_parser

VERSION: Final = version("os-ken")


class _Datapath:
    """What os-ken's messages ask their datapath."""

    ofproto = ofproto_v1_3
    ofproto_parser = ofproto_v1_3_parser


_DATAPATH: Final = _Datapath()


def decode(data: bytes) -> Any:
    """Read one framed message, as os-ken's receive loop does."""
    kind_version, kind, length, xid = ofproto_parser.header(data)
    return ofproto_parser.msg(_DATAPATH, kind_version, kind, length, xid, data)


def flow_mod(cookie: int) -> bytes:
    """Build the flow_mod of a routed pair, and give its bytes; compare `codec.flow_mod`."""
    protocol, parser = ofproto_v1_3, ofproto_v1_3_parser
    match = parser.OFPMatch(
        in_port=3, eth_src="02:00:00:00:00:01", eth_type=0x0800, ipv4_src="10.1.0.10", ipv4_dst="10.1.0.20"
    )
    actions = [
        parser.OFPActionDecNwTtl(),
        parser.OFPActionSetField(eth_src="02:da:01:1e:00:01"),
        parser.OFPActionSetField(eth_dst="02:00:00:00:00:02"),
        parser.OFPActionOutput(7, protocol.OFPCML_NO_BUFFER),
    ]
    message = parser.OFPFlowMod(
        _DATAPATH,
        cookie=cookie,
        idle_timeout=30,
        priority=100,
        out_port=protocol.OFPP_ANY,
        out_group=protocol.OFPG_ANY,
        flags=protocol.OFPFF_SEND_FLOW_REM,
        match=match,
        instructions=[parser.OFPInstructionActions(protocol.OFPIT_APPLY_ACTIONS, actions)],
    )
    message.serialize()
    return bytes(message.buf)


def flows_in(part: Any) -> int:
    """Count the flows of one part of a stats reply."""
    return len(part.body)
