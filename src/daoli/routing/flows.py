"""Every flow that daoli puts on a datapath: tables, priorities and the cookie's layout are declared here, once.

`docs/pipeline.md` describes the pipeline table by table.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from typing import Any, Final, NamedTuple

from daoli.ofproto import (
    CML_NO_BUFFER,
    TABLE_ALL,
    Action,
    ApplyActions,
    Conjunction,
    DecNwTtl,
    FlowMod,
    FlowModCommand,
    FlowModFlags,
    FlowRemoved,
    GotoTable,
    Match,
    Output,
    OutputReg,
    PortNo,
    RegMove,
    ResubmitTable,
    SetField,
)
from daoli.ofproto.fields import FIELDS
from daoli.ofproto.shapes import Shape
from daoli.ofproto.wire import U8, U16, U32, U64, Ipv4, Mac
from daoli.routing.model import ROUTER_MAC
from daoli.routing.packet import ARP, ICMP, IPV4, TCP, UDP


class Table(IntEnum):
    """The pipeline's tables."""

    MAIN = 0
    ARP = 1


class Priority(IntEnum):
    """What wins over what in table MAIN."""

    MISS = 0
    MUTE = 30
    """A port whose punts are over budget: dropped for a second. Below its ARP and its routes."""
    ARP = 40
    GUARD = 50
    """Whatever comes from the uplink, or from the host's own stack, and was not asked for."""
    UPLINK = 60
    """Routed packets whose flow is missing at the destination: punted, and the flow is put back. Likewise what the
    host's own stack sends to containers, if the host is a way out."""
    MUTE_UPLINK = 70
    """The uplink, or the host's own stack, over budget."""
    DENY = 90
    PAIR = 100
    CONNECTION = 104
    """One connection of a pair, where ports or direction decide, or that goes another way than the pair does."""
    NAMES = 106
    """Questions to name servers, which the host's agent sees first."""
    NOT_ASKED = 108
    """Questions that are no container's."""
    TAGGED = 110
    """Frames with a VLAN tag: none of ours has one, and a match on IPv4 alone takes those with a tag too."""


class ArpPriority(IntEnum):
    """What wins over what in table ARP."""

    MISS = 0
    ANSWER = 10
    OWN_ADDRESS = 20
    PROBE = 30


class Kind(IntEnum):
    """What a flow is for; bits 40-47 of its cookie."""

    STATIC = 1
    PAIR = 2
    DENY = 3
    CONNECTION = 4


MAGIC: Final = 0xDA01
"""Bits 48-63 of the cookie of every flow that is ours."""
COOKIE_ALL: Final = 0xFFFF_FFFF_FFFF_FFFF
MAGIC_MASK: Final = 0xFFFF << 48
KIND_MASK: Final = 0xFFFF_FF << 40

STATIC_COOKIE: Final = MAGIC << 48 | Kind.STATIC << 40
DENY_COOKIE: Final = MAGIC << 48 | Kind.DENY << 40
PAIR_COOKIE: Final = MAGIC << 48 | Kind.PAIR << 40
CONNECTION_COOKIE: Final = MAGIC << 48 | Kind.CONNECTION << 40

NAMES_PORT: Final = "dldns"
"""Name of the OVS port behind which the host's agent answers questions for names, if it does."""
ASKING_MAC: Final = bytes.fromhex("02da011e0000")
"""Destination of a question on its way to the agent; the last two bytes are the container's port number."""
ANSWER_MAC: Final = bytes.fromhex("02da011d0000")
"""Source of the agent's answer; the last two bytes are the port to which it goes."""
PASS_ON_MAC: Final = bytes.fromhex("02da011c0000")
"""Destination of a question that the agent does not answer; the last two bytes are the port where it came from."""


def pair_cookie(generation: int, route_id: int) -> int:
    """Build the cookie of a pair route's flows: magic 16 | kind 8 | generation 8 | route id 32."""
    return PAIR_COOKIE | generation << 32 | route_id


def connection_cookie(generation: int, route_id: int) -> int:
    """Build the cookie of a connection route's flows, laid out as a pair route's."""
    return CONNECTION_COOKIE | generation << 32 | route_id


class Cookie(NamedTuple):
    """A cookie of ours, taken apart."""

    kind: int
    generation: int
    route_id: int

    @classmethod
    def parse(cls, cookie: int) -> Cookie | None:
        """Take a cookie apart; None if it is not ours."""
        if cookie >> 48 != MAGIC:
            return None
        return cls(cookie >> 40 & 0xFF, cookie >> 32 & 0xFF, cookie & 0xFFFFFFFF)


# -- live flows: shapes ----------------------------------------------------------------------------------------------

_ANSWERS: Final = {"tcp_flags": (0x10, 0x10)}
"""ACK is set: in every packet of a connection but the first, and some resets."""
_WHOLE: Final = {"ip_frag": (0, 1)}
"""No fragment: in fragments Open vSwitch sees an ICMP type of 0, whatever it is."""
_PORT_FIELDS: Final = {TCP: ("tcp_src", "tcp_dst"), UDP: ("udp_src", "udp_dst")}


def _deliver(eth_src: bytes, eth_dst: bytes, port: int) -> tuple[ApplyActions, ...]:
    """Be a router: `dec_ttl` comes first, or the packet of a time-exceeded punt would show the rewritten MACs."""
    actions = (DecNwTtl(), SetField.of(eth_src=eth_src), SetField.of(eth_dst=eth_dst), Output(port))
    return (ApplyActions(actions),)


class Forward(NamedTuple):
    """At the source: what this container port sends from its own addresses to one peer, to a port or the uplink."""

    xid: U32
    cookie: U64
    idle_timeout: U16
    in_port: U32
    eth_src: Mac
    ipv4_src: Ipv4
    ipv4_dst: Ipv4
    new_src: Mac
    new_dst: Mac
    out_port: U32

    def message(self) -> FlowMod:
        """Build the message that this shape stands for."""
        return FlowMod(
            cookie=self.cookie,
            idle_timeout=self.idle_timeout,
            priority=Priority.PAIR,
            flags=FlowModFlags.SEND_FLOW_REM,
            match=_pair_match(self.in_port, self.eth_src, self.ipv4_src, self.ipv4_dst),
            instructions=_deliver(self.new_src, self.new_dst, self.out_port),
            xid=self.xid,
        )


class Arrive(NamedTuple):
    """At the destination: what comes by the uplink for this host's MAC, from one peer to one container."""

    xid: U32
    cookie: U64
    idle_timeout: U16
    in_port: U32
    eth_dst: Mac
    ipv4_src: Ipv4
    ipv4_dst: Ipv4
    new_dst: Mac
    out_port: U32

    def message(self) -> FlowMod:
        """Build the message that this shape stands for."""
        return FlowMod(
            cookie=self.cookie,
            idle_timeout=self.idle_timeout,
            priority=Priority.PAIR,
            match=Match(
                in_port=self.in_port,
                eth_dst=self.eth_dst,
                eth_type=IPV4,
                ipv4_src=self.ipv4_src,
                ipv4_dst=self.ipv4_dst,
            ),
            instructions=_deliver(ROUTER_MAC, self.new_dst, self.out_port),
            xid=self.xid,
        )


class ForwardTcp(NamedTuple):
    """A `Forward` of one TCP connection. Fragments have ports 0 here, since Open vSwitch sees them so."""

    xid: U32
    cookie: U64
    idle_timeout: U16
    in_port: U32
    eth_src: Mac
    ipv4_src: Ipv4
    ipv4_dst: Ipv4
    source_port: U16
    destination_port: U16
    new_src: Mac
    new_dst: Mac
    out_port: U32

    def message(self) -> FlowMod:
        """Build the message that this shape stands for."""
        return _forward_connection(self, TCP, self.source_port, self.destination_port)


class ForwardTcpAnswer(ForwardTcp):
    """A `ForwardTcp` of the side that may not open connections: a SYN without ACK does not pass (RFC 9293, 3.5)."""

    def message(self) -> FlowMod:
        """Build the message that this shape stands for."""
        return _forward_connection(self, TCP, self.source_port, self.destination_port, **_ANSWERS)


class ForwardUdp(ForwardTcp):
    """A `Forward` of one UDP conversation."""

    def message(self) -> FlowMod:
        """Build the message that this shape stands for."""
        return _forward_connection(self, UDP, self.source_port, self.destination_port)


class ForwardIcmp(NamedTuple):
    """A `Forward` of one type of ICMP requests or replies."""

    xid: U32
    cookie: U64
    idle_timeout: U16
    in_port: U32
    eth_src: Mac
    ipv4_src: Ipv4
    ipv4_dst: Ipv4
    icmp_type: U8
    new_src: Mac
    new_dst: Mac
    out_port: U32

    def message(self) -> FlowMod:
        """Build the message that this shape stands for."""
        return _forward_connection(self, ICMP, icmpv4_type=self.icmp_type, **_WHOLE)


class ForwardProtocol(NamedTuple):
    """A `Forward` of one protocol that has no ports."""

    xid: U32
    cookie: U64
    idle_timeout: U16
    in_port: U32
    eth_src: Mac
    ipv4_src: Ipv4
    ipv4_dst: Ipv4
    protocol: U8
    new_src: Mac
    new_dst: Mac
    out_port: U32

    def message(self) -> FlowMod:
        """Build the message that this shape stands for."""
        return _forward_connection(self, self.protocol)


class ArriveTcp(NamedTuple):
    """An `Arrive` of one TCP connection."""

    xid: U32
    cookie: U64
    idle_timeout: U16
    in_port: U32
    eth_dst: Mac
    ipv4_src: Ipv4
    ipv4_dst: Ipv4
    source_port: U16
    destination_port: U16
    new_dst: Mac
    out_port: U32

    def message(self) -> FlowMod:
        """Build the message that this shape stands for."""
        return _arrive_connection(self, TCP, self.source_port, self.destination_port)


class ArriveTcpAnswer(ArriveTcp):
    """An `ArriveTcp` from the side that may not open connections."""

    def message(self) -> FlowMod:
        """Build the message that this shape stands for."""
        return _arrive_connection(self, TCP, self.source_port, self.destination_port, **_ANSWERS)


class ArriveUdp(ArriveTcp):
    """An `Arrive` of one UDP conversation."""

    def message(self) -> FlowMod:
        """Build the message that this shape stands for."""
        return _arrive_connection(self, UDP, self.source_port, self.destination_port)


class ArriveIcmp(NamedTuple):
    """An `Arrive` of one type of ICMP requests or replies."""

    xid: U32
    cookie: U64
    idle_timeout: U16
    in_port: U32
    eth_dst: Mac
    ipv4_src: Ipv4
    ipv4_dst: Ipv4
    icmp_type: U8
    new_dst: Mac
    out_port: U32

    def message(self) -> FlowMod:
        """Build the message that this shape stands for."""
        return _arrive_connection(self, ICMP, icmpv4_type=self.icmp_type, **_WHOLE)


class ArriveProtocol(NamedTuple):
    """An `Arrive` of one protocol that has no ports."""

    xid: U32
    cookie: U64
    idle_timeout: U16
    in_port: U32
    eth_dst: Mac
    ipv4_src: Ipv4
    ipv4_dst: Ipv4
    protocol: U8
    new_dst: Mac
    out_port: U32

    def message(self) -> FlowMod:
        """Build the message that this shape stands for."""
        return _arrive_connection(self, self.protocol)


def _forward_connection(
    flow: ForwardTcp | ForwardIcmp | ForwardProtocol, protocol: int, *ports: int, **more: Any
) -> FlowMod:
    return FlowMod(
        cookie=flow.cookie,
        idle_timeout=flow.idle_timeout,
        priority=Priority.CONNECTION,
        flags=FlowModFlags.SEND_FLOW_REM,
        match=_connection_match(flow, protocol, *ports, **more),
        instructions=_deliver(flow.new_src, flow.new_dst, flow.out_port),
        xid=flow.xid,
    )


def _connection_match(
    flow: ForwardTcp | ForwardIcmp | ForwardProtocol | EndedTcp | EndedProtocol | DenyTcp | DenyIcmp | DenyProtocol,
    protocol: int,
    *ports: int,
    **more: Any,
) -> Match:
    return Match(
        in_port=flow.in_port,
        eth_src=flow.eth_src,
        eth_type=IPV4,
        ipv4_src=flow.ipv4_src,
        ipv4_dst=flow.ipv4_dst,
        ip_proto=protocol,
        **dict(zip(_PORT_FIELDS[protocol], ports, strict=True) if ports else ()),
        **more,
    )


def _arrive_connection(
    flow: ArriveTcp | ArriveIcmp | ArriveProtocol, protocol: int, *ports: int, **more: Any
) -> FlowMod:
    return FlowMod(
        cookie=flow.cookie,
        idle_timeout=flow.idle_timeout,
        priority=Priority.CONNECTION,
        match=Match(
            in_port=flow.in_port,
            eth_dst=flow.eth_dst,
            eth_type=IPV4,
            ipv4_src=flow.ipv4_src,
            ipv4_dst=flow.ipv4_dst,
            ip_proto=protocol,
            **dict(zip(_PORT_FIELDS[protocol], ports, strict=True) if ports else ()),
            **more,
        ),
        instructions=_deliver(ROUTER_MAC, flow.new_dst, flow.out_port),
        xid=flow.xid,
    )


class Deny(NamedTuple):
    """Drop, for a while, what a port sends with these addresses."""

    xid: U32
    cookie: U64
    hard_timeout: U16
    in_port: U32
    eth_src: Mac
    ipv4_src: Ipv4
    ipv4_dst: Ipv4

    def message(self) -> FlowMod:
        """Build the message that this shape stands for."""
        return FlowMod(
            cookie=self.cookie,
            hard_timeout=self.hard_timeout,
            priority=Priority.DENY,
            match=_pair_match(self.in_port, self.eth_src, self.ipv4_src, self.ipv4_dst),
            xid=self.xid,
        )


class DenyTcp(NamedTuple):
    """Drop, for a while, one TCP connection's packets."""

    xid: U32
    cookie: U64
    hard_timeout: U16
    in_port: U32
    eth_src: Mac
    ipv4_src: Ipv4
    ipv4_dst: Ipv4
    source_port: U16
    destination_port: U16

    def message(self) -> FlowMod:
        """Build the message that this shape stands for."""
        return _deny_connection(self, TCP, self.source_port, self.destination_port)


class DenyUdp(DenyTcp):
    """Drop, for a while, one UDP conversation's packets."""

    def message(self) -> FlowMod:
        """Build the message that this shape stands for."""
        return _deny_connection(self, UDP, self.source_port, self.destination_port)


class DenyIcmp(NamedTuple):
    """Drop, for a while, one type of ICMP requests or replies."""

    xid: U32
    cookie: U64
    hard_timeout: U16
    in_port: U32
    eth_src: Mac
    ipv4_src: Ipv4
    ipv4_dst: Ipv4
    icmp_type: U8

    def message(self) -> FlowMod:
        """Build the message that this shape stands for."""
        return _deny_connection(self, ICMP, icmpv4_type=self.icmp_type)


class DenyProtocol(NamedTuple):
    """Drop, for a while, one protocol."""

    xid: U32
    cookie: U64
    hard_timeout: U16
    in_port: U32
    eth_src: Mac
    ipv4_src: Ipv4
    ipv4_dst: Ipv4
    protocol: U8

    def message(self) -> FlowMod:
        """Build the message that this shape stands for."""
        return _deny_connection(self, self.protocol)


def _deny_connection(flow: DenyTcp | DenyIcmp | DenyProtocol, protocol: int, *ports: int, **more: Any) -> FlowMod:
    return FlowMod(
        cookie=flow.cookie,
        hard_timeout=flow.hard_timeout,
        priority=Priority.DENY,
        match=_connection_match(flow, protocol, *ports, **more),
        xid=flow.xid,
    )


class DenyType(NamedTuple):
    """Drop, for a while, one EtherType of a port's."""

    xid: U32
    cookie: U64
    hard_timeout: U16
    in_port: U32
    eth_type: U16

    def message(self) -> FlowMod:
        """Build the message that this shape stands for."""
        return FlowMod(
            cookie=self.cookie,
            hard_timeout=self.hard_timeout,
            priority=Priority.DENY,
            match=Match(in_port=self.in_port, eth_type=self.eth_type),
            xid=self.xid,
        )


class Mute(NamedTuple):
    """Drop, for a while, all of a port's packets that no better flow takes."""

    xid: U32
    cookie: U64
    hard_timeout: U16
    priority: U16
    in_port: U32

    def message(self) -> FlowMod:
        """Build the message that this shape stands for."""
        return FlowMod(
            cookie=self.cookie,
            hard_timeout=self.hard_timeout,
            priority=self.priority,
            match=Match(in_port=self.in_port),
            xid=self.xid,
        )


class Forget(NamedTuple):
    """Delete flows by cookie. With a full mask OVS finds them by hash, otherwise it walks all flows."""

    xid: U32
    cookie: U64
    cookie_mask: U64

    def message(self) -> FlowMod:
        """Build the message that this shape stands for."""
        return FlowMod(
            cookie=self.cookie,
            cookie_mask=self.cookie_mask,
            table_id=TABLE_ALL,
            command=FlowModCommand.DELETE,
            xid=self.xid,
        )


class Ended(NamedTuple):
    """The flow_removed of a `Forward` flow (7.4.2), as Open vSwitch orders its match."""

    xid: U32
    cookie: U64
    reason: U8
    duration_sec: U32
    duration_nsec: U32
    idle_timeout: U16
    packet_count: U64
    byte_count: U64
    in_port: U32
    eth_src: Mac
    ipv4_src: Ipv4
    ipv4_dst: Ipv4

    def message(self) -> FlowRemoved:
        """Build the message that this shape stands for."""
        return FlowRemoved(
            cookie=self.cookie,
            priority=Priority.PAIR,
            reason=self.reason,
            table_id=Table.MAIN,
            duration_sec=self.duration_sec,
            duration_nsec=self.duration_nsec,
            idle_timeout=self.idle_timeout,
            hard_timeout=0,
            packet_count=self.packet_count,
            byte_count=self.byte_count,
            match=_pair_match(self.in_port, self.eth_src, self.ipv4_src, self.ipv4_dst),
            xid=self.xid,
        )


class EndedTcp(NamedTuple):
    """The flow_removed of a `ForwardTcp` flow."""

    xid: U32
    cookie: U64
    reason: U8
    duration_sec: U32
    duration_nsec: U32
    idle_timeout: U16
    packet_count: U64
    byte_count: U64
    in_port: U32
    eth_src: Mac
    ipv4_src: Ipv4
    ipv4_dst: Ipv4
    source_port: U16
    destination_port: U16

    def message(self) -> FlowRemoved:
        """Build the message that this shape stands for."""
        return _ended_connection(self, TCP, self.source_port, self.destination_port)


class EndedUdp(EndedTcp):
    """The flow_removed of a `ForwardUdp` flow."""

    def message(self) -> FlowRemoved:
        """Build the message that this shape stands for."""
        return _ended_connection(self, UDP, self.source_port, self.destination_port)


class EndedProtocol(NamedTuple):
    """The flow_removed of a `ForwardProtocol` flow."""

    xid: U32
    cookie: U64
    reason: U8
    duration_sec: U32
    duration_nsec: U32
    idle_timeout: U16
    packet_count: U64
    byte_count: U64
    in_port: U32
    eth_src: Mac
    ipv4_src: Ipv4
    ipv4_dst: Ipv4
    protocol: U8

    def message(self) -> FlowRemoved:
        """Build the message that this shape stands for."""
        return _ended_connection(self, self.protocol)


def _ended_connection(flow: EndedTcp | EndedProtocol, protocol: int, *ports: int) -> FlowRemoved:
    return FlowRemoved(
        cookie=flow.cookie,
        priority=Priority.CONNECTION,
        reason=flow.reason,
        table_id=Table.MAIN,
        duration_sec=flow.duration_sec,
        duration_nsec=flow.duration_nsec,
        idle_timeout=flow.idle_timeout,
        hard_timeout=0,
        packet_count=flow.packet_count,
        byte_count=flow.byte_count,
        match=_connection_match(flow, protocol, *ports),
        xid=flow.xid,
    )


def _pair_match(in_port: int, eth_src: bytes, ipv4_src: bytes, ipv4_dst: bytes) -> Match:
    return Match(in_port=in_port, eth_src=eth_src, eth_type=IPV4, ipv4_src=ipv4_src, ipv4_dst=ipv4_dst)


FORWARD: Final = Shape(Forward)
ARRIVE: Final = Shape(Arrive)
DENY: Final = Shape(Deny)
DENY_TCP: Final = Shape(DenyTcp)
DENY_UDP: Final = Shape(DenyUdp)
DENY_ICMP: Final = Shape(DenyIcmp)
DENY_PROTOCOL: Final = Shape(DenyProtocol)
DENY_TYPE: Final = Shape(DenyType)
MUTE: Final = Shape(Mute)
FORGET: Final = Shape(Forget)
ENDED: Final = Shape(Ended)
FORWARD_TCP: Final = Shape(ForwardTcp)
FORWARD_UDP: Final = Shape(ForwardUdp)
FORWARD_TCP_ANSWER: Final = Shape(ForwardTcpAnswer)
FORWARD_ICMP: Final = Shape(ForwardIcmp)
FORWARD_PROTOCOL: Final = Shape(ForwardProtocol)
ARRIVE_TCP: Final = Shape(ArriveTcp)
ARRIVE_UDP: Final = Shape(ArriveUdp)
ARRIVE_TCP_ANSWER: Final = Shape(ArriveTcpAnswer)
ARRIVE_ICMP: Final = Shape(ArriveIcmp)
ARRIVE_PROTOCOL: Final = Shape(ArriveProtocol)
ENDED_TCP: Final = Shape(EndedTcp)
ENDED_UDP: Final = Shape(EndedUdp)
ENDED_PROTOCOL: Final = Shape(EndedProtocol)
ENDINGS: Final = (ENDED, ENDED_TCP, ENDED_UDP, ENDED_PROTOCOL)
"""The flow_removed messages of routes, the most frequent first."""


# -- static flows ----------------------------------------------------------------------------------------------------

_CONJUNCTION_ID: Final = 1
_ARP_REQUEST: Final = 1
_ARP_REPLY: Final = 2
_VLAN_PRESENT: Final = 0x1000
"""OFPVID_PRESENT (7.2.3.7): with itself as the mask, a tag of any VLAN."""
_DOMAIN: Final = 53
_WHOLE_REGISTER: Final = 31
"""Of `OutputReg`: 32 bits from bit 0 on."""
_SAME_PORT: Final = 0xFFF8
"""OFPP_IN_PORT in the 16 bits of a resubmit: the port that the packet says now."""
_TO_CONTROLLER: Final = (ApplyActions((Output(PortNo.CONTROLLER, CML_NO_BUFFER),)),)
_NOT_TAKEN: Final = (SetField.of(reg1=1), ResubmitTable(_SAME_PORT, Table.MAIN))
"""Go on as if there were no agent to ask."""


@lru_cache(maxsize=4096)
def static_flows(
    uplink: int | None, uplink_mac: bytes, *, gateway: bool = False, names: int | None = None
) -> tuple[FlowMod, ...]:
    """List the flows that a host holds whatever it does; without an uplink, those that need none.

    They depend on the uplink's port number and MAC, on whether the host is a way out, and on the number of port
    `NAMES_PORT` if there is one: not on how many containers the host has.
    """
    flows = [
        _static(Table.MAIN, Priority.MISS, Match(), _TO_CONTROLLER),
        _static(Table.MAIN, Priority.ARP, Match(eth_type=ARP), (GotoTable(Table.ARP),)),
        _static(Table.MAIN, Priority.GUARD, Match(in_port=PortNo.LOCAL)),
        _static(Table.MAIN, Priority.TAGGED, Match(vlan_vid=(_VLAN_PRESENT, _VLAN_PRESENT))),
        *_arp_flows(),
    ]
    if uplink is not None:
        to_us = Match(in_port=uplink, eth_dst=uplink_mac, eth_type=IPV4)
        flows += [
            _static(Table.MAIN, Priority.GUARD, Match(in_port=uplink)),
            _static(Table.MAIN, Priority.UPLINK, to_us, _TO_CONTROLLER),
        ]
    if gateway:
        to_containers = Match(in_port=PortNo.LOCAL, eth_dst=ROUTER_MAC, eth_type=IPV4)
        flows += [
            _static(Table.MAIN, Priority.UPLINK, to_containers, _TO_CONTROLLER),
            _static(Table.MAIN, Priority.UPLINK, Match(in_port=PortNo.LOCAL, eth_type=ARP), (GotoTable(Table.ARP),)),
        ]
    if names is not None:
        flows += _name_flows(uplink, names)
    return tuple(flows)


def _name_flows(uplink: int | None, names: int) -> list[FlowMod]:
    """Show each container's questions for names to the host's agent, which answers them or passes them on.

    Ports' numbers travel in MACs, so that no flow here speaks of one container. What was passed on has 1 in reg1.
    """
    any_port = bytes.fromhex("ffffffff0000")
    answers = Match(in_port=names, eth_src=(ANSWER_MAC, any_port))
    passed_on = Match(in_port=names, eth_dst=(PASS_ON_MAC, any_port))
    to_agent = (_move("nxm_of_in_port", "nxm_of_eth_dst", 16), Output(names))
    to_asker = (
        _move("nxm_of_eth_src", "reg0", 16),
        SetField.of(eth_src=ROUTER_MAC),
        OutputReg(ofs_nbits=_WHOLE_REGISTER, src=FIELDS["reg0"].header),
    )
    as_asked = (_move("nxm_of_eth_dst", "nxm_of_in_port", 16), SetField.of(eth_dst=ROUTER_MAC), *_NOT_TAKEN)
    return [
        _static(Table.MAIN, Priority.NAMES, _question(), (ApplyActions(to_agent),)),
        _static(Table.MAIN, Priority.NAMES, answers, (ApplyActions(to_asker),)),
        _static(Table.MAIN, Priority.NAMES, passed_on, (ApplyActions(as_asked),)),
        _static(Table.MAIN, Priority.GUARD, Match(in_port=names)),
        *(
            _static(Table.MAIN, Priority.NOT_ASKED, _question(port), (ApplyActions(_NOT_TAKEN),))
            for port in (PortNo.LOCAL, uplink)
            if port is not None
        ),
    ]


def _question(in_port: int | None = None) -> Match:
    """Match a question for a name that the agent has not seen."""
    port = {} if in_port is None else {"in_port": in_port}
    return Match(**port, eth_dst=ROUTER_MAC, eth_type=IPV4, ip_proto=UDP, udp_dst=_DOMAIN, reg1=0)


def _static(
    table: Table, priority: int, match: Match, instructions: tuple[ApplyActions | GotoTable, ...] = ()
) -> FlowMod:
    return FlowMod(
        cookie=STATIC_COOKIE,
        table_id=table,
        priority=priority,
        match=match,
        instructions=instructions,
    )


@lru_cache(maxsize=1)
def _arp_flows() -> tuple[FlowMod, ...]:
    """Answer every ARP request with the router's MAC, but for probes and for the asker's own address (RFC 5227).

    OpenFlow cannot compare two fields with each other. A conjunction can, bit by bit: a request asks for the asker's
    own address when for each of the 32 bits one of two flows matches, that for both clear or that for both set.
    """
    same_bit = [
        _static(
            Table.ARP,
            ArpPriority.OWN_ADDRESS,
            Match(eth_type=ARP, arp_spa=(value, 1 << bit), arp_tpa=(value, 1 << bit)),
            (ApplyActions((Conjunction(clause=bit, n_clauses=32, id=_CONJUNCTION_ID),)),),
        )
        for bit in range(32)
        for value in (0, 1 << bit)
    ]
    return (
        _static(Table.ARP, ArpPriority.MISS, Match()),
        _static(
            Table.ARP,
            ArpPriority.ANSWER,
            Match(eth_type=ARP, arp_op=_ARP_REQUEST),
            (ApplyActions(_arp_answer()),),
        ),
        _static(Table.ARP, ArpPriority.OWN_ADDRESS, Match(conj_id=_CONJUNCTION_ID, eth_type=ARP)),
        _static(Table.ARP, ArpPriority.PROBE, Match(eth_type=ARP, arp_spa="0.0.0.0")),
        *same_bit,
    )


def _move(src: str, dst: str, bits: int = 0) -> RegMove:
    """Copy the lowest bits, or a whole field to another of its size; by the headers that Open vSwitch reports back."""
    return RegMove(bits or FIELDS[src].bits, 0, 0, FIELDS[src].header, FIELDS[dst].header)


def _arp_answer() -> tuple[Action, ...]:
    return (
        _move("nxm_of_eth_src", "nxm_of_eth_dst"),
        SetField.of(eth_src=ROUTER_MAC),
        SetField.of(arp_op=_ARP_REPLY),
        _move("nxm_nx_arp_sha", "nxm_nx_arp_tha"),
        SetField.of(arp_sha=ROUTER_MAC),
        _move("nxm_of_arp_spa", "reg0"),
        _move("nxm_of_arp_tpa", "nxm_of_arp_spa"),
        _move("reg0", "nxm_of_arp_tpa"),
        Output(PortNo.IN_PORT),
    )
