"""Blueprints of containers: what is taken over, what cannot be, and what Docker is asked for in the end."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.docker_fake import IMAGE_ID, OLD, SHOWN, WEB, shown

from daoli.agent.blueprint import (
    Blueprint,
    Refused,
    blueprint_of,
    connection,
    creation,
    host_ports,
    is_attached,
    pinned_addresses,
    unpinned,
)

FABRIC = {"n1", "n2"}
OTHER = {
    "IPAMConfig": {},
    "Links": None,
    "Aliases": ["deep", OLD[:12]],
    "NetworkID": "ef" * 32,
    "IPAddress": "10.2.0.2",
    "MacAddress": "02:42:0a:02:00:02",
    "DriverOpts": {"x": "y"},
}
TMPFS = {"Type": "tmpfs", "Target": "/more"}
BIND = {"Type": "bind", "Source": "/etc", "Destination": "/host"}
NAMED = {"Type": "volume", "Name": "data", "Source": "/var/lib/docker/volumes/data/_data", "Destination": "/data"}
ANONYMOUS = {"Type": "volume", "Name": "0f" * 32, "Source": "/var/lib/docker", "Destination": "/anonymous"}


def taken(*, without_volumes: bool = False, **changes: Any) -> Blueprint:
    return blueprint_of(shown(**changes), FABRIC, without_volumes=without_volumes)


def refusal(**changes: Any) -> str:
    with pytest.raises(Refused) as caught:
        taken(**changes)
    return str(caught.value)


def test_taken_over() -> None:
    """Everything that a person can say goes into the new container, with address and MAC; Docker's choices do not."""
    blueprint = taken()
    made = creation(blueprint)
    assert (blueprint.name, blueprint.image, blueprint.image_id, blueprint.stop_timeout) == (
        "web",
        "tools",
        IMAGE_ID,
        3,
    )
    config = {key: value for key, value in SHOWN["Config"].items() if key != "Hostname"}
    host = {key: value for key, value in SHOWN["HostConfig"].items() if key != "ContainerIDFile"}
    settings = {"IPAMConfig": {"IPv4Address": WEB.ipv4}, "Aliases": ["www"], "MacAddress": WEB.mac}
    networking = {"NetworkingConfig": {"EndpointsConfig": {"n1": settings}}}
    assert made == {**config, "MacAddress": WEB.mac, "HostConfig": host, **networking}
    assert creation(Blueprint.model_validate_json(blueprint.model_dump_json())) == made


def test_hostname() -> None:
    """A host name that somebody chose stays."""
    assert creation(taken(Config__Hostname="hosty"))["Hostname"] == "hosty"


@pytest.mark.parametrize(("said", "meant"), [(None, 10), (0, 0), (30, 30)])
def test_stop_timeout(said: int | None, meant: int) -> None:
    """A container has the time to stop that it was given, or Docker's."""
    assert taken(Config__StopTimeout=said).stop_timeout == meant


@pytest.mark.parametrize("mode", ["n2", "ef" * 32, "ef" * 6])
def test_several_networks(mode: str) -> None:
    """The first network is the one that the container was started on, by name or id; the others are connected."""
    networks = {"n1": SHOWN["NetworkSettings"]["Networks"]["n1"], "n2": OTHER}
    blueprint = taken(NetworkSettings__Networks=networks, HostConfig__NetworkMode=mode)
    assert [part.network for part in blueprint.networks] == ["n2", "n1"]
    made = creation(blueprint)
    assert made["HostConfig"]["NetworkMode"] == "n2"
    (settings,) = made["NetworkingConfig"]["EndpointsConfig"].values()
    assert settings["DriverOpts"] == {"x": "y"}
    assert made["MacAddress"] == OTHER["MacAddress"]
    further = connection(blueprint.networks[1], "new")
    assert further == {
        "Container": "new",
        "EndpointConfig": {"IPAMConfig": {"IPv4Address": WEB.ipv4}, "Aliases": ["www"], "MacAddress": WEB.mac},
    }


def test_pinned() -> None:
    """A container that Docker gave its address has to be told to keep it, on the networks where it has others."""
    blueprint = taken()
    assert unpinned(blueprint, shown()) == blueprint.networks
    assert unpinned(blueprint, {}) == blueprint.networks
    assert not is_attached(blueprint.networks[0], {})
    made = {"NetworkSettings": {"Networks": creation(blueprint)["NetworkingConfig"]["EndpointsConfig"]}}
    assert unpinned(blueprint, made) == []
    assert is_attached(blueprint.networks[0], made)
    assert (pinned_addresses(made), pinned_addresses(shown())) == ({WEB.ipv4}, set())


def test_volumes_are_named() -> None:
    """All that the container keeps on its host is named; memory is not."""
    why = refusal(Mounts=[BIND, NAMED, ANONYMOUS, {**TMPFS, "Name": ""}])
    assert why == (
        f"its volumes cannot follow: /etc at /host, data at /data, {'0f' * 32} at /anonymous."
        " Say --without-volumes to leave them behind"
    )


def test_volumes_left_behind() -> None:
    """Without its volumes a container has its memory file systems still, and at its source all of them."""
    host = {"HostConfig__Binds": ["/etc:/host"], "HostConfig__Mounts": [TMPFS, NAMED], "HostConfig__VolumesFrom": ["x"]}
    blueprint = taken(without_volumes=True, Mounts=[BIND, NAMED], **host)
    made = creation(blueprint)["HostConfig"]
    assert (made.get("Binds"), made["Mounts"], made.get("VolumesFrom")) == (None, [TMPFS], None)
    again = creation(blueprint, with_volumes=True)["HostConfig"]
    assert (again["Binds"], again["Mounts"], again["VolumesFrom"]) == (["/etc:/host"], [TMPFS, NAMED], ["x"])
    assert "Mounts" not in creation(taken())["HostConfig"]


def test_volumes_that_would_be_lost() -> None:
    """A volume that Docker deletes when the container stops is not left behind, even if that is said."""
    removes_itself = {"without_volumes": True, "HostConfig__AutoRemove": True}
    assert "Docker would delete its volumes" in refusal(Mounts=[NAMED, ANONYMOUS], **removes_itself)
    assert taken(Mounts=[NAMED, BIND], **removes_itself).networks


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"HostConfig__NetworkMode": "host"}, "it has the network mode host"),
        ({"HostConfig__NetworkMode": "none"}, "it has the network mode none"),
        ({"HostConfig__NetworkMode": "container:abc"}, "it has the network mode container:abc"),
        ({"HostConfig__PidMode": "container:abc"}, "it shares its processes with another container"),
        ({"HostConfig__IpcMode": "container:abc"}, "it shares its shared memory with another container"),
        (
            {"HostConfig__Links": ["/db:/web/base"]},
            "linked to other containers of its host (--link), which cannot follow: db",
        ),
        ({"NetworkSettings__Networks__n1__Links": ["db:base"]}, "cannot follow: db"),
        ({"NetworkSettings__Networks__bridge": OTHER}, "networks that only its host has: bridge. Disconnect it first"),
        ({"NetworkSettings__Networks": {}}, "it is on no network of the fabric"),
        ({"NetworkSettings__Networks": None}, "it is on no network of the fabric"),
    ],
)
def test_refused(changes: dict[str, Any], words: str) -> None:
    """What ties a container to its host is told."""
    assert words in refusal(**changes)


@pytest.mark.parametrize(
    ("bindings", "ports"),
    [
        (None, []),
        ({"80/tcp": None, "81/tcp": [{"HostIp": "", "HostPort": ""}], "82/tcp": [{"HostIp": "", "HostPort": "0"}]}, []),
        ({"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}, ["8080/tcp"]),
        (
            {"53/udp": [{"HostIp": "192.0.2.1", "HostPort": "53"}], "90": [{"HostPort": "9"}]},
            ["192.0.2.1:53/udp", "9/tcp"],
        ),
        ({"80/tcp": [{"HostIp": "", "HostPort": "8000-8010"}, {"HostPort": "7"}]}, ["8000-8010/tcp", "7/tcp"]),
        ({"80/tcp": [{"HostPort": "many-more"}, {"HostPort": "8-more"}, {"HostPort": "9-8"}]}, []),
    ],
)
def test_ports(bindings: dict[str, Any] | None, ports: list[str]) -> None:
    """The ports that a container asks for are listed; those that Docker chooses cannot be taken."""
    assert [str(found) for found in host_ports(taken(HostConfig__PortBindings=bindings))] == ports


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1, max_size=12), JSON), st.dictionaries(st.text(min_size=1, max_size=12), JSON))
def test_unknown_settings(config: dict[str, Any], host: dict[str, Any]) -> None:
    """Settings of releases of Docker that we do not know are passed on as they are."""
    changes: dict[str, Any] = {
        f"Config__{key}": value for key, value in config.items() if not re.search("__|_$|^_", key)
    }
    changes |= {f"HostConfig__{key}": value for key, value in host.items() if not re.search("__|_$|^_", key)}
    changes = {path: value for path, value in changes.items() if path.partition("__")[2] not in KNOWN}
    made = creation(taken(**changes))
    for path, value in changes.items():
        part, _, key = path.partition("__")
        assert (made if part == "Config" else made["HostConfig"])[key] == value


KNOWN = {*SHOWN["Config"], *SHOWN["HostConfig"], "Mounts", "MacAddress", "HostConfig", "NetworkingConfig"}
