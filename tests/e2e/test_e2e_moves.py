"""Containers moved between real engines: what follows, what stays, and what comes of it when somebody dies."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.docker_rig import PATIENCE, TOOLS, Container, DockerRig
from tests.e2e.rig import Pinger

from daoli.lab import DockerHost, Place, wait_until
from daoli.lab.session import Answer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

MOVE_SECONDS = 60.0
BOOT_SECONDS = 40.0
HOSTS = ("h1", "h2", "h3")
NETWORKS = {"front": "10.1.0.0/24", "back": "10.2.0.0/24"}
MAC = "02:42:aa:bb:cc:01"
WEB = ("sh", "-c", "mkdir -p /scratch; echo $GREETING >/scratch/index.html; exec httpd -f -p 80 -h /scratch")
DYING_SLOWLY = ("sh", "-c", "trap 'sleep 1.5; exit' TERM; while true; do sleep 0.1; done")
RICH = (
    *("--network", "front", "--network-alias", "www", "--mac-address", MAC, "--hostname", "hosty"),
    *("-e", "GREETING=hello", "-l", "team=blue", "-w", "/www", "-u", "0:0", "--restart", "unless-stopped"),
    *("-m", "64m", "--cpus", "0.5", "--pids-limit", "50", "--ulimit", "nofile=100:200", "--cap-add", "NET_ADMIN"),
    *(
        "--tmpfs",
        "/scratch",
        "--mount",
        "type=tmpfs,destination=/more",
        "--dns",
        "192.0.2.53",
        "--add-host",
        "x:192.0.2.9",
    ),
    *("--stop-timeout", "3", "--health-cmd", "true", "--log-opt", "max-size=1m", "--sysctl", "net.ipv4.ip_forward=0"),
    *("--read-only", "-p", "8080:80", "-p", "8000-8010:81"),
)


@dataclass(frozen=True)
class Inside(Place):
    """The network of a container, for the host's own programs."""

    host: DockerHost
    name: str

    def entrance(self) -> list[str]:
        """The way there leads through the host."""
        pid = self.host.docker("inspect", "-f", "{{.State.Pid}}", self.name).stdout.strip()
        return [*self.host.entrance(), "--", "nsenter", f"--target={pid}", "--net"]

    def sees(self, path: Path) -> bool:
        """Files are the host's."""
        return self.host.sees(path)


class MoveRig:
    """Three Docker hosts with two networks, and moves between them."""

    def __init__(self, rig: DockerRig) -> None:
        self.rig = rig
        self.lab = rig.lab

    def run(self, host: str, name: str, *options: str, **kinds: Any) -> Container:
        """Run a container, on network front unless told otherwise."""
        where = () if "--network" in options else ("--network", "front")
        container = self.rig.run(host, name, *where, *options, **kinds)
        wait_until(lambda: container.inspect()["Id"] in self.known(name), PATIENCE)
        return container

    def known(self, name: str) -> list[str]:
        """The ids of the containers that the controller knows by this name."""
        return [e["container"] for e in self.rig.get("/endpoints")["endpoints"] if e["name"] == name]

    def ask(self, name: str, to: str, **fields: Any) -> Answer:
        """Ask the controller to move a container."""
        return self.lab.api.post("/moves", {"container": name, "to": to, **fields})

    def begin(self, name: str, to: str, **fields: Any) -> str:
        """Begin a move, and give its id."""
        answer = self.ask(name, to, **fields)
        assert answer.status == 202, answer
        return str(answer.body["id"])

    def reach(self, move: str, *states: str, timeout: float = MOVE_SECONDS) -> dict[str, Any]:
        """Wait until a move is in one of these states, or over."""
        found: dict[str, Any] = {}

        def reached() -> bool:
            found.update(self.rig.get(f"/moves/{move}"))
            return found["state"] in {*states, "done", "failed"}

        wait_until(reached, timeout, what=f"move {states}", interval=0.005)
        return found

    def move(self, name: str, to: str, **fields: Any) -> Container:
        """Move a container, and find it there."""
        end = self.reach(self.begin(name, to, **fields))
        assert end["state"] == "done", end
        return Container(self.rig[to], name)

    def refusal(self, name: str, to: str, **fields: Any) -> str:
        """Ask for a move that comes to nothing; why not."""
        end = self.reach(self.begin(name, to, **fields))
        assert end["state"] == "failed", end
        return str(end["detail"])

    def web_at(self, host: str, port: int) -> str:
        """What a web server says on a port of a host, soon, to the world outside."""
        return wait_until(
            lambda: fetch(self.lab.outside, self.rig[host].address, port), PATIENCE, what=f"{host}:{port}"
        )

    def cables(self, host: str) -> int:
        """How many containers are on a host's bridge."""
        ports = self.rig[host].vsctl("list-ports", "daoli").split()
        return len([port for port in ports if port.startswith("dl") and port not in {"dlup", "dldns"}])

    def homes(self, name: str) -> list[str]:
        """The hosts on which a container of this name is, running or not."""
        return [host for host in HOSTS if name in self.rig.containers(host)]

    def running(self, name: str) -> list[str]:
        """The hosts on which it runs."""
        return [host for host in self.homes(name) if Container(self.rig[host], name).runs]


@pytest.fixture
def rig(docker_rig: DockerRig) -> Iterator[MoveRig]:
    """Lend three hosts, all on and joined, with networks front and back."""
    ensure_all_run(docker_rig)
    for name, subnet in NETWORKS.items():
        docker_rig["h1"].docker("network", "create", "-d", "daoli", "--ipam-driver", "daoli", "--subnet", subnet, name)
    wait_until(lambda: all(set(NETWORKS) <= docker_rig.networks(host) for host in HOSTS), PATIENCE)
    yield MoveRig(docker_rig)
    ensure_all_run(docker_rig)
    for host in HOSTS:
        if containers := docker_rig.containers(host):
            docker_rig[host].docker("rm", "-f", *containers)
    # A network that is removed while the fabric knows containers in it is put back.
    wait_until(lambda: docker_rig.get("/endpoints")["endpoints"] == [], PATIENCE)


def ensure_all_run(rig: DockerRig) -> None:
    """Start what a test has killed and not started again."""
    for host in rig.lab.hosts.values():
        if not host.is_on:
            host.boot()
        if not host.status()["agent"]:
            host.agent_start(*host.agent_flags() or ())
    rig.lab.wait_joined()


def fetch(client: Place, address: str, port: int) -> str:
    """What a web server says; nothing if it is not there."""
    return client.exec(["curl", "-s", "-m", "2", f"http://{address}:{port}/"], check=False).stdout.strip()


def says(client: Container, server: str) -> str:
    """What a web server says to a container."""
    ask = "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 $0 80 | tail -1"
    return client.exec("sh", "-c", ask, server, check=False).stdout.strip()


def made_of(container: Container) -> dict[str, Any]:
    """What a container was made from, without what Docker chooses for each."""
    shown = container.inspect()
    short = shown["Id"][:12]
    networks = {
        name: (part["IPAddress"], part["MacAddress"], sorted({*part["Aliases"]} - {short}))
        for name, part in shown["NetworkSettings"]["Networks"].items()
    }
    config = {key: value for key, value in shown["Config"].items() if key != "MacAddress"}
    if config["Hostname"] == short:
        del config["Hostname"]
    return {"name": shown["Name"], "Config": config, "HostConfig": shown["HostConfig"], "networks": networks}


def test_everything_follows(rig: MoveRig) -> None:
    """What a container was started with follows, its ports on the new host only; nothing of it stays behind."""
    web = rig.run("h1", "web", *RICH, command=WEB)
    web.host.docker("network", "connect", "--alias", "deep", "back", "web")
    peer = rig.run("h3", "peer", "--network", "back")
    assert rig.web_at("h1", 8080) == "hello"
    before = made_of(web)
    moved = rig.move("web", "h2")
    assert made_of(moved) == before
    assert moved.inspect()["NetworkSettings"]["Networks"]["front"]["MacAddress"] == MAC
    assert rig.homes("web") == ["h2"]
    assert says(peer, "deep") == "hello"
    assert rig.web_at("h2", 8080) == "hello"
    assert fetch(rig.lab.outside, rig.rig["h1"].address, 8080) == ""
    addresses = {part[0] for part in before["networks"].values()}
    leases = [lease for lease in rig.rig.get("/leases")["leases"] if lease["ipv4"] in addresses]
    assert [lease["host"] for lease in leases] == ["h2", "h2"]
    wait_until(lambda: rig.cables("h1") == 0, PATIENCE)
    back = rig.move("web", "h1")
    assert made_of(back) == before


def test_established_peer(rig: MoveRig) -> None:
    """A peer that pings all the time loses what the restart costs; TCP connects to the same address at once."""
    address = "10.1.0.50"
    web = rig.run("h1", "web", "--ip", address, "-e", "GREETING=hello", command=WEB)
    peer = rig.run("h3", "peer")
    with Pinger(Inside(peer.host, "peer"), address) as pinger:
        pinger.wait_for(20)
        web.host.docker("restart", "-t", "1", "web")
        pinger.wait_for(20)
        restarted = len(pinger.stop())
    with Pinger(Inside(peer.host, "peer"), address) as pinger:
        pinger.wait_for(20)
        rig.move("web", "h2")
        assert says(peer, address) == "hello"
        pinger.wait_for(20)
        lost = pinger.stop()
    assert lost == list(range(lost[0], lost[-1] + 1))  # one gap
    assert len(lost) < max(150, 3 * restarted)
    uplink = rig.lab.hosts["h1"].exec(["cat", "/sys/class/net/dlup/address"]).stdout.strip()
    stale = [flow for flow in rig.lab.hosts["h3"].flows() if address in flow and uplink in flow]
    assert not stale
    wait_until(lambda: not [flow for flow in rig.lab.hosts["h1"].flows() if address in flow], PATIENCE)


def test_publication_follows(rig: MoveRig) -> None:
    """A port that all hosts publish leads to the container wherever it is, also to one started with --rm."""
    rig.run("h1", "web", "--rm", "-e", "GREETING=hello", command=WEB)
    assert rig.lab.api.post("/publish", {"port": 9090, "target": "web", "target_port": 80}).status == 201
    for to in ("h2", "h3"):
        moved = rig.move("web", to)
        (publication,) = rig.rig.get("/publish")["publications"]
        assert publication["container"] == moved.inspect()["Id"]
        assert [rig.web_at(host, 9090) for host in HOSTS] == ["hello", "hello", "hello"]
    assert rig.homes("web") == ["h3"]
    rig.rig["h3"].docker("rename", "web", "shop")
    wait_until(lambda: rig.rig.get("/publish")["publications"][0]["name"] == "shop", PATIENCE)
    Container(rig.rig["h3"], "shop").remove()
    wait_until(lambda: rig.rig.get("/publish")["publications"] == [], PATIENCE)


def test_paused_stays(rig: MoveRig) -> None:
    """A container that somebody has paused stays, and paused."""
    box = rig.run("h1", "box")
    box.host.docker("pause", "box")
    try:
        assert "box stays on h1: it is paused; docker unpause box first" in rig.refusal("box", "h2")
        assert box.inspect()["State"]["Paused"]
    finally:
        box.host.docker("unpause", "box")
    assert rig.homes("box") == ["h1"]


def test_volumes_stay(rig: MoveRig) -> None:
    """Volumes are named and refused, and left where they are if that is said."""
    box = rig.run("h1", "box", "-v", "named:/data", "-v", "/etc:/host", "-v", "/anonymous", "--tmpfs", "/scratch")
    why = rig.refusal("box", "h2")
    for words in ("box stays on h1", "named at /data", "/etc at /host", " at /anonymous", "--without-volumes"):
        assert words in why
    assert "/scratch" not in why
    assert box.runs
    moved = rig.move("box", "h2", without_volumes=True)
    assert moved.exec("ls", "-d", "/anonymous", "/scratch").returncode == 0
    assert moved.exec("ls", "/host", check=False).returncode != 0
    assert "named" in rig.rig["h1"].docker("volume", "ls", "-q").stdout.split()
    assert "named" not in rig.rig["h2"].docker("volume", "ls", "-q").stdout.split()
    rig.rig["h1"].docker("volume", "rm", "named")


def test_refused_before_anything_stops(rig: MoveRig) -> None:
    """What cannot be on the target is told in a sentence, and the container goes on running."""
    web = rig.run("h1", "web", "-p", "8080:80")
    started = web.inspect()["State"]["StartedAt"]
    other, target = rig.run("h2", "other", "-p", "8080:80"), rig.rig["h2"]
    assert "port 8080/tcp cannot be had on h2" in rig.refusal("web", "h2")
    other.remove()
    target.docker("create", "--name", "web", TOOLS)
    assert "h2 has a container web already" in rig.refusal("web", "h2")
    target.docker("rm", "web")
    web.host.docker("network", "connect", "bridge", "web")
    assert "networks that only its host has: bridge" in rig.refusal("web", "h2")
    web.host.docker("network", "disconnect", "bridge", "web")
    assert rig.ask("web", "h9").body["detail"] == "there is no host h9"
    assert rig.ask("web", "h1").body["detail"] == "container web is on host h1 already"
    assert "no running container" in rig.ask("ghost", "h2").body["detail"]
    assert web.inspect()["State"]["StartedAt"] == started
    web.host.docker("stop", "-t0", "web")
    wait_until(lambda: not rig.known("web"), PATIENCE)
    assert "no running container" in rig.ask("web", "h2").body["detail"]


def test_image_is_not_there(rig: MoveRig) -> None:
    """An image that the target does not have, or has another of, is refused by name."""
    source, target = rig.rig["h1"], rig.rig["h2"]
    source.docker("tag", TOOLS, "mine:1")
    box = rig.run("h1", "box", image="mine:1")
    assert "image mine:1 is not on h2, and cannot be pulled" in rig.refusal("box", "h2")
    target.docker("run", "--name", "changed", TOOLS, "touch", "/changed")
    target.docker("commit", "changed", "mine:1")
    assert "image mine:1 is another one on h2" in rig.refusal("box", "h2")
    assert box.runs
    target.docker("rm", "changed")
    target.docker("rmi", "mine:1")
    box.remove()
    source.docker("rmi", "mine:1")


def test_does_not_start_there(rig: MoveRig) -> None:
    """A container that does not start on the target runs at its source again with its address, and can be reached."""
    rig.rig["h1"].exec(["mknod", "/run/probe", "c", "1", "3"])
    for options in ((), ("--rm",)):
        filler = rig.run("h1", "filler")
        box = rig.run("h1", "box", *options, "--device", "/run/probe", "-p", "8081:80")
        address = box.address("front")
        filler.remove()
        why = rig.refusal("box", "h2")
        assert "box does not start on h2" in why
        assert "it runs on h1 again" in why
        assert rig.running("box") == ["h1"]
        assert box.address("front") == address
        wait_until(lambda: rig.homes("box") == ["h1"], PATIENCE)
        peer = rig.run("h3", "peer")
        assert peer.reaches(address)
        peer.remove()
        box.remove()


def test_two_at_once(rig: MoveRig) -> None:
    """A container that is on its way cannot be sent elsewhere; many others can at the same time."""
    rig.run("h1", "slow", command=DYING_SLOWLY)
    move = rig.begin("slow", "h2")
    again = rig.ask("slow", "h3")
    assert (again.status, again.body["detail"]) == (409, f"container slow is on its way to h2 (move {move})")
    others = [rig.run("h1", f"c{number}") for number in range(4)]
    addresses = [other.address("front") for other in others]
    moves = [rig.begin(other.name, f"h{2 + index % 2}") for index, other in enumerate(others)]
    assert [rig.reach(other)["state"] for other in (move, *moves)] == 5 * ["done"]
    homes = [rig.running(other.name) for other in others]
    assert homes == [["h2"], ["h3"], ["h2"], ["h3"]]
    assert [
        Container(rig.rig[home], o.name).address("front") for (home,), o in zip(homes, others, strict=True)
    ] == addresses


@pytest.mark.parametrize("state", ["preparing", "checking", "stopping", "starting", "removing"])
@pytest.mark.parametrize("victim", ["h1", "h2", "controller"])
def test_killed(rig: MoveRig, victim: str, state: str) -> None:
    """An agent or the controller killed at any step: the move goes on when it is back, and there is one container."""
    box = rig.run("h1", "box", "--stop-timeout", "3", "-p", "8082:80", command=DYING_SLOWLY)
    peer = rig.run("h3", "peer")
    address = box.address("front")
    move = rig.begin("box", "h2")
    rig.reach(move, state)
    if victim == "controller":
        rig.lab.controller_kill()
        time.sleep(1)
        rig.lab.controller_start("--idle-timeout", "2")
    else:
        host = rig.rig[victim]
        host.agent_kill()
        time.sleep(1)
        host.agent_start(*host.agent_flags() or ())
    end = rig.reach(move)
    assert end["state"] == "done", end
    assert rig.homes("box") == rig.running("box") == ["h2"]
    assert Container(rig.rig["h2"], "box").address("front") == address
    wait_until(lambda: peer.reaches(address), PATIENCE)


def test_source_loses_power(rig: MoveRig) -> None:
    """A source that loses power before it has said that the container is stopped goes on when it is back."""
    rig.run("h1", "box", "--restart", "always", "--stop-timeout", "3", command=DYING_SLOWLY)
    move = rig.begin("box", "h2")
    rig.reach(move, "stopping")
    rig.rig["h1"].power_off()
    assert rig.rig.get(f"/moves/{move}")["state"] == "stopping"
    rig.rig["h1"].boot()
    assert rig.reach(move)["state"] == "done"
    assert rig.homes("box") == rig.running("box") == ["h2"]


def test_source_stays_dead(rig: MoveRig) -> None:
    """A source that loses power once its container is stopped does not keep the new one from starting."""
    rig.run("h1", "box", "--restart", "always", command=DYING_SLOWLY)
    move = rig.begin("box", "h2")
    rig.reach(move, "starting")
    rig.rig["h1"].power_off()
    wait_until(lambda: rig.rig.get(f"/moves/{move}")["state"] == "removing", MOVE_SECONDS)
    assert Container(rig.rig["h2"], "box").runs
    rig.rig["h1"].boot()
    assert rig.reach(move)["state"] == "done"
    assert rig.homes("box") == rig.running("box") == ["h2"]
