"""The layout of every datapath: tables, priorities, and what a cookie of ours says. Declared here, once.

`docs/pipeline.md` describes it table by table; the flows are declared in `flows` and `static`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple


class Table(IntEnum):
    """The pipeline's tables."""

    MAIN = 0
    ARP = 1


class Priority(IntEnum):
    """What wins over what in table MAIN."""

    MISS = 0
    MUTE = 30
    """A port whose punts are over budget: dropped for a second. Below its ARP and its routes."""
    ARP = 40
    GUARD = 50
    """Whatever comes from the uplink, or from the host's own stack, and was not asked for."""
    UPLINK = 60
    """Routed packets whose flow is missing at the destination: punted, and the flow is put back. Likewise what the
    host's own stack sends to containers, if the host is a way out."""
    MUTE_UPLINK = 70
    """The uplink, or the host's own stack, over budget."""
    DENY = 90
    PAIR = 100
    CONNECTION = 104
    """One connection of a pair, where ports or direction decide, or that goes another way than the pair does."""
    NAMES = 106
    """Questions to name servers, which the host's agent sees first."""
    NOT_ASKED = 108
    """Questions that are no container's."""
    TAGGED = 110
    """Frames with a VLAN tag: none of ours has one, and a match on IPv4 alone takes those with a tag too."""


class ArpPriority(IntEnum):
    """What wins over what in table ARP."""

    MISS = 0
    ANSWER = 10
    OWN_ADDRESS = 20
    PROBE = 30


class Kind(IntEnum):
    """What a flow is for; bits 40-47 of its cookie."""

    STATIC = 1
    PAIR = 2
    DENY = 3
    CONNECTION = 4


MAGIC: Final = 0xDA01
"""Bits 48-63 of the cookie of every flow that is ours."""
COOKIE_ALL: Final = 0xFFFF_FFFF_FFFF_FFFF
MAGIC_MASK: Final = 0xFFFF << 48
KIND_MASK: Final = 0xFFFF_FF << 40

STATIC_COOKIE: Final = MAGIC << 48 | Kind.STATIC << 40
DENY_COOKIE: Final = MAGIC << 48 | Kind.DENY << 40
PAIR_COOKIE: Final = MAGIC << 48 | Kind.PAIR << 40
CONNECTION_COOKIE: Final = MAGIC << 48 | Kind.CONNECTION << 40

NAMES_PORT: Final = "dldns"
"""Name of the OVS port behind which the host's agent answers questions for names, if it does."""
ASKING_MAC: Final = bytes.fromhex("02da011e0000")
"""Destination of a question on its way to the agent; the last two bytes are the container's port number."""
ANSWER_MAC: Final = bytes.fromhex("02da011d0000")
"""Source of the agent's answer; the last two bytes are the port to which it goes."""
PASS_ON_MAC: Final = bytes.fromhex("02da011c0000")
"""Destination of a question that the agent does not answer; the last two bytes are the port where it came from."""


def pair_cookie(generation: int, route_id: int) -> int:
    """Build the cookie of a pair route's flows: magic 16 | kind 8 | generation 8 | route id 32."""
    return PAIR_COOKIE | generation << 32 | route_id


def connection_cookie(generation: int, route_id: int) -> int:
    """Build the cookie of a connection route's flows, laid out as a pair route's."""
    return CONNECTION_COOKIE | generation << 32 | route_id


class Cookie(NamedTuple):
    """A cookie of ours, taken apart."""

    kind: int
    generation: int
    route_id: int

    @classmethod
    def parse(cls, cookie: int) -> Cookie | None:
        """Take a cookie apart; None if it is not ours."""
        if cookie >> 48 != MAGIC:
            return None
        return cls(cookie >> 40 & 0xFF, cookie >> 32 & 0xFF, cookie & 0xFFFFFFFF)
