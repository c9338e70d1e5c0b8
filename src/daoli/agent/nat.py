"""The host's nftables for containers: their way out, the ports that lead in, and nothing else that comes by the host.

All of it is one table of ours, `ip daoli`, put in place in one transaction, and a chain of iptables (`agent.passing`)
that lets ours pass the filter which drops the rest: what comes in from the outside is then judged by our table alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import structlog

from daoli.agent.commands import CommandError, attempt, run
from daoli.agent.links import links, set_sysctl, sysctl
from daoli.agent.ovs import BRIDGE
from daoli.agent.passing import let_pass, listing, outside, withdraw

TABLE: Final = "daoli"
CHECK_SECONDS: Final = 10.0
"""How often the rules are looked at: another program may have flushed them."""
_ROUTE_LOCALNET: Final = f"net.ipv4.conf.{BRIDGE}.route_localnet"
"""Lets loopback addresses cross our interface, which DNAT to and from localhost needs; the rest of them is dropped."""
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
    outside: tuple[str, ...] = ()
    """The interfaces by which containers reach the outside; Docker's own networks are not behind them."""


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
        *_set("outside", [f'"{name}"' for name in rules.outside], "ifname"),
        *_uplink(rules.uplink),
        "  chain loopback {",
        "    type filter hook prerouting priority -150; policy accept;",
        f'    iifname "{BRIDGE}" ip daddr 127.0.0.0/8 drop comment "before DNAT: the host\'s loopback is its own"',
        "  }",
        "  chain prerouting {",
        "    type nat hook prerouting priority -101; policy accept;",
        *names,
        f'    iifname "{BRIDGE}" ip daddr != {rules.host} accept comment "policy knows the ports of this address only"',
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
        f'    iifname "{BRIDGE}" ct status dnat accept comment "to a port that somebody here publishes"',
        f'    iifname "{BRIDGE}" oifname != @outside ct state new drop comment "networks of Docker are apart"',
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


def _set(name: str, values: Iterable[str], kind: str = "ipv4_addr; flags interval") -> list[str]:
    elements = ", ".join(sorted(values))
    return [
        f"  set {name} {{",
        f"    type {kind};",
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
        filters = await listing()
        ways = outside((await links()).values(), filters)
        text = render(replace(rules, outside=ways))
        found = await _table()
        changed = text != self._text or found != self._listing or found is None
        if changed:
            if self._text == text:
                log.warning("nat_rules_restored", why="another program has changed or flushed them")
            await run("nft", "-f", "-", stdin=text)
            self._text, self._listing = text, await _table()
            await self._follow(frozenset(rules.mappings))
        if sysctl(_ROUTE_LOCALNET) == "0":
            set_sysctl(_ROUTE_LOCALNET, "1")
            changed = True
        return await let_pass(filters, ways) or changed

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
        if await _table() is not None:
            await run("nft", "delete", "table", "ip", TABLE)
        await withdraw()


async def _table() -> str | None:
    """Show the table without what changes by itself; None if there is none."""
    output, _, code = await attempt("nft", "-s", "list", "table", "ip", TABLE)
    return _VOLATILE.sub("", output) if code == 0 else None
