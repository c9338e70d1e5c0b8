"""Every flow that daoli puts on a datapath: tables, priorities and the cookie's layout are declared here, once.

`docs/pipeline.md` describes the pipeline table by table.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from typing import Final, NamedTuple

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
    PortNo,
    RegMove,
    SetField,
)
from daoli.ofproto.fields import FIELDS
from daoli.ofproto.shapes import Shape
from daoli.ofproto.wire import U8, U16, U32, U64, Ipv4, Mac
from daoli.routing.model import ROUTER_MAC
from daoli.routing.packet import ARP, IPV4


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
    """Routed packets whose flow is missing at the destination: punted, and the flow is put back."""
    MUTE_UPLINK = 70
    DENY = 90
    PAIR = 100
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


MAGIC: Final = 0xDA01
"""Bits 48-63 of the cookie of every flow that is ours."""
COOKIE_ALL: Final = 0xFFFF_FFFF_FFFF_FFFF
MAGIC_MASK: Final = 0xFFFF << 48
KIND_MASK: Final = 0xFFFF_FF << 40

STATIC_COOKIE: Final = MAGIC << 48 | Kind.STATIC << 40
DENY_COOKIE: Final = MAGIC << 48 | Kind.DENY << 40
_PAIR_COOKIE: Final = MAGIC << 48 | Kind.PAIR << 40


def pair_cookie(generation: int, route_id: int) -> int:
    """Build the cookie of a pair route's flows: magic 16 | kind 8 | generation 8 | route id 32."""
    return _PAIR_COOKIE | generation << 32 | route_id


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


def _pair_match(in_port: int, eth_src: bytes, ipv4_src: bytes, ipv4_dst: bytes) -> Match:
    return Match(in_port=in_port, eth_src=eth_src, eth_type=IPV4, ipv4_src=ipv4_src, ipv4_dst=ipv4_dst)


FORWARD: Final = Shape(Forward)
ARRIVE: Final = Shape(Arrive)
DENY: Final = Shape(Deny)
DENY_TYPE: Final = Shape(DenyType)
MUTE: Final = Shape(Mute)
FORGET: Final = Shape(Forget)
ENDED: Final = Shape(Ended)


# -- static flows ----------------------------------------------------------------------------------------------------

_CONJUNCTION_ID: Final = 1
_ARP_REQUEST: Final = 1
_ARP_REPLY: Final = 2
_VLAN_PRESENT: Final = 0x1000
"""OFPVID_PRESENT (7.2.3.7): with itself as the mask, a tag of any VLAN."""


@lru_cache(maxsize=4096)
def static_flows(uplink: int | None, uplink_mac: bytes) -> tuple[FlowMod, ...]:
    """List the flows that a host holds whatever it does; without an uplink, those that need none.

    They depend on nothing but the uplink's port number and MAC: not on how many containers the host has.
    """
    to_controller = (ApplyActions((Output(PortNo.CONTROLLER, CML_NO_BUFFER),)),)
    flows = [
        _static(Table.MAIN, Priority.MISS, Match(), to_controller),
        _static(Table.MAIN, Priority.ARP, Match(eth_type=ARP), (GotoTable(Table.ARP),)),
        _static(Table.MAIN, Priority.GUARD, Match(in_port=PortNo.LOCAL)),
        _static(Table.MAIN, Priority.TAGGED, Match(vlan_vid=(_VLAN_PRESENT, _VLAN_PRESENT))),
        *_arp_flows(),
    ]
    if uplink is not None:
        flows += [
            _static(Table.MAIN, Priority.GUARD, Match(in_port=uplink)),
            _static(
                Table.MAIN,
                Priority.UPLINK,
                Match(in_port=uplink, eth_dst=uplink_mac, eth_type=IPV4),
                to_controller,
            ),
        ]
    return tuple(flows)


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


def _move(src: str, dst: str) -> RegMove:
    """Copy a whole field to another of its size; by NXM headers, since those are what Open vSwitch reports back."""
    return RegMove(FIELDS[src].bits, 0, 0, FIELDS[src].header, FIELDS[dst].header)


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
