"""What became of a probe in a host's own stack, in words: its agent's answer as steps and as an end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from daoli.hosts.inquiry import Passed, Word


class Ruled(NamedTuple):
    """A rule, or a chain's policy, and what it did with the probe."""

    what: str
    table: str
    chain: str
    rule: str | None


class End(NamedTuple):
    """Where the probe got to; `arrived` is None where that is not known."""

    arrived: bool | None
    reason: str


def silent(host: str) -> End:
    """Say that nobody was there to see it."""
    return End(None, f"host {host}'s agent does not answer: what its firewall did is not known")


def ruled(word: Word) -> Iterator[Ruled]:
    """Say of each rule what it did."""
    for passed in word.passed:
        chain = f"{passed.family} {passed.table} {passed.chain}"
        by = "policy" if passed.rule is None else "rule"
        yield Ruled(f"{chain}: by {by}: {passed.verdict}", f"{passed.family} {passed.table}", passed.chain, passed.rule)


def conclude(host: str, word: Word) -> End:
    """Say how it ended."""
    if word.outcome == "left":
        out = f"all rules of host {host} let it pass, to leave by {_out(word)}"
        return End(True, f"{out}; there it was taken away, and what is beyond is not seen")
    if word.outcome == "taken":
        return End(True, f"host {host} takes it for itself, as {word.destination}; who listens there is not asked")
    if word.outcome == "dropped":
        by = _rule(word.passed[-1]) if word.passed else "a rule that its agent does not name"
        return End(False, f"dropped on host {host} by {by}")
    if word.outcome == "lost":
        why = word.detail or "no rule of nftables dropped it"
        return End(False, f"it came into host {host}'s own stack, and was not seen to leave: {why}")
    if word.outcome == "absent":
        return End(False, f"it was given to LOCAL, and did not come into host {host}'s own stack")
    return End(None, f"what host {host}'s firewall did is not known: {word.detail or 'its agent could not look'}")


def _out(word: Word) -> str:
    return f"{word.interface}" + (f" as {word.source} > {word.destination}" if word.source else "")


def _rule(passed: Passed) -> str:
    where = f"chain {passed.chain} of table {passed.family} {passed.table}"
    return f"{where}: {passed.rule}" if passed.rule else f"the policy of {where}"
