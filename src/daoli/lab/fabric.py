"""The cables of a lab: a machine of its own with one kernel bridge per segment, and veths from there to the others."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from daoli.lab.errors import LabError
from daoli.lab.machine import STEP_TIMEOUT, Machine, build_environment

MANAGEMENT = "mgmt"
"""Segment of eth0: OpenFlow, REST, whatever hosts say to each other."""

UNDERLAY = "wire"
"""Segment of eth1: frames that Open vSwitch sends from host to host."""

_BRIDGES = """
for segment in "$@"; do
  ip link add "$segment" type bridge stp_state 0 forward_delay 0 mcast_snooping 0
  ip link set "$segment" up
done
"""

# PORT SEGMENT NAMESPACE NIC MAC [ADDRESS/PREFIX], in the fabric's network namespace. The kernel takes its time to
# remove the cables of a machine that lost power, so an older one of that name is pulled first.
_PLUG = """
ip link del "$1" 2>/dev/null || true
ip link add "$1" type veth peer name "$4" address "$5" netns "$3"
ip link set "$1" master "$2" up
exec nsenter --net="$3" sh -euc '
  [ $# -eq 1 ] || ip addr add "$2" dev "$1"
  ip link set "$1" up
' sh "$4" ${6:+"$6"}
"""


@dataclass(frozen=True, slots=True)
class Nic:
    """A network card: on which segment, with which addresses."""

    name: str
    segment: str
    mac: str
    address: str = ""
    """IPv4 address and prefix length; empty for a NIC without."""


class Fabric(Machine):
    """The Ethernet between the machines."""

    def boot(self) -> None:
        """Boot, and make the two segments."""
        super().boot()
        self.script(_BRIDGES, MANAGEMENT, UNDERLAY, what="making the segments")

    def plug(self, machine: Machine, nic: Nic) -> None:
        """Give a machine a NIC; a cable that it had there before is pulled first."""
        # Only the network namespace is entered: /proc must be the one in which the machine's pid is known.
        namespace = f"/proc/{machine.pid_number}/ns/net"
        values = [f"{machine.name}-{nic.segment}", nic.segment, namespace, nic.name, nic.mac, nic.address]
        done = subprocess.run(
            ["nsenter", f"--net=/proc/{self.pid_number}/ns/net", "sh", "-euc", _PLUG, "sh", *values],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=STEP_TIMEOUT,
            check=False,
            start_new_session=True,
            env={**build_environment(), **self.mark},
        )
        if done.returncode:
            raise LabError(f"{machine.name}: {nic.name} failed: {done.stderr.strip()}")


class WiredMachine(Machine):
    """A machine with NICs."""

    def __init__(self, name: str, lab: Path, mark: Mapping[str, str], fabric: Fabric, nics: Sequence[Nic]) -> None:
        """The fabric must be on before the machine boots."""
        super().__init__(name, lab, mark)
        self._fabric = fabric
        self._nics = nics

    def boot(self) -> None:
        """Boot, and plug in the cables."""
        super().boot()
        for nic in self._nics:
            self._fabric.plug(self, nic)
