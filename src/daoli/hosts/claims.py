"""What only one record may have: dpid, underlay address and uplink of a host; address, MAC and port of an endpoint."""

from __future__ import annotations

from typing import NamedTuple

from daoli.hosts.stored import Record
from daoli.routing.model import Endpoint, Host, dpid_text, ipv4_text, mac_text


class Claim(NamedTuple):
    """Something that only one record may have, told so that it names itself, and the field that claims it."""

    field: str
    what: str


def claims(record: Record) -> tuple[Claim, ...]:
    """List what a record claims. A host claims its uplink among the ports of its endpoints."""
    match record:
        case Host(name=name, dpid=dpid, address=address, uplink=uplink):
            return (
                Claim("dpid", f"dpid {dpid_text(dpid)}"),
                Claim("address", f"underlay address {ipv4_text(address)}"),
                Claim("uplink", f"port {uplink} of host {name}"),
            )
        case Endpoint(host=host, mac=mac, ipv4=ipv4, port=port):
            return (
                Claim("ipv4", f"address {ipv4_text(ipv4)}"),
                Claim("mac", f"MAC {mac_text(mac)}"),
                Claim("port", f"port {port} of host {host}"),
            )
        case _:
            return ()
