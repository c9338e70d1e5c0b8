"""A Docker host's environment, sockets and services; what its engine does is shown end to end."""

import json
import socket
import sys
from pathlib import Path

import pytest

from daoli.lab.docker_host import CONTROLLER_URL, DockerHost, host_environment, listens
from daoli.lab.fabric import Fabric
from daoli.lab.host import AddressBook
from daoli.lab.plan import Plan


@pytest.fixture
def host(tmp_path: Path) -> DockerHost:
    """One that is off."""
    plan = Plan.of_docker(1)
    (tmp_path / "h1").mkdir()
    return DockerHost(plan.hosts[0], tmp_path, {}, Fabric("fabric", tmp_path, {}), plan, AddressBook(set))


def test_environment() -> None:
    """The caller's own Docker engine is not a host's, and `daoli` is found."""
    env = host_environment({"PATH": "/mine", "DOCKER_HOST": "tcp://else:2375", "DOCKER_CONTEXT": "x", "HOME": "/h"})
    assert set(env) == {"PATH", "HOME"}
    folders = env["PATH"].split(":")
    assert folders[0] == "/mine"
    assert str(Path(sys.executable).parent) in folders


def test_listens(tmp_path: Path) -> None:
    """A socket counts when somebody accepts at it; a missing and a dead one do not."""
    path = tmp_path / "socket"
    assert not listens(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        assert not listens(path)
        server.listen()
        assert listens(path)
    assert not listens(path)


def test_numbers(host: DockerHost) -> None:
    """It has one NIC, a machine id, and the datapath id that an agent makes of that."""
    assert [nic.name for nic in host.nics(host.plan)] == ["eth0"]
    assert len(host.machine_id) == 32
    assert len(f"{host.dpid:x}") <= 12
    assert host.cgroup.endswith("/h1")


def test_off(host: DockerHost) -> None:
    """A host that is off runs nothing."""
    assert host.status() == {"on": False, "ovs": False, "docker": False, "agent": False, "connected": False}
    assert not host.agent.runs


def test_agent_command(host: DockerHost) -> None:
    """The agent is told the controller's URL and the file with the token, as a user would tell it."""
    words = host.agent_command
    assert words[1:6] == ["-m", "daoli", "agent", "--controller", CONTROLLER_URL]
    assert Path(words[words.index("--token-file") + 1]).parent == host.lab_path


def test_agent_remembered(host: DockerHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """The flags of the agent's last start are those of the next boot."""
    started: list[list[str]] = []
    monkeypatch.setattr(host.agent, "start", lambda command, *, wait: started.append([*command, str(wait)]))
    assert host.agent_flags() is None
    host.agent_start("--site", "paris")
    host.agent_start("--site", "rome", wait=False)
    assert started[0][-3:] == ["--site", "paris", "True"]
    assert host.agent_flags() == ["--site", "rome"]
    assert json.loads((host.path / "agent.json").read_text()) == ["--site", "rome"]
