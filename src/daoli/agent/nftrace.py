"""What the kernel's netfilter does with one packet: the table that has it traced, and what `nft monitor` says of it.

The table's first chain comes before all others and marks the packet; its last two come behind all others, and end it
there, before the kernel has noted a connection: so what has passed everything is seen to have, and nobody outside hears
of it. The rules of iptables-nft are nftables' own; those of legacy iptables are passed unseen, but not the packet that
they drop.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from daoli.hosts.inquiry import LONGEST, MOST, Passed, Sought, Word

TABLE: Final = "daoli_trace"
FIRST: Final = -1000
"""Before all of the kernel's own (raw before defragmentation: -450) and those of iptables (raw: -300)."""
LAST: Final = 2**31 - 1
"""Where the kernel would note the connection; a chain is put before what is there (nf_hook_entries_grow)."""
ENTER, LEAVE, STAY = "enter", "leave", "stay"

_EVENT: Final = re.compile(r"trace id (\S+) (\S+) (\S+) (\S+) (packet:|rule|unknown rule|policy|verdict)\s*(.*)")
_VERDICT: Final = re.compile(r"(.*?)\s*\(verdict ([^()]*)\)")
_COUNTER: Final = re.compile(r"counter packets \d+ bytes \d+ ?")
_FIELD: Final = re.compile(r'\b(oif|ip saddr|ip daddr) ("[^"]*"|\S+)')
_ENDS: Final = {LEAVE: "left", STAY: "taken"}


class Event(NamedTuple):
    """A line of the monitor about a packet."""

    trace: str
    """Tells one packet from another."""
    family: str
    table: str
    chain: str
    kind: str
    """``packet:``, ``rule``, ``unknown rule``, ``policy`` or ``verdict``."""
    text: str
    """The packet's fields, or the rule; empty for a policy."""
    verdict: str


def render(sought: Sought) -> str:
    """Write the table as `nft -f` reads it; it replaces the one that there is."""
    is_it = f"meta l4proto {sought.protocol} @th,{sought.token_at * 8},64 0x{sought.token}"
    lines = [
        f"table ip {TABLE}",
        f"delete table ip {TABLE}",
        f"table ip {TABLE} {{",
        *_chain(
            ENTER,
            "prerouting",
            FIRST,
            f"ip saddr {sought.source} ip daddr {sought.destination} {is_it} meta nftrace set 1",
        ),
        *_chain(LEAVE, "postrouting", LAST, f"{is_it} drop"),
        *_chain(STAY, "input", LAST, f"{is_it} drop"),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _chain(name: str, hook: str, priority: int, rule: str) -> list[str]:
    return [f"  chain {name} {{", f"    type filter hook {hook} priority {priority};", f"    {rule}", "  }"]


def parse(line: str) -> Event | None:
    """Read a line of `nft monitor`; None if it is not about a packet."""
    found = _EVENT.match(line)
    if found is None:
        return None
    trace, family, table, chain, kind, rest = found.groups()
    if kind in ("policy", "verdict"):
        return Event(trace, family, table, chain, kind, "", rest.strip())
    said = _VERDICT.fullmatch(rest.strip()) if kind != "packet:" else None
    text, verdict = said.groups() if said else (rest.strip(), "")
    return Event(trace, family, table, chain, kind, " ".join(_COUNTER.sub("", text).split()), verdict)


@dataclass
class Path:
    """The way of the one packet that our first chain has marked."""

    trace: str | None = None
    passed: list[Passed] = field(default_factory=list)
    outcome: str | None = None
    """``left``, ``taken`` or ``dropped``, once it is over."""
    seen: dict[str, str] = field(default_factory=dict)
    """What was last seen of it: ``oif`` once it is routed, ``ip saddr``, ``ip daddr``."""
    at: str = ""
    """The chain where it was last seen."""

    def take(self, event: Event) -> bool:
        """Follow it; tell whether this was about it."""
        ours = event.table == TABLE
        if self.trace is None and ours and event.chain == ENTER:
            self.trace = event.trace
        if event.trace != self.trace or self.outcome is not None:
            return False
        if event.kind == "packet:":
            self.seen |= {name: value.strip('"') for name, value in _FIELD.findall(event.text)}
        if not ours:
            self._pass(event)
        elif event.kind != "packet:":
            self.outcome = _ENDS.get(event.chain)
        return True

    def _pass(self, event: Event) -> None:
        self.at = f"{event.family} {event.table} {event.chain}"
        uneventful = event.verdict in ("", "continue") or (event.kind == "policy" and event.verdict == "accept")
        if event.kind == "packet:" or uneventful:
            return
        del self.passed[MOST - 1 :]  # the last is the one that counts
        self.passed.append(
            Passed(
                family=event.family,
                table=event.table,
                chain=event.chain,
                rule=event.text[:LONGEST] or None,
                verdict=event.verdict,
            )
        )
        if event.verdict == "drop":
            self.outcome = "dropped"

    def word(self, detail: str | None = None) -> Word:
        """Say how it went; `detail` why it was lost, if it was."""
        outcome = self.outcome or ("lost" if self.trace else "absent")
        return Word.model_validate(
            {
                "outcome": outcome,
                "passed": tuple(self.passed),
                "interface": self.seen.get("oif"),
                "source": self.seen.get("ip saddr"),
                "destination": self.seen.get("ip daddr"),
                "detail": detail[:LONGEST] if detail else None,
            }
        )
