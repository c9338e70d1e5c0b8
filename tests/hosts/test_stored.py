"""Records come back from the store as they went there, and nothing else does."""

from __future__ import annotations

import pytest
from tests.hosts.records import endpoint, entry, host, network

from daoli.hosts.lease import Lease
from daoli.hosts.move import Move, MovedAddress
from daoli.hosts.publication import Publication
from daoli.hosts.spec import EndpointSpec, HostSpec, NetworkSpec
from daoli.hosts.stored import decode, encode, key_of, spec_of


@pytest.mark.parametrize(
    "spec",
    [
        host(1, site="north", docker="tcp://h1:2375", labels={"rack": "7"}),
        network(1, gateway="10.1.0.254"),
        endpoint(1, name="web", labels={"a": "b"}),
    ],
)
def test_there_and_back(spec: HostSpec | NetworkSpec | EndpointSpec) -> None:
    """A record is read as it was written, from the bytes that its spec stores."""
    key, value = entry(spec)
    assert encode(spec.record()) == value
    assert decode(key, value) == spec.record()


@pytest.mark.parametrize(
    ("key", "record"),
    [
        ("leases/10.1.0.9", Lease(ipv4="10.1.0.9", network="n1", host="h1", mac="02:42:0a:01:00:09")),
        ("publications/p1", Publication(id="p1", port=80, container="a" * 64, name="web", target_port=8080)),
        (
            "moves/m1",
            Move(
                id="m1",
                container="a" * 64,
                name="web",
                source="h1",
                to="h2",
                state="checking",
                blueprint={"Env": ["A=b"], "Memory": 0},
                addresses=(MovedAddress(network="n1", ipv4="10.1.0.9", mac="02:42:0a:01:00:09"),),
                created=1.0,
                updated=2.5,
            ),
        ),
    ],
)
def test_own_text(key: str, record: Lease | Publication | Move) -> None:
    """What routing need not know is stored as it is."""
    assert key_of(record) == key
    assert spec_of(record) is record
    assert decode(key, encode(record)) == record
    with pytest.raises(ValueError, match="another name"):
        decode(f"{key}0", encode(record))


@pytest.mark.parametrize("key", ["laws/1", "hosts", "hosts/", "inventory", ""])
def test_keys_of_others(key: str) -> None:
    """A key that is not the inventory's is no record, whatever its value."""
    assert decode(key, b"?") is None


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("hosts/h3", b"\xff\x00", "JSON"),
        ("hosts/h3", b"[]", "object"),
        ("hosts/h3", host(4).stored(), "another name"),
        ("networks/n3", network(4).stored(), "another name"),
        ("endpoints/e3", endpoint(4).stored(), "another name"),
        ("endpoints/e1", b'{"id":"e1","later":1}', "later: "),
    ],
)
def test_unreadable(key: str, value: bytes, words: str) -> None:
    """A value that is not what its key says is an error that says why."""
    with pytest.raises(ValueError, match=words):
        decode(key, value)
