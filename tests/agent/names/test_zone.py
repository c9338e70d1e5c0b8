"""Who is called what, on which network."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from daoli.agent.names.zone import Zone, reversed_address
from daoli.hosts.names import glance, resolution
from daoli.hosts.spec import EndpointSpec


def endpoint(number: int, name: str = "web", network: str = "dnet1", **facts: object) -> EndpointSpec:
    values = {
        "id": f"e{number}",
        "name": name,
        "host": "h1",
        "network": network,
        "mac": f"02:42:0a:01:00:{number:02x}",
        "ipv4": f"10.1.0.{number}",
        "port": f"dl{number}",
        **facts,
    }
    return EndpointSpec.model_validate(values)


def zone_of(*endpoints: EndpointSpec) -> Zone:
    zone = Zone()
    for each in endpoints:
        zone.changed(None, each)
    return zone


def test_names_are_those_of_the_askers_networks() -> None:
    """What is on other networks is not seen."""
    zone = zone_of(endpoint(2), endpoint(3, network="dnet2"))
    assert zone.addresses("web", ["dnet1"]) == ["10.1.0.2"]
    assert zone.addresses("web", ["dnet3"]) == []
    assert zone.addresses("web.dnet2", ["dnet1"]) == []


def test_several_answers_rotate() -> None:
    """Of several containers with one alias another is first each time."""
    zone = zone_of(*(endpoint(number, f"web{number}", aliases=["web"]) for number in (2, 3, 4)))
    found = zone.addresses("web", ["dnet1"])
    first = [zone.rotated("web", found)[0] for _ in range(6)]
    assert sorted(first) == sorted(2 * ["10.1.0.2", "10.1.0.3", "10.1.0.4"])


def test_each_name_has_its_own_turn() -> None:
    """Questions for one name do not keep another one's answers from taking turns."""
    zone = Zone()
    first = [(zone.rotated("a", ["1", "2"])[0], zone.rotated("b", ["1", "2"])[0]) for _ in range(4)]
    assert sorted(first) == [("1", "1")] * 2 + [("2", "2")] * 2


def test_container_on_two_networks_sees_both() -> None:
    """All endpoints of a container count for what it sees."""
    ours = endpoint(2, container="ab" * 32)
    zone = zone_of(ours, endpoint(3, network="dnet2", container="ab" * 32))
    assert zone.networks_of(ours) == {"dnet1", "dnet2"}
    zone.changed(endpoint(3, network="dnet2", container="ab" * 32), None)
    assert zone.networks_of(ours) == {"dnet1"}


def test_name_of_an_address() -> None:
    """An address leads back to the container's name with its network, where the asker may see it."""
    zone = zone_of(endpoint(2))
    assert zone.name_of("10.1.0.2", ["dnet1"]) == "web.dnet1"
    assert zone.name_of("10.1.0.2", ["dnet2"]) is None
    assert zone.name_of("10.1.0.9", ["dnet1"]) is None


def test_reversed_address() -> None:
    """Only whole IPv4 addresses below in-addr.arpa are addresses."""
    assert reversed_address("2.0.1.10.in-addr.arpa") == "10.1.0.2"
    for other in (
        "1.10.in-addr.arpa",
        "300.0.1.10.in-addr.arpa",
        "web.dnet1",
        "2.0.1.10.ip6.arpa",
        "x.0.1.10.in-addr.arpa",
    ):
        assert reversed_address(other) is None


SOME = st.builds(
    endpoint,
    st.integers(2, 9),
    st.sampled_from(["web", "db"]),
    st.sampled_from(["dnet1", "dnet2"]),
    container=st.sampled_from([None, "ab" * 32, "cd" * 32]),
    aliases=st.lists(st.sampled_from(["x", "y"]), unique=True),
)


@given(st.lists(SOME, max_size=12))
def test_what_came_and_went_leaves_nothing(changes: list[EndpointSpec]) -> None:
    """After every endpoint has gone again, in whatever order they came, nothing is kept."""
    zone = Zone()
    known: dict[str, EndpointSpec] = {}
    for change in changes:
        zone.changed(known.get(change.id), change)
        known[change.id] = change
    for each in known.values():
        zone.changed(each, None)
    assert (zone._addresses, zone._names, zone._networks) == ({}, {}, {})


CONTAINERS = ("a" * 64, "ab" * 32, None)
FABRICS = st.lists(
    st.tuples(
        st.sampled_from(("web", "Web", "db", "web.dnet1", None)),
        st.sampled_from(("dnet1", "dnet2")),
        st.sampled_from(CONTAINERS),
        st.sampled_from(((), ("www",), ("db",))),
    ),
    min_size=2,
    max_size=6,
)


@given(FABRICS)
def test_explanations_tell_what_is_answered(drawn: list[tuple[str | None, str, str | None, tuple[str, ...]]]) -> None:
    """The names that an explanation gives are those that lead there, to the others that it gives and to nobody else."""
    specs = [
        endpoint(number, name, network, container=container, aliases=aliases)  # type: ignore[arg-type]  # None: its id
        for number, (name, network, container, aliases) in enumerate(drawn, 2)
    ]
    zone, records = zone_of(*specs), [spec.record() for spec in specs]
    asker, sought = specs[0], specs[1]
    said = resolution(records[0], records[1], records, answered=True)
    networks = zone.networks_of(asker)
    told = {name for names in zone._addresses.values() for name in names}
    leading = {name for name in told if sought.ipv4 in zone.addresses(name, networks)}
    assert (set(said.names), said.resolves) == (leading, bool(leading))
    assert set(said.also) == {ipv4 for name in leading for ipv4 in zone.addresses(name, networks)} - {sought.ipv4}
    glanced = list(filter(glance(records[0], records[1]), records))
    assert resolution(records[0], records[1], glanced, answered=True) == said
    assert not resolution(records[0], records[1], records, answered=False).resolves
