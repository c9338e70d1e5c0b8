"""`daoli doctor`: each link of the chain from a container here to one on another host, and what to do where it is cut.

It works with the agent running or not, changes nothing, and exits with 1 if it found a problem.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from ipaddress import IPv4Network, ip_address
from pathlib import Path
from typing import Any, Final, Literal

import aiohttp
from rich.console import Console
from rich.markup import escape

from daoli.agent import links, preflight
from daoli.agent.bridge import DNS_PORT, MACVLAN, Wanted
from daoli.agent.client import Client, Refused, Unreachable
from daoli.agent.commands import CommandError, attempt, run
from daoli.agent.join import clash, refusal
from daoli.agent.links import Link, LinkError
from daoli.agent.ovs import BRIDGE, Ovs, OvsError
from daoli.agent.passing import CHAIN, JUMP
from daoli.agent.preflight import Unfit
from daoli.agent.settings import DOCTOR, AgentSettings, as_joined
from daoli.agent.state import State
from daoli.hosts.spec import HostSpec
from daoli.sources import SettingError

Level = Literal["ok", "warning", "problem"]

PROBLEM_FOUND: Final = 1
UNUSABLE: Final = 2
TIMEOUT: Final = 5.0
"""Seconds for one answer."""
CONNECT_SECONDS: Final = 6
SKEW_SECONDS: Final = 5.0
"""Clocks further apart than this make logs of several hosts hard to compare, and tokens of others invalid."""
RESOLV_CONF: Final = Path("/etc/resolv.conf")
DOCKER_CONFIG: Final = Path("/etc/docker/daemon.json")
_MARKS: Final = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "problem": "[bold red]✗[/]"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One link of the chain: how it is, and what to do about it."""

    check: str
    level: Level
    text: str
    advice: str = ""


Findings = AsyncIterator[Finding]


@dataclass(frozen=True, slots=True)
class Patient:
    """What is known of this host before anything is checked."""

    settings: AgentSettings
    status: dict[str, Any] | None
    """What the running agent tells of itself; None where none runs."""
    joined: dict[str, Any]
    """The notes of an agent that ran here, or none."""

    @property
    def wanted(self) -> Wanted | None:
        """What the bridge is to be, on a host that has joined."""
        found = (self.status or {}).get("wanted") or self.joined.get("wanted")
        return Wanted(**found) if found else None

    @property
    def host(self) -> str:
        """This host's name in the fabric."""
        return str((self.status or {}).get("host") or self.joined.get("host") or self.settings.host_name)


async def admit(settings: AgentSettings) -> Patient:
    """Ask the agent, and its notes, what settings it has; those given to us win."""
    status = None
    with suppress(aiohttp.ClientError, TimeoutError, OSError, ValueError):
        status = await _ask(settings.status_socket, "GET", "/status")
    joined: dict[str, Any] = {}
    with suppress(OSError):
        joined = State.load(Path(settings.state_dir)).joined
    kept = dict((status or {}).get("settings") or {}) or asdict(as_joined(settings, joined))
    given = {name: value for name, value in asdict(settings).items() if value != asdict(AgentSettings())[name]}
    return Patient(AgentSettings(**{**asdict(settings), **kept, **given}), status, joined)


async def _ask(path: str, method: str, where: str) -> Any:
    connector = aiohttp.UnixConnector(path)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    async with (
        aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
        session.request(method, f"http://localhost{where}") as answer,
    ):
        return json.loads(await answer.text())


# -- the checks ----------------------------------------------------------------------------------------------------


async def check_kernel(patient: Patient) -> Findings:
    """Look at what the kernel can do."""
    try:
        await run("nft", "list", "tables")
        yield Finding("kernel", "ok", "nf_tables works")
    except CommandError as error:
        advice = "apt install nftables, modprobe nf_tables; as root"
        yield Finding("kernel", "problem", f"nftables cannot be used: {error}", advice)
    if Path("/sys/module/openvswitch").exists():  # noqa: ASYNC240  sysfs does not block
        yield Finding("kernel", "ok", "the Open vSwitch module is loaded")
    else:
        text = "the Open vSwitch module is not loaded: the bridge forwards in user space, which is slower"
        yield Finding("kernel", "warning", text, "modprobe openvswitch, and join again, if this kernel has it")
    if links.sysctl("net.ipv4.ip_forward") == "1":
        yield Finding("kernel", "ok", "IPv4 forwarding is on")
    elif patient.status or patient.joined:
        text = "IPv4 forwarding is off: containers do not reach the outside"
        yield Finding("kernel", "problem", text, "sysctl -w net.ipv4.ip_forward=1; the agent does it too")
    if max(links.sysctl("net.ipv4.conf.all.rp_filter"), links.sysctl(f"net.ipv4.conf.{BRIDGE}.rp_filter")) == "1":
        text = f"rp_filter is strict: what comes by {BRIDGE} must have its way back there"
        yield Finding("kernel", "ok", f"{text}, as the networks' routes have")


async def check_switch(_: Patient) -> Findings:
    """Look whether Open vSwitch runs."""
    try:
        await Ovs().run("get", "Open_vSwitch", ".", "next_cfg", wait=False)
    except OvsError as error:
        advice = "apt install openvswitch-switch; systemctl start openvswitch-switch"
        yield Finding("open vswitch", "problem", f"the database does not run: {error}", advice)
        return
    version, said, code = await attempt("ovs-appctl", "--timeout=3", "-t", "ovs-vswitchd", "version")
    if code:
        text = f"the database runs, but ovs-vswitchd does not: {said}"
        yield Finding("open vswitch", "problem", text, "systemctl restart openvswitch-switch")
    else:
        yield Finding("open vswitch", "ok", f"runs, version {version.split()[-1]}")


async def check_docker(patient: Patient) -> Findings:
    """Look whether Docker runs and finds the driver."""
    try:
        yield Finding("docker", "ok", f"runs, version {await preflight.check_docker(patient.settings)}")
    except Unfit as error:
        for text in error.problems:
            yield Finding("docker", "problem", text)
    socket = patient.settings.plugin_socket
    try:
        answer = await _ask(socket, "POST", "/Plugin.Activate")
        yield Finding("docker", "ok", f"the driver answers at {socket}: {', '.join(answer['Implements'])}")
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError) as error:
        advice = "systemctl start daoli-agent, or run daoli agent"
        yield Finding("docker", "problem", f"no driver answers at {socket}: {_words(error)}", advice)


async def check_agent(patient: Patient) -> Findings:
    """Look whether the agent runs, and what it finds wrong."""
    if patient.status is None:
        what = f"this host has joined as {patient.host}, but" if patient.joined else "this host has not joined:"
        advice = "systemctl start daoli-agent, or: daoli agent --controller URL"
        yield Finding("agent", "problem", f"{what} no agent runs", advice)
        return
    yield Finding("agent", "ok", f"runs, host {patient.host}, revision {patient.status['revision']}")
    for problem in patient.status["problems"]:
        yield Finding("agent", "problem", problem)


async def check_bridge(patient: Patient) -> Findings:
    """Look at the bridge, its ports and its connection."""
    ovs = Ovs()
    rows = await ovs.rows("Bridge", ("name", "other_config", "fail_mode", "datapath_type"), BRIDGE)
    if not rows:
        text = f"there is no bridge {BRIDGE}"
        yield Finding("bridge", "problem", text, "start the agent, which makes it: daoli agent --controller URL")
        return
    dpid = rows[0]["other_config"].get("datapath-id", "none")
    kind = rows[0]["datapath_type"] or "system"
    wanted = patient.wanted
    if wanted is None or dpid == wanted.dpid:
        yield Finding("bridge", "ok", f"{BRIDGE} has datapath id {dpid}, and forwards by {kind}")
    else:
        text = f"{BRIDGE} has datapath id {dpid}, not {wanted.dpid}"
        yield Finding("bridge", "problem", text, "the agent sets it: start it")
    interfaces = {row["name"]: row for row in await ovs.rows("Interface", ("name", "error", "ofport"))}
    ports = await ovs.ports()
    for port in filter(None, (wanted.uplink if wanted else None, DNS_PORT)):
        if port not in ports:
            yield Finding("bridge", "problem", f"{port} is not a port of {BRIDGE}", "the agent puts it there: start it")
    for port in sorted(ports):
        if interfaces[port]["error"]:
            yield Finding(
                "bridge", "problem", f"port {port}: {interfaces[port]['error']}", f"ovs-vsctl del-port {port}"
            )
    for finding in _check_open(ports - {port for port in ports if interfaces[port]["error"]}, await links.links()):
        yield finding
    async for finding in _check_connection(ovs):
        yield finding


async def _check_connection(ovs: Ovs) -> Findings:
    with suppress(OvsError):  # the database is told of it every 5 s only
        patient_ovs = Ovs(timeout=CONNECT_SECONDS)
        await patient_ovs.run("wait-until", "controller", BRIDGE, "is_connected=true", wait=False)
    controllers = await ovs.rows("Controller", ("target", "is_connected", "status"))
    for row in controllers:
        if row["is_connected"]:
            yield Finding("bridge", "ok", f"connected to the controller at {row['target']}")
        else:
            why = row["status"].get("last_error", "no answer")
            advice = "is the controller running, and does a firewall let its OpenFlow port through?"
            yield Finding("bridge", "problem", f"not connected to the controller at {row['target']}: {why}", advice)
    if not controllers:
        yield Finding("bridge", "problem", f"{BRIDGE} has no controller", "the agent sets it: start it")


def _check_open(ports: set[str], found: dict[str, Link]) -> list[Finding]:
    return [
        Finding(
            "bridge",
            "problem",
            f"{port} is not the interface that Open vSwitch has open",
            f"the agent puts it on the bridge again; without one: ovs-vsctl del-port {port}, and start it",
        )
        for port in sorted(ports & found.keys())
        if not found[port].promiscuous
    ]


async def check_uplink(patient: Patient) -> Findings:
    """Look at the way to the other hosts, its MAC and its MTU."""
    found = await links.links()
    wanted = patient.wanted
    if wanted is None:
        name, _ = await preflight.way_out(patient.settings)
        preflight.check_uplink(name, found, whole=bool(patient.settings.uplink_port))
        yield Finding("uplink", "ok", f"{name} would lead to the other hosts")
        return
    nic, uplink, local = found.get(wanted.nic), found.get(wanted.uplink), found.get(BRIDGE)
    if nic is None or uplink is None:
        yield Finding(
            "uplink", "problem", f"{wanted.nic if nic is None else wanted.uplink} does not exist", "daoli agent"
        )
        return
    if not nic.up or not uplink.up:
        down = nic.name if not nic.up else uplink.name
        yield Finding("uplink", "problem", f"{down} is down", f"ip link set {down} up")
    for finding in _check_macvlan(wanted, uplink):
        yield finding
    for finding in _check_mtu(nic, uplink, local, found):
        yield finding


def _check_macvlan(wanted: Wanted, uplink: Link) -> list[Finding]:
    if wanted.whole:
        return [Finding("uplink", "ok", f"{uplink.name} belongs to the bridge, MAC {uplink.mac}")]
    if (uplink.parent, uplink.mac, uplink.mode) == (wanted.nic, wanted.uplink_mac, "private"):
        return [Finding("uplink", "ok", f"{MACVLAN} is a macvlan on {wanted.nic}, MAC {uplink.mac}")]
    text = f"{MACVLAN} has MAC {uplink.mac} on {uplink.parent or 'nothing'}, not {wanted.uplink_mac} on {wanted.nic}"
    return [Finding("uplink", "problem", text, "the agent makes it anew: start it")]


def _check_mtu(nic: Link, uplink: Link, local: Link | None, found: dict[str, Link]) -> list[Finding]:
    wrong = [link for link in (uplink, local) if link is not None and link.mtu != nic.mtu]
    large = [link.name for link in found.values() if link.name.startswith("dl") and link.mtu > nic.mtu]
    findings = [
        Finding("mtu", "problem", f"{link.name} has MTU {link.mtu}, {nic.name} has {nic.mtu}", "the agent sets it")
        for link in wrong
    ]
    if large:
        text = f"containers' MTU is larger than that of {nic.name} ({nic.mtu}): {', '.join(large)}"
        findings.append(Finding("mtu", "problem", text, "restart these containers"))
    return findings or [Finding("mtu", "ok", f"{nic.mtu} on {nic.name}, on the bridge and for containers")]


async def check_controller(patient: Patient) -> Findings:
    """Look whether the controller answers, lets us in, and has the same time."""
    if not patient.settings.controller:
        yield Finding("controller", "warning", "it is not known where the controller is", "say --controller URL")
        return
    client = Client(patient.settings.controller, patient.settings.token(), timeout=TIMEOUT)
    try:
        found = await client.request("GET", "/controller")
        yield Finding("controller", "ok", f"answers at {client.url}, version {found['version']}")
        yield _check_clock(client.clock_skew)
        yield await _check_openflow(patient, int(found["openflow"]["port"]))
        hosts = (await client.request("GET", "/hosts"))["hosts"]
        for finding in [*_check_hosts(patient, hosts), *_check_dpid(patient, hosts, await _bridge_dpid())]:
            yield finding
    except Unreachable as error:
        advice = "is the controller running, and does a firewall let its port through?"
        yield Finding("controller", "problem", str(error), advice)
    except Refused as error:
        yield Finding("controller", "problem", refusal(client, error))
    finally:
        await client.close()


def _check_clock(skew: float | None) -> Finding:
    if skew is None or abs(skew) <= SKEW_SECONDS:
        return Finding("clock", "ok", "the same as the controller's")
    way = "behind" if skew > 0 else "ahead of"
    text = f"this host's clock is {abs(skew):.0f} s {way} the controller's"
    return Finding("clock", "warning", text, "apt install chrony, on both")


async def _check_openflow(patient: Patient, port: int) -> Finding:
    target = patient.wanted.target if patient.wanted else await preflight.target(patient.settings, port)
    host, _, number = target.partition(":")[2].rpartition(":")
    try:
        async with asyncio.timeout(TIMEOUT):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(number))
        writer.close()
    except (OSError, TimeoutError) as error:
        advice = "does a firewall let it through? Another address: --openflow tcp:ADDRESS:PORT"
        return Finding("controller", "problem", f"nothing answers at {target}: {_words(error)}", advice)
    return Finding("controller", "ok", f"its OpenFlow side answers at {target}")


def _check_hosts(patient: Patient, hosts: list[dict[str, Any]]) -> list[Finding]:
    wanted = patient.wanted
    if wanted is None:
        return []
    spec = HostSpec(name=patient.host, dpid=wanted.dpid, address=wanted.address, uplink=wanted.uplink)
    if (why := clash(hosts, spec, joined=False)) is not None:
        return [Finding("identity", "problem", why)]
    own = next((host for host in hosts if host["name"] == patient.host), None)
    if own is None:
        return [Finding("identity", "problem", f"the controller knows no host {patient.host}", "start the agent")]
    said = [Finding("identity", "problem", problem) for problem in own["status"]["problems"]]
    return said or [Finding("identity", "ok", f"the controller knows this host as {patient.host}, and no other as it")]


async def _bridge_dpid() -> str | None:
    with suppress(OvsError):
        for row in await Ovs().rows("Bridge", ("datapath_id",), BRIDGE):
            return str(row["datapath_id"])
    return None


def _check_dpid(patient: Patient, hosts: list[dict[str, Any]], dpid: str | None) -> list[Finding]:
    advice = "the agent gives it its own: start it"
    return [
        Finding("identity", "problem", f"the bridge has the datapath id of host {host['name']}", advice)
        for host in hosts
        if host["name"] != patient.host and host["dpid"] == dpid
    ]


async def check_names(_: Patient) -> Findings:
    """Look whether containers' queries for names cross the bridge."""
    servers = _nameservers()
    configured = "dns" in (_read_json(DOCKER_CONFIG) or {})
    if servers and all(_is_loopback(server) for server in servers) and not configured:
        text = (
            f"{RESOLV_CONF} has only the loopback resolver {servers[0]}: Docker asks it from the host itself, so that "
            "containers do not find those of other hosts by name"
        )
        advice = f'give Docker another one: {{"dns": ["192.0.2.53"]}} in {DOCKER_CONFIG}, or docker run --dns'
        yield Finding("names", "problem", text, advice)
    else:
        yield Finding("names", "ok", "containers' queries for names cross the bridge")


def _nameservers() -> list[str]:
    with suppress(OSError):
        words = [line.split() for line in RESOLV_CONF.read_text().splitlines()]
        return [line[1] for line in words if len(line) > 1 and line[0] == "nameserver"]
    return []


def _is_loopback(server: str) -> bool:
    with suppress(ValueError):
        return ip_address(server.partition("%")[0]).is_loopback
    return False


def _read_json(path: Path) -> dict[str, Any] | None:
    with suppress(OSError, ValueError):
        found = json.loads(path.read_text())
        return found if isinstance(found, dict) else None
    return None


async def check_firewall(patient: Patient) -> Findings:
    """Look whether another program's rules drop what is forwarded for containers."""
    shown = json.loads(await run("nft", "-j", "list", "chains"))["nftables"]
    chains = [entry["chain"] for entry in shown if "chain" in entry]
    strict = [chain for chain in chains if chain.get("hook") == "forward" and chain.get("policy") == "drop"]
    for chain in strict:
        if (chain["family"], chain["table"], chain["name"]) == ("ip", "filter", "FORWARD"):
            if JUMP in await _iptables("FORWARD") or patient.wanted is None:
                continue
            advice = f"the agent adds the chain {CHAIN}: is it running?"
        else:
            advice = f"let {BRIDGE} pass in nft table {chain['family']} {chain['table']}"
        text = f"the firewall drops what is forwarded ({chain['table']} {chain['name']}): no way out for containers"
        yield Finding("firewall", "problem", text, advice)
        return
    if rule := await _dropping_rule():
        text = f"a rule of the firewall drops what containers send or get: {rule}"
        yield Finding("firewall", "warning", text, f"iptables -D {rule.removeprefix('-A ')}, unless it is meant")
        return
    yield Finding("firewall", "ok", "nothing keeps containers from the outside")


async def _dropping_rule() -> str | None:
    """Find a rule of iptables, before the agent's own, that drops what is for our bridge or for our subnets."""
    rules: list[str] = []
    for rule in await _iptables("FORWARD"):
        rules += await _iptables("DOCKER-USER") if rule.endswith("-j DOCKER-USER") else [rule]
    before = rules[: rules.index(JUMP)] if JUMP in rules else rules
    dropping = [rule for rule in before if {"DROP", "REJECT"} & set(rule.split())]
    subnets = [IPv4Network(subnet) for subnet in await links.routes(BRIDGE)] if dropping else []
    return next((rule for rule in dropping if _concerns(rule.split(), subnets)), None)


async def _iptables(chain: str) -> list[str]:
    try:
        output, _, _ = await attempt("iptables", "-w", "5", "-S", chain)
    except CommandError:  # no iptables here, so that nobody can have used it
        return []
    return [rule for rule in output.splitlines() if rule.startswith("-A")]


def _concerns(rule: Sequence[str], subnets: Sequence[IPv4Network]) -> bool:
    """Whether a rule names our bridge, or an address that overlaps our subnets."""
    for before, flag, value in zip(("", *rule), rule, rule[1:], strict=False):
        if before == "!":
            continue
        if flag in ("-i", "-o") and value == BRIDGE:
            return True
        if flag in ("-s", "-d") and any(IPv4Network(value).overlaps(subnet) for subnet in subnets):
            return True
    return False


CHECKS: Final[dict[str, Callable[[Patient], Findings]]] = {
    "kernel": check_kernel,
    "open vswitch": check_switch,
    "docker": check_docker,
    "agent": check_agent,
    "bridge": check_bridge,
    "uplink": check_uplink,
    "controller": check_controller,
    "names": check_names,
    "firewall": check_firewall,
}


async def examine(settings: AgentSettings) -> list[Finding]:
    """Make all checks, side by side; the order of what is found is that of the chain."""
    patient = await admit(settings)
    results = await asyncio.gather(*(_make(name, check, patient) for name, check in CHECKS.items()))
    return [finding for findings in results for finding in findings]


async def _make(name: str, check: Callable[[Patient], Findings], patient: Patient) -> list[Finding]:
    findings = []
    try:
        async for finding in check(patient):
            findings.append(finding)  # noqa: PERF401  what was found before an error stays
    except Unfit as error:
        findings += [Finding(name, "problem", problem) for problem in error.problems]
    except (CommandError, OvsError, LinkError, OSError, SettingError) as error:
        findings.append(Finding(name, "problem", f"cannot be checked: {error}"))
    return findings


def _words(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or "no answer in time"


def show(findings: Sequence[Finding], console: Console) -> None:
    """Print a line for each, and what to do below those that are not right."""
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        line = f"{_MARKS[finding.level]} [bold]{finding.check:<{width}}[/]  {escape(finding.text)}"
        console.print(line, highlight=False, soft_wrap=True)
        if finding.advice:
            console.print(f"{'':<{width + 4}}→ {escape(finding.advice)}", highlight=False, soft_wrap=True, style="cyan")
    count = {level: sum(finding.level == level for finding in findings) for level in _MARKS}
    console.print(f"{count['ok']} ok, {count['warning']} warnings, {count['problem']} problems", style="bold")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says."""
    form = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    form.add_argument("-o", "--output", choices=("text", "json"), default="text")
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        output, rest = form.parse_known_args(given)
        settings, _ = DOCTOR.read(rest)
        findings = asyncio.run(examine(settings))
    except SettingError as error:
        sys.stderr.write(f"daoli doctor: {error}\n")
        return UNUSABLE
    if output.output == "json":
        sys.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=1) + "\n")
    else:
        show(findings, Console())
    return PROBLEM_FOUND if any(finding.level == "problem" for finding in findings) else 0


if __name__ == "__main__":
    sys.exit(main())
