"""A container's network, to be looked at with this machine's own programs: its image has only busybox's."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path
from typing import Any

from tests.e2e.docker_rig import PATIENCE, Container, DockerRig
from tests.e2e.rig import address, mac

from daoli.lab import Place, wait_until

ROUTER = bytes.fromhex("02da011e0001")
"""The MAC that containers know for whatever is not on their network, and for all that is."""

STATUS = ["curl", "-s", "--unix-socket", "/run/daoli/agent.sock", "http://agent/status"]
FINDING = 20.0
"""Seconds in which agents find a controller that is back: they look for it every 5 s."""

DNS_TOOL = Path(__file__).with_name("dns_tool.py")


class Sandbox(Place):
    """The network namespace of a running container, with everything else as on its host."""

    def __init__(self, container: Container) -> None:
        self._host = container.host
        self._pid = str(container.inspect()["State"]["Pid"])

    def entrance(self) -> list[str]:
        """Enter the host, and from there the container's network."""
        return [*self._host.entrance(), "--", "nsenter", f"--target={self._pid}", "--net"]

    def sees(self, path: Path) -> bool:
        """Whether the host has the path."""
        return self._host.sees(path)


def ask(place: Place, resolver: str, name: str, *options: str, timeout: float = 60.0) -> Any:
    """Ask a resolver from a place; give what `dns_tool` prints."""
    done = place.exec([sys.executable, str(DNS_TOOL), "ask", resolver, name, *options], timeout=timeout)
    return json.loads(done.stdout)


def make_network(rig: DockerRig, name: str, *options: str) -> None:
    """Make a network of the fabric on one host, and wait until all have it."""
    rig["h1"].docker("network", "create", "-d", "daoli", "--ipam-driver", "daoli", *options, name)
    for host in rig.lab.hosts:
        wait_until(lambda host=host: name in rig.networks(host), PATIENCE, what=f"{name} on {host}")  # type: ignore[misc]


def metric(rig: DockerRig, name: str) -> float:
    """A figure of the controller's /metrics; 0 if it is not there."""
    found = [line for line in str(rig.get("/metrics")).splitlines() if line.startswith(f"{name} ")]
    return float(found[0].split()[1]) if found else 0.0


def start_controller(rig: DockerRig) -> None:
    """Start the controller again, and wait until all bridges and agents have found it."""
    rig.lab.controller_start("--idle-timeout", "2")
    rig.lab.wait_joined()
    for host in rig.lab.hosts.values():
        wait_until(lambda host=host: '"connected": true' in host.exec(STATUS, check=False).stdout, FINDING)  # type: ignore[misc]


def datagram(source: tuple[bytes, str], target: tuple[str, int], payload: bytes) -> bytes:
    """Build the frame by which a container with this MAC and address would send a UDP datagram out of its network."""
    udp = struct.pack("!HHHH", 40000, target[1], 8 + len(payload), 0) + payload
    head = bytearray(struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0))
    head += address(source[1]) + address(target[0])
    total = sum(struct.unpack("!10H", head))
    head[10:12] = (0xFFFF - total % 0xFFFF).to_bytes(2, "big")
    return ROUTER + source[0] + b"\x08\0" + bytes(head) + udp


def facts(container: Container, network: str) -> tuple[bytes, str]:
    """A container's MAC and address on a network."""
    found = container.inspect()["NetworkSettings"]["Networks"][network]
    return mac(found["MacAddress"]), found["IPAddress"]
