"""The host's nftables for containers: their way out, the ports that lead in, and nothing else that comes by the host.

All of it is one table of ours, `ip daoli`, put in place in one transaction; no other table is written to. Docker's own
rules drop what is forwarded for bridges that are not Docker's, so they are asked, in the chain that Docker keeps for
this, to let ours pass: what comes in is then judged by our table alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import structlog

from daoli.agent.commands import CommandError, attempt, run
from daoli.agent.links import set_sysctl, sysctl
from daoli.agent.ovs import BRIDGE

TABLE: Final = "daoli"
CHECK_SECONDS: Final = 10.0
"""How often the rules are looked at: another program may have flushed them."""
_ROUTE_LOCALNET: Final = f"net.ipv4.conf.{BRIDGE}.route_localnet"
"""Lets loopback addresses cross our interface, which DNAT to and from localhost needs; the rest of them is dropped."""
_IPTABLES: Final = ("iptables", "-w", "5")
_DOCKER_CHAIN: Final = "DOCKER-USER"
_VOLATILE: Final = re.compile(r"counter packets \d+ bytes \d+")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, order=True)
class Mapping:
    """A port of this host that leads to a container."""

    protocol: str
    """``tcp`` or ``udp``."""
    port: int
    target: str
    """IPv4 address of the container."""
    target_port: int
    address: str = ""
    """The host's IPv4 address that it holds for; empty for all of them."""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the table is to say."""

    host: str
    """The host's own IPv4 address."""
    subnets: tuple[str, ...] = ()
    """Of all networks of the fabric."""
    ways_out: tuple[str, ...] = ()
    """Of those networks whose containers reach the outside."""
    mappings: tuple[Mapping, ...] = ()
    names_port: int | None = None
    """Where DNS by TCP is answered, on loopback."""
    uplink: str = ""
    """The interface that leads to the other hosts; empty while it is not known."""


def render(rules: Rules) -> str:
    """Write the rules as `nft -f` reads them; they replace what there was."""
    to_containers = [f"    {line}" for mapping in sorted(rules.mappings) for line in (_lead(mapping),)]
    names = []
    if rules.names_port is not None:
        led = f"dnat to 127.0.0.1:{rules.names_port}"
        names = [f'    iifname "{BRIDGE}" ip saddr @containers ip daddr != @containers tcp dport 53 {led}']
    lines = [
        f"table ip {TABLE}",
        f"delete table ip {TABLE}",
        f"table ip {TABLE} {{",
        *_set("containers", rules.subnets),
        *_set("ways_out", rules.ways_out),
        *_uplink(rules.uplink),
        "  chain loopback {",
        "    type filter hook prerouting priority -150; policy accept;",
        f'    iifname "{BRIDGE}" ip daddr 127.0.0.0/8 drop comment "before DNAT: the host\'s loopback is its own"',
        "  }",
        "  chain prerouting {",
        "    type nat hook prerouting priority -101; policy accept;",
        *names,
        *to_containers,
        "  }",
        "  chain output {",
        "    type nat hook output priority -101; policy accept;",
        *to_containers,
        "  }",
        "  chain postrouting {",
        "    type nat hook postrouting priority 99; policy accept;",
        f'    iifname "{BRIDGE}" oifname "{BRIDGE}" snat to {rules.host} comment "a container, by a published port"',
        f'    oifname "{BRIDGE}" ip saddr 127.0.0.0/8 snat to {rules.host} comment "the host, by localhost"',
        f'    iifname "{BRIDGE}" oifname != "{BRIDGE}" ip saddr @ways_out ip daddr != @containers masquerade',
        "  }",
        "  chain forward {",
        "    type filter hook forward priority -1; policy accept;",
        f'    oifname "{BRIDGE}" ct state established,related accept',
        f'    oifname "{BRIDGE}" ct status dnat accept',
        f'    oifname "{BRIDGE}" drop comment "not published"',
        f'    iifname "{BRIDGE}" ip saddr != @ways_out ct state new drop comment "internal"',
        "  }",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _uplink(name: str) -> list[str]:
    """Keep the kernel from taking what Open vSwitch in user space takes too: it would see each packet twice.

    The first of two RSTs would end a published connection, and the second, the real one, would not be translated.
    """
    if not name:
        return []
    return [
        "  chain uplink {",
        "    type filter hook prerouting priority -310; policy accept;",
        f'    iifname "{name}" drop comment "the bridge has it"',
        "  }",
    ]


def _set(name: str, subnets: Iterable[str]) -> list[str]:
    elements = ", ".join(sorted(subnets))
    return [
        f"  set {name} {{",
        "    type ipv4_addr; flags interval;",
        *([f"    elements = {{ {elements} }}"] if elements else []),
        "  }",
    ]


def _lead(mapping: Mapping) -> str:
    where = f"ip daddr {mapping.address}" if mapping.address else "fib daddr type local"
    to = f"{mapping.protocol} dport {mapping.port} dnat to {mapping.target}:{mapping.target_port}"
    return f'{where} {to} comment "{_safe(mapping.comment)}"'


def _safe(comment: str) -> str:
    return re.sub(r"[^A-Za-z0-9 ._:/>-]", "", comment)[:100]


class Nat:
    """The rules that are in place; those asked for are put there in their order."""

    def __init__(self) -> None:
        self._text: str | None = None
        self._listing: str | None = None
        self._mappings: frozenset[Mapping] | None = None

    async def apply(self, rules: Rules) -> bool:
        """Put rules in place, unless they are; tell whether anything changed. CommandError or LinkError if refused."""
        text = render(rules)
        listing = await _listing()
        changed = text != self._text or listing != self._listing or listing is None
        if changed:
            if self._text == text:
                log.warning("nat_rules_restored", why="another program has changed or flushed them")
            await run("nft", "-f", "-", stdin=text)
            self._text, self._listing = text, await _listing()
            await self._follow(frozenset(rules.mappings))
        if sysctl(_ROUTE_LOCALNET) == "0":
            set_sysctl(_ROUTE_LOCALNET, "1")
            changed = True
        return await self._pass_docker() or changed

    async def _follow(self, mappings: frozenset[Mapping]) -> None:
        """Have talk by UDP go where its port leads now: the kernel would keep to the old way as long as it goes on."""
        before = mappings if self._mappings is None else self._mappings
        self._mappings = mappings
        for port in sorted({each.port for each in before ^ mappings if each.protocol == "udp"}):
            try:
                await attempt("conntrack", "-D", "-p", "udp", "--orig-port-dst", str(port))
            except CommandError as error:
                log.warning("udp_clients_stay", port=port, error=str(error))

    async def remove(self) -> None:
        """Take all of it away again."""
        self._text = self._listing = self._mappings = None
        if await _listing() is not None:
            await run("nft", "delete", "table", "ip", TABLE)
        for chain in (_DOCKER_CHAIN, "FORWARD"):
            for rule in _PASSES:
                while await _succeeds(*_IPTABLES, "-D", chain, *rule):
                    pass

    @staticmethod
    async def _pass_docker() -> bool:
        """Have packets for our bridge pass the filter that Docker (or another program) drops the rest by."""
        if await _succeeds(*_IPTABLES, "-n", "-L", _DOCKER_CHAIN):
            chain = _DOCKER_CHAIN
        elif await _drops_forwarded():
            chain = "FORWARD"
        else:
            return False
        changed = False
        for rule in _PASSES:
            if not await _succeeds(*_IPTABLES, "-C", chain, *rule):
                await run(*_IPTABLES, "-I", chain, *rule)
                changed = True
        return changed


_PASSES: Final = (("-i", BRIDGE, "-j", "ACCEPT"), ("-o", BRIDGE, "-j", "ACCEPT"))


async def _listing() -> str | None:
    """Show the table without what changes by itself; None if there is none."""
    output, _, code = await attempt("nft", "-s", "list", "table", "ip", TABLE)
    return _VOLATILE.sub("", output) if code == 0 else None


async def _drops_forwarded() -> bool:
    try:
        output, _, code = await attempt(*_IPTABLES, "-S", "FORWARD")
    except CommandError:
        return False  # no iptables here, so that nobody can have used it
    return code == 0 and "-P FORWARD DROP" in output


async def _succeeds(*command: str) -> bool:
    try:
        return (await attempt(*command))[2] == 0
    except CommandError:
        return False
