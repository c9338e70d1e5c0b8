"""Taking a host out of the fabric: what the notes say is undone, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self, cast

import aiohttp
import pytest
from tests.agent.fakes import FakeController, away, refused

from daoli.agent import links
from daoli.agent.client import Client
from daoli.agent.leave import Leaving
from daoli.agent.links import LinkError
from daoli.agent.ovs import Ovs
from daoli.agent.preflight import Unfit
from daoli.agent.state import State

OURS = {"Id": "1", "Name": "blue", "Options": {"daoli.fabric": "true"}, "Containers": {}}
THEIRS = {"Id": "2", "Name": "green", "Options": {}, "Containers": {}}


class FakeDocker:
    """An engine with networks, which is its own list of networks too."""

    def __init__(self, networks: list[dict[str, Any]], done: list[str]) -> None:
        self.found = networks
        self.done = done
        self.networks = self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def list(self, **_: object) -> list[dict[str, Any]]:
        return self.found

    async def get(self, network: str) -> FakeNetwork:
        return FakeNetwork(self, next(entry for entry in self.found if entry["Id"] == network))


class FakeNetwork:
    """One of its networks."""

    def __init__(self, docker: FakeDocker, shown: dict[str, Any]) -> None:
        self.docker = docker
        self.shown = shown

    async def show(self) -> dict[str, Any]:
        return self.shown

    async def disconnect(self, config: dict[str, Any]) -> None:
        self.docker.done.append(f"disconnect {config['Container']}")

    async def delete(self) -> None:
        self.docker.done.append(f"delete {self.shown['Name']}")


class Scene:
    """A host that leaves; `done` is what was done to it, `said` what its user was told."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, joined: dict[str, Any]) -> None:
        self.done: list[str] = []
        self.said: list[str] = []
        self.networks: list[dict[str, Any]] = []
        self.controller = FakeController()
        self.state = State(folder, joined)
        self.state.save()
        self.ovs = Ovs()
        self.bridge = [{"name": "daoli"}]
        monkeypatch.setattr("aiodocker.Docker", lambda **_: FakeDocker(self.networks, self.done))
        monkeypatch.setattr(self.ovs, "run", self.vsctl)
        monkeypatch.setattr(self.ovs, "rows", self.rows)
        monkeypatch.setattr(self.ovs, "del_port", self.del_port)
        monkeypatch.setattr(links, "delete", self.delete)
        monkeypatch.setattr(links, "ip", self.ip)
        monkeypatch.setattr(links, "routes", self.routes)
        monkeypatch.setattr(links, "set_sysctl", lambda name, value: self.done.append(f"sysctl {name}={value}"))

    async def vsctl(self, *words: str, wait: bool = True) -> str:
        self.done.append(" ".join(words))
        return ""

    async def rows(self, *_: object) -> list[dict[str, Any]]:
        return self.bridge

    async def del_port(self, port: str) -> None:
        self.done.append(f"del-port {port}")

    async def delete(self, name: str) -> bool:
        self.done.append(f"link delete {name}")
        return True

    async def ip(self, *words: str) -> str:
        self.done.append(" ".join(words))
        return ""

    async def routes(self, _: str) -> dict[str, str]:
        return {"10.1.0.0/24": "192.0.2.1"}

    async def clear(self) -> None:
        self.done.append("nft")

    async def say(self, text: str) -> None:
        self.said.append(text)

    def leaving(self) -> Leaving:
        client = cast("Client", self.controller)
        return Leaving(self.state, self.ovs, client, "unix:///run/docker.sock", self.clear, self.say)


JOINED = {
    "host": "h1",
    "bridge": "made",
    "controllers": [],
    "macvlan": "dlup",
    "ip_forward": "0",
    "wanted": {"nic": "eth0", "whole": False},
}


async def test_all_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks, host, rules, bridge, macvlan, kernel switch and notes go in this order, with a sentence each."""
    scene = Scene(tmp_path, monkeypatch, JOINED)
    scene.networks = [OURS, THEIRS]
    leaving = scene.leaving()
    await leaving.check(force=False)
    await leaving.run()
    sysctl = "sysctl net.ipv4.ip_forward=0"
    assert scene.done == ["delete blue", "nft", "--if-exists del-br daoli", "link delete dlup", sysctl]
    assert [made for made, *_ in scene.controller.requests] == ["DELETE"]
    assert scene.said[:3] == [
        "removed the Docker network blue",
        "left the Docker network green, which somebody made here: docker network rm green",
        "removed h1 from the controller",
    ]
    assert leaving.failures == 0
    assert scene.state.joined == {}
    assert not scene.state.path.exists()


async def test_refused_while_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers on the fabric's networks are named; by force they are disconnected."""
    scene = Scene(tmp_path, monkeypatch, JOINED)
    scene.networks = [OURS | {"Containers": {"ab" * 32: {"Name": "web"}}}]
    leaving = scene.leaving()
    with pytest.raises(Unfit, match="containers are on the fabric's networks: web on blue"):
        await leaving.check(force=False)
    assert scene.done == []
    await leaving.check(force=True)
    await leaving.run()
    assert scene.done[:2] == [f"disconnect {'ab' * 32}", "delete blue"]


async def test_a_bridge_that_was_there_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bridge that joining found gets its settings, ports and controller back."""
    before = {"fail_mode": "", "other_config:hwaddr": "02:01", "other_config:datapath-id": ""}
    notes = {"bridge": before, "controllers": ["tcp:192.0.2.7:6653"], "ports": ["dldns"], "wanted": JOINED["wanted"]}
    scene = Scene(tmp_path, monkeypatch, notes)
    await scene.leaving().undo()
    assert scene.done == [
        "nft",
        "route del 10.1.0.0/24 dev daoli",
        "del-port dlup",
        "clear bridge daoli fail_mode",
        'set bridge daoli other_config:hwaddr="02:01"',
        "remove bridge daoli other_config datapath-id",
        "set-controller daoli tcp:192.0.2.7:6653",
    ]


async def test_an_interface_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interface that the bridge had whole is down, and speaks IPv6, if it was and did before."""
    notes = {"bridge": "made", "uplink_port": {"name": "eth1", "up": False, "disable_ipv6": "0"}}
    scene = Scene(tmp_path, monkeypatch, notes)
    await scene.leaving().undo()
    assert scene.done[-2:] == ["sysctl net.ipv6.conf.eth1.disable_ipv6=0", "link set eth1 down"]


async def test_what_fails_is_said_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that fails does not keep the others from being done; its note stays for another attempt."""
    scene = Scene(tmp_path, monkeypatch, JOINED)
    scene.controller.answers = {("DELETE", "/hosts/h1"): away()}

    async def delete(name: str) -> bool:
        raise LinkError(f"{name} is busy")

    monkeypatch.setattr(links, "delete", delete)
    leaving = scene.leaving()
    await leaving.run()
    assert leaving.failures == 2
    assert any("Tell it later: daolictl host remove h1" in text for text in scene.said)
    assert "FAILED: dlup is busy" in scene.said
    assert set(State.load(tmp_path).joined) == {"host", "macvlan", "wanted", "controllers"}


async def test_a_host_that_the_controller_does_not_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that was removed at the controller before leaves all the same."""
    scene = Scene(tmp_path, monkeypatch, JOINED)
    scene.controller.answers = {("DELETE", "/hosts/h1"): refused("no such host", status=404)}
    leaving = scene.leaving()
    await leaving.run()
    assert "the controller did not know h1 any more" in scene.said
    assert leaving.failures == 0


async def test_docker_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Docker its networks stay, which is said."""
    scene = Scene(tmp_path, monkeypatch, JOINED)

    def broken(**_: object) -> FakeDocker:
        raise aiohttp.ClientError("gone")

    monkeypatch.setattr("aiodocker.Docker", broken)
    leaving = scene.leaving()
    await leaving.run()
    assert leaving.failures == 1
    assert "FAILED: Docker cannot be asked, so that its networks stay: gone" in scene.said
