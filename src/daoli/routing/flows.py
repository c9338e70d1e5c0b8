"""The flows of routes and of denials, which come and go, as shapes: what is packed and unpacked most."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from daoli.ofproto import (
    TABLE_ALL,
    ApplyActions,
    DecNwTtl,
    FlowMod,
    FlowModCommand,
    FlowModFlags,
    FlowRemoved,
    Match,
    Output,
    SetField,
)
from daoli.ofproto.shapes import Shape
from daoli.ofproto.wire import U8, U16, U32, U64, Ipv4, Mac
from daoli.routing.model import ROUTER_MAC
from daoli.routing.packet import ICMP, IPV4, TCP, UDP
from daoli.routing.pipeline import Priority, Table

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
