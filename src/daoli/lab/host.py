"""A virtual Docker host: a machine with two NICs, its own Open vSwitch, and endpoints in place of containers."""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from daoli.lab.errors import LabError, UsageError
from daoli.lab.fabric import MANAGEMENT, UNDERLAY, Fabric, Nic, WiredMachine
from daoli.lab.machine import Place
from daoli.lab.plan import EndpointPlan, HostPlan, Plan, free_address
from daoli.lab.processes import wait_until
from daoli.lab.state import write_atomically

BRIDGE = "daoli"

MTU = 1500
"""Of containers and of the LOCAL port, which Open vSwitch would otherwise lower to its smallest port's."""

MAX_BACKOFF = 1000
"""Milliseconds between attempts to reach the controller, at most."""

# The database server, with what a bridge needs to speak TLS; the database outlives power cycles.
_DATABASE_UP = """
[ -f /etc/openvswitch/conf.db ] || ovsdb-tool create /etc/openvswitch/conf.db /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server /etc/openvswitch/conf.db --remote=punix:/run/openvswitch/db.sock \
  --remote=db:Open_vSwitch,Open_vSwitch,manager_options \
  --private-key=db:Open_vSwitch,SSL,private_key --certificate=db:Open_vSwitch,SSL,certificate \
  --bootstrap-ca-cert=db:Open_vSwitch,SSL,ca_cert \
  --pidfile --log-file --verbose=console:off --detach --no-chdir
[ $# -eq 0 ] || ovs-vsctl --no-wait "$@"
"""

_SWITCH_UP = """
ovs-vswitchd unix:/run/openvswitch/db.sock --disable-system \
  --pidfile --log-file --verbose=console:off --detach --no-chdir
"""

# Ends the switch with the given signal, or cleanly, and waits until it is gone (5 s).
_SWITCH_DOWN = """
pid=$(cat /run/openvswitch/ovs-vswitchd.pid)
if [ "$1" = exit ]; then ovs-appctl --target=ovs-vswitchd exit; else kill -s "$1" "$pid"; fi
left=250
while kill -0 "$pid" 2>/dev/null; do
  left=$((left - 1)); [ $left -gt 0 ] || { echo "ovs-vswitchd does not end" >&2; exit 1; }
  sleep 0.02
done
rm -f /run/openvswitch/ovs-vswitchd.pid
"""

# NAME PORT MAC ADDRESS/PREFIX GATEWAY MTU. With checksum offload on, Open vSwitch in user space would pass on segments
# whose checksum nobody filled in. Without IPv6, as in Docker's default: its chatter would be punted.
_ENDPOINT_UP = """
ip netns add "$1"
ip link add "$2" mtu "$6" type veth peer name eth0 address "$3" mtu "$6" netns "$1"
ip link set "$2" up
exec nsenter --net="/run/netns/$1" sh -euc '
  for scope in all default; do
    [ ! -e /proc/sys/net/ipv6/conf/$scope/disable_ipv6 ] || echo 1 >/proc/sys/net/ipv6/conf/$scope/disable_ipv6
  done
  ethtool -K eth0 tx off >/dev/null
  ip link set lo up
  ip addr add "$4" dev eth0
  ip link set eth0 up
  ip route add default via "$5"
' sh "$@"
"""

_ENDPOINT_DOWN = """
! pids=$(ip netns pids "$1") || [ -z "$pids" ] || kill -s KILL $pids
ip link del "$2" 2>/dev/null || true
ip netns del "$1"
"""


class Endpoint(Place):
    """A container's place on a host: its own network namespace, the rest shared with the host."""

    def __init__(self, host: "Host", plan: EndpointPlan) -> None:
        """It exists from ``Host.add_endpoint`` on, while the host is on."""
        self.host = host
        self.plan = plan
        self.name = plan.name
        self.id = plan.id
        self.network = plan.network
        self.ip = plan.ipv4
        self.mac = plan.mac
        self.port = plan.port

    def __repr__(self) -> str:
        return f"<Endpoint {self.plan.place} {self.ip}>"

    def entrance(self) -> list[str]:
        """Enter the host's namespaces, but for the network's, which is the endpoint's own."""
        namespace = self.host.root(f"/run/netns/{self.name}")
        return [f"--net={namespace}" if part == "--net" else part for part in self.host.entrance()]

    def sees(self, path: Path) -> bool:
        """Whether the path exists on the host."""
        return self.host.sees(path)


@dataclass(frozen=True, slots=True)
class AddressBook:
    """Who has which address, so that several threads can add endpoints."""

    addresses: Callable[[], set[str]]
    """The IPv4 addresses of all endpoints in the lab."""

    lock: Lock = field(default_factory=Lock)
    """Held while an address is looked for and taken, and while a host's list of endpoints changes."""


class Host(WiredMachine):
    """A Docker host to be: eth0 for management, eth1 as port 1 of bridge ``daoli``, endpoints as the other ports."""

    def __init__(
        self,
        plan: HostPlan,
        lab: Path,
        mark: Mapping[str, str],
        fabric: Fabric,
        lab_plan: Plan,
        book: AddressBook,
    ) -> None:
        """All hosts of a lab share its address book."""
        super().__init__(plan.name, lab, mark, fabric, self.nics(plan))
        self.plan = plan
        self.dpid = plan.number
        self.address = plan.address
        self._lab_plan = lab_plan
        self._book = book

    @staticmethod
    def nics(plan: HostPlan) -> tuple[Nic, ...]:
        """Its network cards."""
        management = Nic("eth0", MANAGEMENT, plan.management_mac, f"{plan.address}/24")
        return (management, Nic("eth1", UNDERLAY, plan.uplink_mac))

    @property
    def endpoints(self) -> dict[str, Endpoint]:
        """The endpoints by name, as the state folder has them now."""
        return {plan.name: Endpoint(self, plan) for plan in self._read_endpoints()}

    def _read_endpoints(self) -> list[EndpointPlan]:
        path = self.path / "endpoints.json"
        try:
            return [EndpointPlan(**entry) for entry in json.loads(path.read_text())]
        except (OSError, ValueError, TypeError) as damage:
            raise LabError(f"{path} is damaged ({damage}); take the lab down") from damage

    def write_endpoints(self, plans: Iterable[EndpointPlan]) -> None:
        """Say which endpoints there shall be at the next boot."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path / "endpoints.json", json.dumps([asdict(plan) for plan in plans], indent=1))

    def endpoint(self, name: str) -> Endpoint:
        """The endpoint of that name, or a refusal that lists them."""
        endpoints = self.endpoints
        if name not in endpoints:
            raise UsageError(f"no endpoint {name!r} on {self.name}; there are: {', '.join(endpoints) or 'none'}")
        return endpoints[name]

    def boot(self) -> None:
        """Power on: namespaces, cables, endpoints, Open vSwitch.

        The first boot makes the bridge; later ones find it, and its ports, in the database on the disk.
        """
        super().boot()
        endpoints = self._read_endpoints()
        for endpoint in endpoints:
            self._make(endpoint)
        self._database_up(self._bridge(endpoints))
        self.ovs_start()

    def _database_up(self, settings: Iterable[str] = ()) -> None:
        """Start the database server; a new database gets its first settings, by words for ovs-vsctl."""
        words = f"init -- set Open_vSwitch . external-ids:system-id={self.name} external-ids:hostname={self.name}"
        first = not (self.path / "disk/etc/openvswitch/conf.db").exists()
        self.script(_DATABASE_UP, *([*words.split(), *settings] if first else []), what=f"{self.name}'s OVS database")

    def _bridge(self, endpoints: Iterable[EndpointPlan]) -> list[str]:
        plan = self.plan
        words = f"""
            -- add-br {BRIDGE} -- set bridge {BRIDGE} datapath_type=netdev fail_mode=secure protocols=OpenFlow13
            other-config:datapath-id={plan.dpid} other-config:hwaddr="{plan.bridge_mac}"
            other-config:disable-in-band=true -- set interface {BRIDGE} mtu_request={MTU}
            -- add-port {BRIDGE} eth1 -- set interface eth1 ofport_request=1
        """.split()
        for endpoint in endpoints:
            words += ["--", "add-port", BRIDGE, endpoint.port]
        for number, target in enumerate(self._lab_plan.controller.split()):
            row = ["create", "controller", f'target="{target}"', f"max_backoff={MAX_BACKOFF}"]
            words += ["--", f"--id=@c{number}", *row, "--", "add", "bridge", BRIDGE, "controller", f"@c{number}"]
        return words

    def _make(self, plan: EndpointPlan) -> None:
        network = self._lab_plan.network(plan.network)
        address = f"{plan.ipv4}/{network.prefix}"
        values = (plan.name, plan.port, plan.mac, address, network.gateway, str(MTU))
        self.script(_ENDPOINT_UP, *values, what=f"endpoint {plan.place}")

    def _unmake(self, plan: EndpointPlan) -> None:
        self.script(_ENDPOINT_DOWN, plan.name, plan.port, what=f"removing {plan.place}")

    def ovs_start(self) -> None:
        """Start ovs-vswitchd; returns when it has set up the bridge. Its flow table is empty."""
        self.script(_SWITCH_UP, what=f"{self.name}'s ovs-vswitchd")

    def ovs_stop(self, *, kill: bool = True) -> None:
        """Kill ovs-vswitchd with SIGKILL, or ask it to exit; the database server goes on."""
        self.script(_SWITCH_DOWN, "KILL" if kill else "exit", what=f"stopping {self.name}'s ovs-vswitchd")

    def vsctl(self, *arguments: str, check: bool = True, timeout: float = 10.0) -> str:
        """What ovs-vsctl prints, without the last newline."""
        return self.exec(["ovs-vsctl", f"--timeout={timeout:.0f}", *arguments], check=check).stdout.rstrip("\n")

    def ofctl(self, *arguments: str, check: bool = True, timeout: float = 10.0) -> str:
        """What ovs-ofctl prints, speaking OpenFlow 1.3, without the last newline."""
        command = ["ovs-ofctl", "-O", "OpenFlow13", *arguments]
        return self.exec(command, check=check, timeout=timeout).stdout.rstrip("\n")

    def flows(self, table: int | None = None, *, stats: bool = False) -> list[str]:
        """The flow table as ovs-ofctl text, one flow per entry, with counters and ages if asked for."""
        where = [] if table is None else [f"table={table}"]
        lines = self.ofctl(*([] if stats else ["--no-stats"]), "dump-flows", BRIDGE, *where).splitlines()
        return [line.strip() for line in lines if "actions=" in line]

    def ofport(self, port: str) -> int:
        """The OpenFlow number of a port; TimeoutError when Open vSwitch cannot open it."""

        def number() -> int:
            text = self.vsctl(
                "get", "interface", port, "ofport"
            )  # [] before OVS looked at it, -1 when it cannot open it
            return int(text) if text.isdecimal() else 0

        return wait_until(number, 5.0, what=f"port {port} of {self.name}")

    def add_endpoint(
        self,
        name: str,
        network: str | None = None,
        ipv4: str | None = None,
        mac: str | None = None,
        *,
        attach: bool = True,
    ) -> Endpoint:
        """Make an endpoint, on the first network and with the lowest free address unless told otherwise."""
        net = self._lab_plan.network(network) if network else self._lab_plan.networks[0]
        with self._book.lock:
            if name in self.endpoints:
                raise UsageError(f"endpoint {self.name}/{name} exists already")
            plan = EndpointPlan.at(self.name, name, net.name, ipv4 or free_address(net, self._book.addresses()), mac)
            self.write_endpoints([*self._read_endpoints(), plan])
        try:
            self._make(plan)
        except BaseException:
            with suppress(LabError):
                self._unmake(plan)
            self._forget(name)
            raise
        if attach:
            self.attach(name)
        return Endpoint(self, plan)

    def remove_endpoint(self, name: str) -> None:
        """End what runs in the endpoint and delete it, OVS port, veth and all."""
        endpoint = self.endpoint(name)
        self.detach(name)
        self._unmake(endpoint.plan)
        self._forget(name)

    def _forget(self, name: str) -> None:
        with self._book.lock:
            self.write_endpoints(plan for plan in self._read_endpoints() if plan.name != name)

    def attach(self, name: str) -> None:
        """Make the endpoint's veth a port of the bridge; nothing happens when it is one."""
        self.vsctl("--may-exist", "add-port", BRIDGE, self.endpoint(name).port)

    def detach(self, name: str) -> None:
        """Take the endpoint's port off the bridge; nothing happens when it is not on it."""
        self.vsctl("--if-exists", "del-port", BRIDGE, self.endpoint(name).port)

    def status(self) -> dict[str, Any]:
        """Whether it is on, its Open vSwitch runs and a controller is connected (as OVS last wrote it down)."""
        if not self.is_on:
            return {"on": False, "ovs": False, "connected": False}
        running = self.exec(["ovs-appctl", "--timeout=2", "-t", "ovs-vswitchd", "version"], check=False).returncode == 0
        lines = self.vsctl("--columns=is_connected", "--format=csv", "--no-headings", "list", "controller", check=False)
        return {"on": True, "ovs": running, "connected": "true" in lines.split()}
