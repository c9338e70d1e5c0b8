"""The flows that a host holds whatever it does: misses, ARP, guards, and the way of questions for names."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from daoli.ofproto import (
    CML_NO_BUFFER,
    Action,
    ApplyActions,
    Conjunction,
    FlowMod,
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
from daoli.routing.model import ROUTER_MAC
from daoli.routing.packet import ARP, IPV4, UDP
from daoli.routing.pipeline import ANSWER_MAC, PASS_ON_MAC, STATIC_COOKIE, ArpPriority, Priority, Table

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
