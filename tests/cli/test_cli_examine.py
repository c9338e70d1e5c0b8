"""What `daolictl doctor` looks at."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from tests.cli.fake import endpoint, host, move, publication
from tests.cli.test_cli_rule import NOBODY, RULE

from daoli.cli.examine import (
    Finding,
    clock,
    datapaths,
    endpoints,
    examined,
    hosts,
    ledger,
    moves,
    publications,
    refused,
    rules,
)


def wrong(findings: Iterable[Finding]) -> list[str]:
    """Give what is wrong, each with a remedy."""
    return [finding.text for finding in findings if finding.remedy]


def test_all_well() -> None:
    """Where all is well each check says so, and none has a remedy."""
    told = {
        "hosts": [host()],
        "unregistered": [],
        "endpoints": [endpoint()],
        "publications": [publication()],
        "rules": [RULE | {"destination_matches": 1}],
        "moves": [move("done")],
    }
    found = list(examined(told, 0.0, 1e9))
    assert wrong(found) == []
    assert [finding.check for finding in found] == [
        "clock",
        "hosts",
        "datapaths",
        "endpoints",
        "published ports",
        "rules",
        "moves",
        "refused",
        "ledger",
    ]


def test_hosts() -> None:
    """A host that is away is told once; the problems of others one by one."""
    found = hosts([host("h1", ("bad MTU", "no uplink")), host("h2", ("no datapath",), connected=False), host("h3")])
    assert wrong(found) == ["h2 (192.0.2.1) is not connected", "h1: bad MTU", "h1: no uplink"]


def test_datapaths() -> None:
    """A datapath that belongs to no host gets no flows."""
    (text,) = wrong(datapaths([{"dpid": "ff", "peer": "192.0.2.9:5"}]))
    assert text.startswith("ff at 192.0.2.9:5 is connected, but belongs to no host")


def test_endpoints() -> None:
    """An endpoint without its port is wrong only where its host is connected."""
    known = [host("h1"), host("h2", connected=False)]
    found = endpoints([endpoint(reachable=False), endpoint("e2", host="h2", reachable=False)], known)
    assert wrong(found) == ["web on h1 has no port dle1"]


@pytest.mark.parametrize(("now", "stuck"), [(1060.0, 0), (1061.0, 1)])
def test_moves(now: float, stuck: int) -> None:
    """A move of which nothing was heard for a minute waits for an agent; one that is over does not."""
    assert len(wrong(moves([move("stopping"), move("done"), move("failed")], now))) == stuck


def test_publications() -> None:
    """A published port whose container does not run leads nowhere."""
    found = publications([publication(), publication("b", container="b" * 64, name="db")], [endpoint()])
    assert wrong(found) == ["8080/tcp leads to db:80, which does not run"]


def test_publications_not_in_place() -> None:
    """A port that somebody else has on a host is told, with the host and the reason."""
    failing = publication() | {"problems": [{"host": "h1", "problem": "tcp port 8080: Address already in use"}]}
    (finding,) = publications([failing], [endpoint()])
    assert finding.text == "8080/tcp does not lead to web:80 on h1: tcp port 8080: Address already in use"
    assert finding.remedy == "free the port there, or daolictl publish rm abc123"


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("web", "start that container, or daolictl rule rm 3f2a9c000001"),
        ("a" * 64, "an endpoint's id ends with the container's run: make the rule by the container's name, or "),
    ],
)
def test_rules(name: str, remedy: str) -> None:
    """A rule for an endpoint that is not there does nothing; what else matches nobody now is as it was meant."""
    lost = RULE | {"source": NOBODY | {"endpoint": name}, "source_matches": 0}
    (finding,) = rules([lost, RULE])
    assert finding.text.endswith(f"does nothing: nobody has the id or name {name}")
    assert finding.remedy is not None
    assert finding.remedy.startswith(remedy)


@pytest.mark.parametrize(
    ("skew", "texts"),
    [
        (None, []),
        (5.0, []),
        (-6.0, ["the controller's is 6 s behind of this machine's"]),
        (6.0, ["the controller's is 6 s ahead of this machine's"]),
    ],
)
def test_clock(skew: float | None, texts: list[str]) -> None:
    """Clocks may differ by five seconds."""
    assert wrong(clock(skew)) == texts


def test_refused() -> None:
    """Who is refused is told with its host, and how often and when."""
    knock = {"address": "192.0.2.1", "host": "h1", "count": 3, "last_seconds": 4.2, "reason": "the token is wrong"}
    assert wrong(refused({"refused": [knock, knock | {"host": None, "count": 1}]})) == [
        "h1 (192.0.2.1) was refused 3 times, the last 4s ago: the token is wrong",
        "192.0.2.1 was refused 1 time, the last 4s ago: the token is wrong",
    ]


def test_ledger() -> None:
    """A file that cannot be written, or that lacks entries, is told."""
    state = {"written": 5, "dropped": 1, "problem": "/var/log/l: No space left on device"}
    assert wrong(ledger({"ledger": state})) == [
        "the ledger's file cannot be written: /var/log/l: No space left on device; it lacks 1 entry"
    ]
    assert wrong(ledger({"ledger": state | {"problem": None, "dropped": 2}})) == [
        "the ledger's file lacks 2 entries, which could not be written"
    ]
