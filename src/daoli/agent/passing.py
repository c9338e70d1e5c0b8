"""How containers' packets pass the filter that Docker, or another program, drops the rest of what is forwarded by.

A chain of our own lets pass what goes between our bridge and the outside, and nothing else: what concerns Docker's own
networks stays Docker's to judge. It comes after `DOCKER-USER`, whose rules are the admin's and so win.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from daoli.agent.commands import CommandError, attempt, run
from daoli.agent.links import DOCKER_BRIDGE, Link
from daoli.agent.ovs import BRIDGE

CHAIN: Final = "DAOLI-FORWARD"
JUMP: Final = f"-A FORWARD -j {CHAIN}"
IPTABLES: Final = ("iptables", "-w", "5")
_USER: Final = "-A FORWARD -j DOCKER-USER"
_DROPS: Final = "-P FORWARD DROP"


async def listing() -> list[str]:
    """Give the rules of iptables' filter; none where there is no iptables, so that nobody can have used it."""
    try:
        output, _, code = await attempt(*IPTABLES, "-S")
    except CommandError:
        return []
    return output.splitlines() if code == 0 else []


def outside(found: Iterable[Link], filters: Sequence[str]) -> tuple[str, ...]:
    """List the interfaces that lead to the outside: neither ours, nor containers', nor Docker's bridges."""
    named = _dockers(filters)
    return tuple(
        sorted(
            link.name
            for link in found
            if link.name not in ("lo", BRIDGE)
            and not link.master
            and (link.addresses or link.kind != "veth")
            and not (link.kind == "bridge" and (link.name in named or DOCKER_BRIDGE.fullmatch(link.name)))
        )
    )


def _dockers(filters: Sequence[str]) -> set[str]:
    """Give the interfaces that Docker's own chains name: its bridges, also those to which a person gave the name."""
    rules = [line.split() for line in filters if line.startswith("-A DOCKER") and "DOCKER-USER" not in line]
    return {name for words in rules for flag, name in pairwise(words) if flag in ("-i", "-o")}


async def let_pass(filters: Sequence[str], ways: Sequence[str]) -> bool:
    """Have pass what goes between our bridge and these interfaces; tell whether anything changed."""
    if _USER not in filters and _DROPS not in filters:
        return False
    rules = [f"-A {CHAIN} -i {BRIDGE} -o {BRIDGE} -j ACCEPT"]
    for way in ways:
        rules += [f"-A {CHAIN} -i {BRIDGE} -o {way} -j ACCEPT", f"-A {CHAIN} -i {way} -o {BRIDGE} -j ACCEPT"]
    changed = [line for line in filters if line.startswith(f"-A {CHAIN} ")] != rules
    if changed:
        lines = ("*filter", f":{CHAIN} - [0:0]", *rules, "COMMIT")
        await run("iptables-restore", "-w", "5", "--noflush", stdin="\n".join(lines) + "\n")
    return await _put(filters) or changed


async def _put(filters: Sequence[str]) -> bool:
    """Put the jump right behind that to the admin's rules, or at the end; Docker puts its own in front, at times."""
    forward = [line for line in filters if line.startswith("-A FORWARD ")]
    user = forward.index(_USER) if _USER in forward else -1
    if JUMP in forward[user + 1 :] and JUMP not in forward[: user + 1]:
        return False
    place = str(user + 2 if _USER in forward else len(forward) + 1)
    await run(*IPTABLES, "-I", "FORWARD", place, "-j", CHAIN)
    for _ in range(forward[: user + 1].count(JUMP)):
        await run(*IPTABLES, "-D", "FORWARD", "-j", CHAIN)  # the first of them
    return True


async def withdraw() -> None:
    """Take chain and jumps away again."""
    filters = await listing()
    for _ in range(filters.count(JUMP)):
        await run(*IPTABLES, "-D", "FORWARD", "-j", CHAIN)
    if f"-N {CHAIN}" in filters:
        await run(*IPTABLES, "-F", CHAIN)
        await run(*IPTABLES, "-X", CHAIN)
