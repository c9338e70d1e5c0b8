"""Hosts that lead their containers to the outside and let it in, by the stack behind LOCAL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.rig import Rig, running
from tests.labs import require_lab

from daoli.lab import Endpoint, Host

OUTSIDE = "10.254.0.250"
"""The controller's machine: outside all networks, and a neighbour of the hosts' management addresses."""

# What an agent does with a host: the stack behind LOCAL routes between the networks and the outside. It sees copies of
# what Open vSwitch takes off the uplink, and would route them too.
_WAY_OUT = """
ip link set daoli up
sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.daoli.rp_filter=0
ip route replace 10.1.0.0/24 dev daoli src "$1"
nft add table ip t
nft add chain ip t post '{ type nat hook postrouting priority 100 ; }'
nft add rule ip t post ip saddr 10.1.0.0/24 ip daddr != 10.1.0.0/24 oifname eth0 masquerade
nft add chain ip t copies '{ type filter hook prerouting priority -310 ; }'
nft add rule ip t copies iifname eth1 drop
nft add chain ip t pre '{ type nat hook prerouting priority -100 ; }'
"""


@contextmanager
def gateways(*flags: str, state_dir: Path) -> Iterator[Rig]:
    """Have two hosts that are gateways, with a network."""
    require_lab()
    with running(*flags, endpoints=1, post=False, state_dir=state_dir) as rig:
        described = rig.lab.describe()
        for kind in ("networks", "hosts", "endpoints"):
            for body in described[kind]:
                answer = rig.controller.post(f"/{kind}", {**body, "gateway": True} if kind == "hosts" else body)
                assert answer.status == 201, answer
        for host in rig.lab.hosts.values():
            host.script(_WAY_OUT, host.address, what=f"{host.name}'s way out")
        rig.controller.wait_connected()
        yield rig


@contextmanager
def published(host: Host, port: int, target: Endpoint, target_port: int, protocol: str = "tcp") -> Iterator[None]:
    """Lead a port of a host to an endpoint anywhere, the client's address preserved."""
    rule = f"{protocol} dport {port} ip daddr {host.address} dnat to {target.ip}:{target_port}"
    host.script(f"nft add rule ip t pre {rule}", what="publishing")
    try:
        yield
    finally:
        host.script("nft flush chain ip t pre", what="withdrawing")


def outside_routes(rig: Rig, endpoint: Endpoint, granularity: str) -> list[dict[str, Any]]:
    """List the live routes between an endpoint and the outside."""
    routes = rig.get("/routes")["routes"]
    ends = [r for r in routes if {r["source"], r["destination"]} == {endpoint.id, None}]
    return [r for r in ends if r["granularity"] == granularity]
