"""A DNS query to its answer, or to none: what is not ours goes on to the resolver that it was meant for. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from daoli.agent.names.zone import Zone, reversed_address
from daoli.hosts.spec import EndpointSpec

TTL: Final = 1
"""Seconds: a container that stops must not be remembered for longer."""
PLAIN_SIZE: Final = 512
"""Bytes of a UDP answer without EDNS (RFC 1035, 4.2.1)."""
WIDE_SIZE: Final = 1232
"""Bytes of a UDP answer to a client that takes more: it goes in one frame, whatever the MTU."""
TCP_SIZE: Final = 65535
_ADDRESS: Final = dns.rdatatype.A
_POINTER: Final = dns.rdatatype.PTR


def answer(zone: Zone, asker: EndpointSpec, data: bytes, *, tcp: bool = False) -> bytes | None:
    """Answer a query of one container; None if it is not for us to answer."""
    try:
        query = dns.message.from_wire(data, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError):
        return None
    if query.flags & dns.flags.QR or query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
        return None
    question = query.question[0]
    if question.rdclass != dns.rdataclass.IN:
        return None
    kind = _POINTER if reversed_address(_text(question.name)) else _ADDRESS
    found = _records(zone, asker, _text(question.name))
    if found is None:
        return None
    response = dns.message.make_response(query, recursion_available=True, our_payload=WIDE_SIZE)
    response.flags |= dns.flags.AA
    if question.rdtype in (kind, dns.rdatatype.ANY):  # a question for AAAA, which comes beside, takes no turn
        found = zone.rotated(_text(question.name), found)
        response.answer.append(dns.rrset.from_rdata_list(question.name, TTL, [_rdata(kind, data) for data in found]))
    size = TCP_SIZE if tcp else _udp_size(query)
    try:
        return response.to_wire(max_size=size, want_shuffle=False)  # the zone rotates
    except dns.exception.TooBig:
        response.answer.clear()
        response.flags |= dns.flags.TC
        return response.to_wire(max_size=size)


@lru_cache(maxsize=4096)
def _rdata(kind: dns.rdatatype.RdataType, text: str) -> dns.rdata.Rdata:
    """Read a record's data; it takes a third of an answer's time, and is asked for again."""
    return dns.rdata.from_text(dns.rdataclass.IN, kind, text)


def _udp_size(query: dns.message.Message) -> int:
    return PLAIN_SIZE if query.edns < 0 else min(max(PLAIN_SIZE, query.payload), WIDE_SIZE)


def _records(zone: Zone, asker: EndpointSpec, name: str) -> list[str] | None:
    """List the data of a name's records; None for a name that nobody has whom the asker can see."""
    networks = zone.networks_of(asker)
    if (address := reversed_address(name)) is not None:
        host = zone.name_of(address, networks)
        return None if host is None else [f"{host}."]
    return zone.addresses(name, networks) or None


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()
