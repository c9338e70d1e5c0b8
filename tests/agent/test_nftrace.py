"""The way of a packet through netfilter, as `nft monitor` tells it. The lines were captured from nftables 1.0.6."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daoli.agent.nftrace import Path, parse, render
from daoli.hosts.inquiry import LONGEST, MOST, Sought, Word

SOUGHT = Sought(source="10.1.0.2", destination="198.51.100.7", protocol="tcp", token="00ff" * 4, token_at=32)

FIELDS = (
    'iif "daoli" {oif}ether saddr 02:da:01:1e:00:01 ether daddr 06:09:11:98:c0:0b ip saddr {saddr} '
    "ip daddr 198.51.100.7 ip dscp cs0 ip ecn not-ect ip ttl 62 ip id 46402 ip length 84 icmp type echo-request "
    "icmp code net-unreachable icmp id 32 icmp sequence 0 @th,64,96 0x56803ebb0000000000000000 "
)
END = " "
"""As nft writes it."""
IN = FIELDS.format(oif="", saddr="10.1.0.2")
OUT = FIELDS.format(oif='oif "eth0" ', saddr="10.1.0.2")
LEAVING = FIELDS.format(oif='oif "eth0" ', saddr="10.254.0.1")

ENTERED = f"""\
add table ip daoli_trace
add chain ip daoli_trace enter {{ type filter hook prerouting priority -1000; policy accept; }}
# new generation 37 by process 22360 (nft)
trace id d58d480d ip daoli_trace enter packet: {IN}
trace id d58d480d ip daoli_trace enter unknown rule handle 3 (verdict continue)
trace id d58d480d ip daoli_trace enter policy accept{END}
trace id d58d480d ip daoli uplink packet: {IN}
trace id d58d480d ip daoli uplink policy accept{END}
trace id d58d480d ip nat PREROUTING packet: {IN}
trace id d58d480d ip nat PREROUTING policy accept{END}
"""
FORWARDED = f"""\
trace id d58d480d ip filter FORWARD packet: {OUT}
trace id d58d480d ip filter FORWARD rule counter packets 4 bytes 336 jump DOCKER-USER (verdict jump DOCKER-USER)
"""
LEFT = f"""\
trace id d58d480d ip filter DOCKER-USER rule iifname "daoli" counter packets 2 bytes 168 accept (verdict accept)
trace id d58d480d ip daoli postrouting packet: {OUT}
trace id d58d480d ip daoli postrouting rule iifname "daoli" ip saddr @ways_out masquerade (verdict accept)
trace id d58d480d ip daoli_trace leave packet: {LEAVING}
trace id d58d480d ip daoli_trace leave unknown rule handle 4 (verdict drop)
"""
TAKEN = f"""\
trace id d58d480d ip nat PREROUTING rule fib daddr type local jump DOCKER (verdict jump DOCKER)
trace id d58d480d ip daoli_trace stay packet: {IN}
trace id d58d480d ip daoli_trace stay unknown rule handle 6 (verdict drop)
"""
JUMP = {
    "family": "ip",
    "table": "filter",
    "chain": "FORWARD",
    "rule": "jump DOCKER-USER",
    "verdict": "jump DOCKER-USER",
}


def word(text: str, detail: str | None = None) -> Word:
    """Say how the packet went of which these lines tell."""
    path = Path()
    for line in text.splitlines():
        if event := parse(line):
            path.take(event)
    return path.word(detail)


def last(found: Word) -> tuple[Any, ...]:
    """The last rule that had a say."""
    passed = found.passed[-1]
    return passed.family, passed.table, passed.chain, passed.rule, passed.verdict


def test_leaves() -> None:
    """What comes to our last chain has passed all others; its addresses are those that NAT gave it."""
    found = word(ENTERED + FORWARDED + LEFT)
    assert (found.outcome, found.interface) == ("left", "eth0")
    assert (found.source, found.destination) == ("10.254.0.1", "198.51.100.7")
    assert [passed.verdict for passed in found.passed] == ["jump DOCKER-USER", "accept", "accept"]
    assert found.passed[0].model_dump() == JUMP


def test_taken() -> None:
    """What comes to our last chain before the host's own sockets is the host's."""
    found = word(ENTERED + TAKEN)
    assert (found.outcome, found.interface, last(found)[2]) == ("taken", None, "PREROUTING")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "ip filter DOCKER-USER rule ip daddr 198.51.100.0/24 counter packets 0 bytes 0 drop (verdict drop)",
            ("ip", "filter", "DOCKER-USER", "ip daddr 198.51.100.0/24 drop", "drop"),
        ),
        (
            "ip filter FORWARD rule ip daddr 198.51.100.0/24  counter packets 0 bytes 0 reject (verdict drop)",
            ("ip", "filter", "FORWARD", "ip daddr 198.51.100.0/24 reject", "drop"),
        ),
        ("ip filter FORWARD policy drop ", ("ip", "filter", "FORWARD", None, "drop")),
        (
            "inet mine f rule ip daddr 198.51.100.0/24 drop (verdict drop)",
            ("inet", "mine", "f", "ip daddr 198.51.100.0/24 drop", "drop"),
        ),
        (
            'inet mine f rule drop comment "not (verdict accept) at all" (verdict drop)',
            ("inet", "mine", "f", 'drop comment "not (verdict accept) at all"', "drop"),
        ),
        ("ip mine f unknown rule handle 12 (verdict drop)", ("ip", "mine", "f", "handle 12", "drop")),
    ],
)
def test_dropped(line: str, told: tuple[Any, ...]) -> None:
    """A rule or policy that drops it is the end, and is told as it is written."""
    found = word(f"{ENTERED}{FORWARDED}trace id d58d480d {line}\n{LEFT}")
    assert (found.outcome, last(found)) == ("dropped", told)


def test_lost() -> None:
    """What was seen, and neither dropped nor seen to leave, is lost; why is for others to say."""
    found = word(ENTERED, "no route")
    assert (found.outcome, found.passed, found.detail) == ("lost", (), "no route")
    assert word("").outcome == "absent"


def test_others_packets() -> None:
    """What somebody else has traced is not the probe."""
    foreign = (ENTERED + FORWARDED).replace("d58d480d", "aaaaaaaa").replace("daoli_trace", "other")
    assert word(foreign).outcome == "absent"
    assert word(ENTERED + foreign + FORWARDED + LEFT).model_dump() == word(ENTERED + FORWARDED + LEFT).model_dump()


def test_bounds() -> None:
    """However many rules there are, and however long, the word is one that the controller takes, with the last."""
    many = (MOST + 9) * "trace id d58d480d ip filter FORWARD rule jump A (verdict jump A)\n"
    end = f"trace id d58d480d ip filter A rule {'x' * 2 * LONGEST} drop (verdict drop)\n"
    found = word(ENTERED + many + end, "y" * 2 * LONGEST)
    assert (len(found.passed), found.passed[-1].verdict, found.outcome) == (MOST, "drop", "dropped")
    assert Word.model_validate(found.model_dump(mode="json")) == found


@given(st.text(), st.sampled_from(["", "trace id ", "trace id 1 ip filter FORWARD ", "trace id 1 ip f c rule "]))
def test_any_line(text: str, start: str) -> None:
    """No line makes it fail."""
    path = Path(trace="1")
    if event := parse(start + text):
        path.take(event)
    found = path.word()
    assert Word.model_validate(found.model_dump(mode="json")) == found


@pytest.mark.ovs
def test_nft_takes_the_table() -> None:
    """`nft` finds nothing wrong with what is written."""
    checked = subprocess.run(
        ["nft", "--check", "-f", "-"], input=render(SOUGHT), text=True, check=False, capture_output=True
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_table_knows_the_probe() -> None:
    """Only what carries the token is marked and taken away: 8 bytes behind TCP's header and what the probe says."""
    lines = render(SOUGHT).splitlines()
    assert lines[:2] == ["table ip daoli_trace", "delete table ip daoli_trace"]
    its = "meta l4proto tcp @th,256,64 0x00ff00ff00ff00ff"
    rules = [line.strip() for line in lines if "@th" in line]
    assert rules == [f"ip saddr 10.1.0.2 ip daddr 198.51.100.7 {its} meta nftrace set 1", f"{its} drop", f"{its} drop"]
