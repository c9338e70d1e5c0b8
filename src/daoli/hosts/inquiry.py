"""Inquiries as text: what a host's agent is asked about a probe that its stack gets, and what the agent says."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from daoli.hosts.spec import Id, Ipv4, Name, Spec

MOST: Final = 100
"""How many rules an agent may name."""
LONGEST: Final = 1000
"""Characters of a rule or a sentence."""

Words = Annotated[str, Field(min_length=1, max_length=LONGEST)]


class Sought(Spec):
    """What tells a probe from all other packets."""

    source: Ipv4
    destination: Ipv4
    protocol: Literal["tcp", "udp", "icmp"]
    token: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    """8 bytes that only the probe has, as hex digits."""
    token_at: Annotated[int, Field(ge=0, le=256)]
    """Where they begin, in bytes behind the IP header."""


class Inquiry(Spec):
    """Have an agent look out for a probe, or do so no longer."""

    id: Id
    host: Name
    """Whose agent is asked."""
    seconds: Annotated[float, Field(gt=0, le=60)]
    """How long to look, at most."""
    packet: Sought | None = None
    """Null if it is over."""


class Passed(Spec):
    """A rule that decided something about the probe, or a chain's policy."""

    family: Words
    table: Words
    chain: Words
    rule: Words | None = None
    """As `nft` writes it, without counters, or its handle if it is newer than the inquiry; null for the policy."""
    verdict: Words
    """``accept``, ``drop``, ``jump DOCKER-USER``, …"""


class Word(Spec):
    """What an agent has to say: first that it is watching, then how it went."""

    outcome: Literal["watching", "left", "taken", "dropped", "lost", "absent", "failed"]
    """``left`` by an interface, ``taken`` by the host for itself, ``dropped`` by a rule, ``lost`` if it was not seen to
    leave and no rule is known to have dropped it, ``absent`` if it never came, ``failed`` if the agent could not look.
    """
    passed: Annotated[tuple[Passed, ...], Field(max_length=MOST, strict=False)] = ()
    """In their order; the last one is the end where the outcome is ``dropped``."""
    interface: Words | None = None
    """By which it left, or would have."""
    source: Words | None = None
    """Its addresses as they were in the end, which NAT may have changed."""
    destination: Words | None = None
    detail: Words | None = None
    """A sentence: why it was lost or nothing is known."""
