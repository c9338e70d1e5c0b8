"""What hosts, networks and endpoints may look like, alone."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from daoli.hosts.spec import (
    FAULTS_SHOWN,
    FIELD_LENGTH,
    EndpointSpec,
    HostSpec,
    ListedEndpoint,
    NetworkRequest,
    NetworkSpec,
    Spec,
)
from daoli.hosts.spec import faults as faults_of
from daoli.routing.model import Endpoint, Host, Network, Published
from daoli.routing.packet import TCP, UDP

HOST: dict[str, Any] = {"name": "h1", "dpid": "00000000000000a1", "address": "192.0.2.1", "uplink": "eth0"}
NETWORK: dict[str, Any] = {"name": "blue", "subnet": "10.1.0.0/16"}
ENDPOINT: dict[str, Any] = {
    "id": "web1",
    "host": "h1",
    "network": "blue",
    "mac": "02:42:0a:01:00:02",
    "ipv4": "10.1.0.2",
    "port": "veth1",
}
EXAMPLES: dict[type[Spec], dict[str, Any]] = {
    HostSpec: HOST,
    NetworkSpec: NETWORK,
    NetworkRequest: {"name": "blue"},
    EndpointSpec: ENDPOINT,
}

NAMES = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,62}\Z")
PORTS = st.from_regex(r"\A[a-z][a-z0-9_.@-]{0,14}\Z")
ADDRESSES = st.integers(0x01000000, 0x7EFFFFFF).map(lambda n: n.to_bytes(4, "big"))
LABELS = st.dictionaries(st.from_regex(r"\A[a-z.]{1,20}\Z"), st.text(st.characters(codec="utf-8"), max_size=20))
MACS = st.binary(min_size=5, max_size=5).map(lambda tail: b"\x06" + tail)
SUBNETS = st.builds(lambda address, length: IPv4Network((address, length), strict=False), ADDRESSES, st.integers(8, 32))
HOSTS = st.builds(
    Host,
    NAMES,
    st.integers(1, 2**64 - 1),
    ADDRESSES,
    PORTS,
    st.just("") | NAMES,
    st.sampled_from([None, "tcp://h1:2375", "unix:///run/docker.sock"]),
    LABELS,
    st.booleans(),
    st.integers(576, 65535),
    st.dictionaries(SUBNETS, PORTS, max_size=3),
)
TEXTS = st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=9), st.text(st.characters(codec="utf-8")))
CONTAINERS = st.none() | st.from_regex(r"\A[0-9a-f]{64}\Z")
ALIASES = st.lists(st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}\Z"), max_size=3).map(tuple)
TRANSPORT_PORTS = st.integers(1, 65535)
PUBLISHED = st.lists(
    st.builds(Published, st.sampled_from((TCP, UDP)), TRANSPORT_PORTS, TRANSPORT_PORTS, st.just(b"") | ADDRESSES),
    max_size=3,
).map(tuple)
ENDPOINTS = st.builds(
    Endpoint,
    NAMES,
    NAMES,
    NAMES,
    NAMES,
    MACS,
    ADDRESSES,
    PORTS,
    TEXTS,
    CONTAINERS,
    ALIASES,
    st.booleans(),
    published=PUBLISHED,
)


@st.composite
def networks(draw: st.DrawFn) -> Network:
    subnet = IPv4Network((draw(ADDRESSES), draw(st.integers(8, 30))), strict=False)
    last = int(subnet.broadcast_address)
    part = draw(st.none() | st.sampled_from([*subnet.subnets(new_prefix=min(subnet.prefixlen + 2, 30))]))
    inner = st.integers(last - 2, last - 1).map(lambda n: n.to_bytes(4, "big"))
    reserved = tuple(sorted(draw(st.sets(inner))))
    return Network(draw(NAMES), subnet, draw(inner), draw(st.booleans()), draw(LABELS), part, reserved)


@given(HOSTS)
def test_host_round_trip(host: Host) -> None:
    """A host survives being turned to text, stored and read."""
    assert HostSpec.model_validate_json(HostSpec.of(host).stored()).record() == host


@given(networks())
def test_network_round_trip(network: Network) -> None:
    """A network survives being turned to text, stored and read."""
    assert NetworkSpec.model_validate_json(NetworkSpec.of(network).stored()).record() == network


@given(ENDPOINTS)
def test_endpoint_round_trip(endpoint: Endpoint) -> None:
    """An endpoint survives being turned to text, stored and read."""
    assert EndpointSpec.model_validate_json(EndpointSpec.of(endpoint).stored()).record() == endpoint


def test_canonical() -> None:
    """Letter case of hex digits makes no difference, and an absent name is the id."""
    host = HostSpec.model_validate(HOST | {"dpid": "00000000000000A1"})
    endpoint = EndpointSpec.model_validate(ENDPOINT | {"mac": "02:42:0A:01:00:02"})
    assert host == HostSpec.model_validate(HOST)
    assert endpoint == EndpointSpec.model_validate(ENDPOINT)
    assert endpoint.record().name == "web1"


def test_default_gateway() -> None:
    """A network's gateway is its first address where none is given."""
    assert NetworkSpec.model_validate(NETWORK).record().gateway == IPv4Address("10.1.0.1").packed


def test_subnet_given_later() -> None:
    """A network that was asked for without a subnet is complete once it has one."""
    request = NetworkRequest(name="blue", internal=True)
    assert request.inside(IPv4Network("10.1.0.0/16")) == NetworkSpec.model_validate(NETWORK | {"internal": True})


def test_reserved_in_order() -> None:
    """Reserved addresses are a set: order and repetition make no difference."""
    given = NETWORK | {"reserved": ["10.1.0.10", "10.1.0.9", "10.1.0.10"]}
    assert NetworkSpec.model_validate(given).reserved == ("10.1.0.9", "10.1.0.10")


def test_listed_endpoint() -> None:
    """An endpoint in a host's list is on that host, unless it says otherwise."""
    listed = {key: value for key, value in ENDPOINT.items() if key != "host"}
    assert ListedEndpoint.model_validate(listed).at("h1") == EndpointSpec.model_validate(ENDPOINT)
    assert ListedEndpoint.model_validate(ENDPOINT).at("h2").host == "h1"


LONG = "x" * 64
BAD: list[tuple[type[Spec], str, Any]] = [
    (HostSpec, "name", ""),
    (HostSpec, "name", LONG),
    (HostSpec, "name", "-h"),
    (HostSpec, "name", "a/b"),
    (HostSpec, "name", "a\n"),
    (HostSpec, "name", 5),
    (HostSpec, "name", None),
    (HostSpec, "dpid", "a1"),
    (HostSpec, "dpid", 161),
    (HostSpec, "dpid", "0" * 16),
    (HostSpec, "dpid", "x" * 16),
    (HostSpec, "dpid", "0x000000000000a1"),
    (HostSpec, "address", "192.0.2"),
    (HostSpec, "address", "192.0.2.256"),
    (HostSpec, "address", "0.0.0.0"),
    (HostSpec, "address", "127.0.0.1"),
    (HostSpec, "address", "224.0.0.1"),
    (HostSpec, "address", "255.255.255.255"),
    (HostSpec, "address", "2001:db8::1"),
    (HostSpec, "address", "192.0.2.1/24"),
    (HostSpec, "uplink", ""),
    (HostSpec, "uplink", "sixteen-letters."),
    (HostSpec, "uplink", "a b"),
    (HostSpec, "uplink", "a/b"),
    (HostSpec, "uplink", "a:b"),
    (HostSpec, "uplink", ".."),
    (HostSpec, "uplink", "é"),
    (HostSpec, "docker", "h1:2375"),
    (HostSpec, "docker", "ftp://h1"),
    (HostSpec, "docker", "tcp://" + "x" * 251),
    (HostSpec, "labels", []),
    (HostSpec, "labels", {f"k{n}": "" for n in range(65)}),
    (HostSpec, "labels", {"": "v"}),
    (HostSpec, "labels", {"a=b": "v"}),
    (HostSpec, "labels", {"a b": "v"}),
    (HostSpec, "labels", {"k" * 129: "v"}),
    (HostSpec, "labels", {"k": "v" * 1025}),
    (HostSpec, "labels.k", {"k": 1}),
    (HostSpec, "colour", "red"),
    (NetworkSpec, "subnet", "10.1.0.0"),
    (NetworkSpec, "subnet", "10.1.0.1/16"),
    (NetworkSpec, "subnet", "10.0.0.0/7"),
    (NetworkSpec, "subnet", "10.0.0.0/31"),
    (NetworkSpec, "subnet", "10.0.0.0/33"),
    (NetworkSpec, "subnet", "224.0.0.0/8"),
    (NetworkSpec, "subnet", "127.1.0.0/16"),
    (NetworkSpec, "subnet", "0.0.0.0/8"),
    (NetworkSpec, "subnet", "2001:db8::/64"),
    (NetworkSpec, "gateway", "10.2.0.1"),
    (NetworkSpec, "gateway", "10.1.0.0"),
    (NetworkSpec, "gateway", "10.1.255.255"),
    (NetworkSpec, "gateway", "first"),
    (NetworkSpec, "range", "10.2.0.0/24"),
    (NetworkSpec, "range", "10.0.0.0/15"),
    (NetworkSpec, "reserved", ["10.2.0.9"]),
    (NetworkSpec, "reserved[0]", ["10.1.0"]),
    (NetworkSpec, "reserved", "10.1.0.9"),
    (NetworkSpec, "reserved", [f"10.1.1.{n % 250 + 1}" for n in range(257)]),
    (NetworkSpec, "internal", "yes"),
    (NetworkRequest, "gateway", "10.1.0.1"),
    (NetworkRequest, "range", "10.1.0.0/24"),
    (NetworkRequest, "reserved", ["10.1.0.9"]),
    (HostSpec, "gateway", 1),
    (HostSpec, "mtu", 575),
    (HostSpec, "mtu", 65536),
    (HostSpec, "mtu", "1500"),
    (HostSpec, "subnets", {"192.0.2.1/24": "eth0"}),
    (HostSpec, "subnets", {"10.0.0.0/7": "eth0"}),
    (HostSpec, "subnets", {"192.0.2.0/24": ""}),
    (EndpointSpec, "container", "web1"),
    (EndpointSpec, "container", "A" * 64),
    (EndpointSpec, "aliases[0]", ["a b"]),
    (EndpointSpec, "aliases[0]", [5]),
    (EndpointSpec, "aliases", ["a"] * 129),
    (EndpointSpec, "id", ""),
    (EndpointSpec, "id", "x" * 129),
    (EndpointSpec, "id", "a/b"),
    (EndpointSpec, "mac", "02:42:0a:01:00"),
    (EndpointSpec, "mac", "02-42-0a-01-00-02"),
    (EndpointSpec, "mac", "01:00:5e:00:00:01"),
    (EndpointSpec, "mac", "ff:ff:ff:ff:ff:ff"),
    (EndpointSpec, "mac", "00:00:00:00:00:00"),
    (EndpointSpec, "mac", "02:da:01:1e:00:01"),
    (EndpointSpec, "ipv4", "10.1.0"),
    (EndpointSpec, "host", None),
    (EndpointSpec, "port", "sixteen-letters."),
]


@pytest.mark.parametrize(("spec", "field", "value"), BAD)
def test_refused(spec: type[Spec], field: str, value: Any) -> None:
    """What cannot be is refused with its field and a sentence without pydantic's words."""
    with pytest.raises(ValidationError) as caught:
        spec.model_validate(EXAMPLES[spec] | {re.split(r"[.[]", field)[0]: value})
    (fault,) = faults_of(caught.value)
    assert fault.field == field
    assert "Value error" not in fault.detail
    assert "Input" not in fault.detail or "should" in fault.detail


@pytest.mark.parametrize(("spec", "example"), EXAMPLES.items())
def test_required(spec: type[Spec], example: dict[str, Any]) -> None:
    """Each field of the shortest example is required."""
    for field in example:
        with pytest.raises(ValidationError) as caught:
            spec.model_validate({key: value for key, value in example.items() if key != field})
        assert [tuple(fault) for fault in faults_of(caught.value)] == [(field, "this is required")]


def test_not_an_object() -> None:
    """Something that is no object is a fault of the whole."""
    with pytest.raises(ValidationError) as caught:
        HostSpec.model_validate([])
    assert [tuple(fault) for fault in faults_of(caught.value)] == [("", "this is not an object")]


def test_faults_are_bounded() -> None:
    """However many and however long the fields that a client makes up, the faults fit on a screen."""
    with pytest.raises(ValidationError) as caught:
        HostSpec.model_validate({"y" * 10_000 + str(n): 1 for n in range(1_000)})
    faults = faults_of(caught.value)
    assert len(faults) == FAULTS_SHOWN
    assert all(len(fault.field) <= FIELD_LENGTH for fault in faults)
