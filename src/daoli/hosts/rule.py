"""Rules and groups as text: what the API takes and what the store keeps; `routing.rules` has what routing knows."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from ipaddress import IPv4Network
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from daoli.hosts.labels import LABEL_BYTES
from daoli.hosts.spec import Name, Spec
from daoli.routing.rules import DEFAULT_PRIORITY, Group, Kind, Rule, Selector

PROTOCOLS: Final = MappingProxyType({"tcp": 6, "udp": 17, "icmp": 1})
PORT_RANGES: Final = 64
GROUP_NETWORKS: Final = 1024
COMMENT_LENGTH: Final = 1024

Protocol = Literal["tcp", "udp", "icmp"]


def _label(text: str) -> str:
    if not text.partition("=")[0] or "=" not in text:
        raise ValueError("a label is written key=value")
    if len(text.encode()) > LABEL_BYTES + len("="):
        raise ValueError(f"a label has at most {LABEL_BYTES} bytes")
    return text


def _cidr(text: str) -> str:
    try:
        cidr = IPv4Network(text, strict=False)
    except ValueError as error:
        raise ValueError("this is not an address with a prefix length, such as 192.0.2.0/24") from error
    if str(cidr.network_address) != text.partition("/")[0]:
        raise ValueError(f"{text} has host bits set; its network is {cidr}")
    return str(cidr)


def _range(value: Any) -> tuple[int, int]:
    """Read 80, or "8000-8100"; a range that was read already is fine."""
    match value:
        case bool():
            pass
        case int():
            return _checked(value, value)
        case str() if found := re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", value, re.ASCII):
            return _checked(int(found[1]), int(found[2] or found[1]))
        case (int() as low, int() as high):
            return _checked(low, high)
    raise ValueError('a port is a number, or a range such as "8000-8100"')


def _told(ports: tuple[int, int]) -> int | str:
    low, high = ports
    return low if low == high else f"{low}-{high}"


def _checked(low: int, high: int) -> tuple[int, int]:
    if not 1 <= low <= high <= 0xFFFF:
        raise ValueError(f"{low}-{high} is no range of ports between 1 and 65535")
    return low, high


def _until(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError("a time is written as in RFC 3339: 2030-01-31T12:00:00Z") from error
    if moment.tzinfo is None:
        raise ValueError("a time needs its zone: Z, or +01:00")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(text: str) -> float:
    """Convert a rule's time to seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()


Label = Annotated[str, AfterValidator(_label)]
Cidr = Annotated[str, AfterValidator(_cidr)]
Until = Annotated[str, AfterValidator(_until), WithJsonSchema({"type": "string", "format": "date-time"})]
Reference = Annotated[str, Field(min_length=1, max_length=253)]
"""An endpoint's id, or the name of one or more."""
RuleId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
PortRange = Annotated[
    tuple[int, int],
    BeforeValidator(_range),
    PlainSerializer(_told),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string", "examples": ["8000-8100"]}]}),
]


class SelectorSpec(Spec):
    """One side of a rule: at most one of these; none is anything."""

    endpoint: Reference | None = None
    network: Name | None = None
    group: Name | None = None
    label: Label | None = None
    cidr: Cidr | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(value is not None for _, value in self) > 1:
            raise ValueError("a selector goes by one thing: endpoint, network, group, label or cidr")
        return self

    def record(self) -> Selector:
        """Convert to what the routing core knows."""
        for kind in Kind:
            value = getattr(self, kind.value, None)
            if value is not None:
                return Selector(kind, value)
        return Selector()

    @classmethod
    def of(cls, selector: Selector) -> Self:
        """Convert back."""
        return cls() if selector.kind is Kind.ANY else cls.model_validate({selector.kind.value: selector.value})

    def __str__(self) -> str:
        """Read as people say it: ``network dnet1``."""
        selector = self.record()
        return "anything" if selector.kind is Kind.ANY else f"{selector.kind.value} {selector.value}"


class RuleRequest(Spec):
    """A rule to be made: whether the source may open conversations with the destination."""

    id: RuleId | None = None
    """By default one is made up."""
    action: Literal["allow", "deny"]
    priority: int = Field(default=DEFAULT_PRIORITY, ge=0, le=65535)
    """The matching rule of the highest priority decides; between equals a denial."""
    source: SelectorSpec = SelectorSpec()
    destination: SelectorSpec = SelectorSpec()
    protocol: Protocol | None = None
    """By default all."""
    ports: tuple[PortRange, ...] = Field(default=(), max_length=PORT_RANGES, strict=False)
    """Of the destination; only with tcp or udp. By default all."""
    both_ways: bool = False
    """Whether it also holds with source and destination exchanged."""
    until: Until | None = None
    """When it ends, and cuts what it allowed."""
    comment: str = Field(default="", max_length=COMMENT_LENGTH)

    @model_validator(mode="after")
    def _ports_have_a_protocol(self) -> Self:
        if self.ports and self.protocol not in ("tcp", "udp"):
            raise ValueError("ports go with the protocol tcp or udp")
        return self

    def called(self, rule_id: str) -> RuleSpec:
        """Say which id it is to have, where it has none."""
        return RuleSpec.model_construct(**{**dict(self), "id": self.id or rule_id})


class RuleSpec(RuleRequest):
    """A rule that there is."""

    id: RuleId

    def record(self) -> Rule:
        """Convert to what the routing core knows."""
        return Rule(
            id=self.id,
            allow=self.action == "allow",
            source=self.source.record(),
            destination=self.destination.record(),
            priority=self.priority,
            protocol=PROTOCOLS[self.protocol] if self.protocol else None,
            ports=self.ports,
            both_ways=self.both_ways,
            until=moment(self.until) if self.until else None,
            comment=self.comment,
        )


class GroupRequest(Spec):
    """The networks of a group."""

    networks: tuple[Name, ...] = Field(max_length=GROUP_NETWORKS, strict=False)


class GroupSpec(GroupRequest):
    """Networks whose endpoints may talk to each other where no rule says otherwise."""

    name: Name

    def record(self) -> Group:
        """Convert to what the routing core knows."""
        return Group(self.name, tuple(dict.fromkeys(self.networks)))
