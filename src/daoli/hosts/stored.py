"""Records as the store keeps them: a key and its JSON, written and read here and nowhere else.

A value is checked by the same spec as a request, each time it is read: another hand may have written it.
"""

from __future__ import annotations

from typing import Final

from pydantic import ValidationError

from daoli.hosts.spec import EndpointSpec, HostSpec, NetworkSpec, faults
from daoli.routing.model import Endpoint, Host, Network

Record = Host | Network | Endpoint

SPECS: Final[dict[str, type[HostSpec | NetworkSpec | EndpointSpec]]] = {
    "hosts": HostSpec,
    "networks": NetworkSpec,
    "endpoints": EndpointSpec,
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


def decode(key: str, value: bytes) -> Record | None:
    """Read a stored value; None for keys that are not the inventory's.

    Raises:
        ValueError: the value is not what the key says.
    """
    kind, _, name = key.partition("/")
    if kind not in SPECS or not name:
        return None
    try:
        record = SPECS[kind].model_validate_json(value).record()
    except ValidationError as error:
        raise ValueError("; ".join(f"{fault.field}: {fault.detail}" for fault in faults(error))) from error
    if name != (record.id if isinstance(record, Endpoint) else record.name):
        raise ValueError("the value is of another name")
    return record


def encode(record: Record) -> bytes:
    """Write a value as `decode` reads it."""
    match record:
        case Host():
            return HostSpec.of(record).stored()
        case Network():
            return NetworkSpec.of(record).stored()
        case Endpoint():
            return EndpointSpec.of(record).stored()
