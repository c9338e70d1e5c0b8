"""Random rules, groups and packets, about a few names so that they meet."""

from __future__ import annotations

from hypothesis import strategies as st
from tests.routing.frames import ICMP, TCP, UDP
from tests.routing.reference import Sent, Sort

from daoli.routing.rules import Group, Kind, Rule, Selector

NETWORKS = ("n0", "n1")
GROUPS = ("g0", "g1")
LABELS = ("app=a", "app=b", "tier=db")
CIDRS = ("10.0.0.0/16", "10.0.0.10/32", "10.0.0.8/29", "198.51.100.0/24", "198.51.0.0/16", "0.0.0.0/0")
OUTSIDE = (bytes((198, 51, 100, 7)), bytes((203, 0, 113, 9)))
PORTS = (22, 80, 443, 8050, 40000)

SELECTORS = st.one_of(
    st.just(Selector()),
    st.builds(Selector, st.just(Kind.ENDPOINT), st.sampled_from(("e0", "e1", "e2", "web"))),
    st.builds(Selector, st.just(Kind.NETWORK), st.sampled_from((*NETWORKS, "unknown"))),
    st.builds(Selector, st.just(Kind.GROUP), st.sampled_from((*GROUPS, "unknown"))),
    st.builds(Selector, st.just(Kind.LABEL), st.sampled_from(LABELS)),
    st.builds(Selector, st.just(Kind.CIDR), st.sampled_from(CIDRS)),
)
_RANGES = st.sampled_from(((80, 80), (443, 443), (8000, 8100), (1, 1023), (40000, 40000)))


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    """Draw a rule with one of nine ids."""
    protocol = draw(st.sampled_from((None, TCP, TCP, UDP, ICMP)))
    ports = draw(st.lists(_RANGES, max_size=2)) if protocol in (TCP, UDP) else ()
    return Rule(
        id=f"r{draw(st.integers(0, 8))}",
        allow=draw(st.booleans()),
        source=draw(SELECTORS),
        destination=draw(SELECTORS),
        priority=draw(st.sampled_from((0, 100, 100, 100, 1000, 65535))),
        protocol=protocol,
        ports=tuple(ports),
        both_ways=draw(st.booleans()),
    )


GROUPINGS = st.builds(Group, st.sampled_from(GROUPS), st.lists(st.sampled_from(NETWORKS), max_size=3).map(tuple))
LABELLINGS = st.dictionaries(st.sampled_from(("app", "tier")), st.sampled_from(("a", "b", "db")))

_PORT = st.none() | st.sampled_from(PORTS)
PACKETS = st.one_of(
    st.builds(Sent, st.just(TCP), st.sampled_from((Sort.OPENS, Sort.EITHER)), _PORT, _PORT),
    st.builds(Sent, st.just(UDP), st.sampled_from((Sort.OPENS, Sort.EITHER)), _PORT, _PORT),
    st.builds(Sent, st.just(ICMP), st.sampled_from((Sort.OPENS, Sort.ANSWERS))),
    st.builds(Sent, st.just(47), st.sampled_from((Sort.OPENS, Sort.EITHER))),
)
