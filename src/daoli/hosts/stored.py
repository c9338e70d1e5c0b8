"""Records as the store keeps them: a key and its JSON, written and read here and nowhere else.

A value is checked by the same spec as a request, each time it is read: another hand may have written it.
"""

from __future__ import annotations

from typing import Final

from pydantic import ValidationError

from daoli.hosts.lease import Lease
from daoli.hosts.move import Move
from daoli.hosts.publication import Publication
from daoli.hosts.rule import GroupSpec, RuleSpec
from daoli.hosts.spec import EndpointSpec, HostSpec, NetworkSpec, Spec, faults
from daoli.routing.model import Endpoint, Host, Network

Record = Host | Network | Endpoint | Lease | Publication | Move | GroupSpec | RuleSpec
"""What routing needs not know of is its own text."""

_Specs = HostSpec | NetworkSpec | EndpointSpec | Lease | Publication | Move | GroupSpec | RuleSpec

SPECS: Final[dict[str, type[_Specs]]] = {
    "hosts": HostSpec,
    "networks": NetworkSpec,
    "endpoints": EndpointSpec,
    "leases": Lease,
    "publications": Publication,
    "moves": Move,
    "groups": GroupSpec,
    "rules": RuleSpec,
}


def host_key(name: str) -> str:
    """Name the store's key of a host."""
    return f"hosts/{name}"


def network_key(name: str) -> str:
    """Name the store's key of a network."""
    return f"networks/{name}"


def endpoint_key(endpoint_id: str) -> str:
    """Name the store's key of an endpoint."""
    return f"endpoints/{endpoint_id}"


def key_of(record: Record) -> str:
    """Name the store's key of any record."""
    match record:
        case Host():
            return host_key(record.name)
        case Network():
            return network_key(record.name)
        case Endpoint():
            return endpoint_key(record.id)
        case Lease():
            return f"leases/{record.ipv4}"
        case Publication():
            return f"publications/{record.id}"
        case Move():
            return f"moves/{record.id}"
        case GroupSpec():
            return f"groups/{record.name}"
        case RuleSpec():
            return f"rules/{record.id}"


def spec_of(record: Record) -> Spec:
    """Put a record into text."""
    match record:
        case Host():
            return HostSpec.of(record)
        case Network():
            return NetworkSpec.of(record)
        case Endpoint():
            return EndpointSpec.of(record)
        case _:
            return record


def decode(key: str, value: bytes) -> Record | None:
    """Read a stored value; None for keys that are not the inventory's.

    Raises:
        ValueError: the value is not what the key says.
    """
    kind, _, name = key.partition("/")
    if kind not in SPECS or not name:
        return None
    try:
        spec = SPECS[kind].model_validate_json(value)
    except ValidationError as error:
        raise ValueError("; ".join(f"{fault.field}: {fault.detail}" for fault in faults(error))) from error
    record = spec.record() if isinstance(spec, HostSpec | NetworkSpec | EndpointSpec) else spec
    if key != key_of(record):
        raise ValueError("the value is of another name")
    return record


def encode(record: Record) -> bytes:
    """Write a value as `decode` reads it."""
    return spec_of(record).stored()
