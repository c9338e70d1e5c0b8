"""Labs of Docker hosts: engines that run containers, lose power, and leave nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.e2e.rig import PATIENCE, Capture, Pinger, background, ping
from tests.labs import require_lab

from daoli.lab import DockerHost, DockerLab, UsageError, wait_until
from daoli.lab.cgroups import ROOT as CGROUPS
from daoli.lab.cgroups import parent
from daoli.lab.docker_lab import open_lab
from daoli.lab.lab import Lab, names
from daoli.lab.plan import OUTSIDE_ADDRESS
from daoli.lab.processes import marked

pytestmark = pytest.mark.e2e

DAOLI = [sys.executable, "-m", "daoli"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerLab]:
    """Three Docker hosts that nobody has joined to anything."""
    require_lab()
    with DockerLab.up(hosts=3, join=False, state_dir=tmp_path_factory.mktemp("labs")) as lab:
        yield lab


@pytest.fixture
def h1(lab: DockerLab) -> Iterator[DockerHost]:
    """The first host; the containers that a test leaves go at the end."""
    host = lab.hosts["h1"]
    yield host
    if left := host.docker("ps", "-aq").stdout.split():
        host.docker("rm", "-f", *left)


def control_groups(lab: Path) -> list[Path]:
    return [path for top in (CGROUPS, *CGROUPS.iterdir()) if (path := top / parent(lab).strip("/")).exists()]


def processes_below(lab: Path) -> list[int]:
    """Processes of the real machine that have a file of the lab's folder as their argument, or its mark."""
    found = [pid.pid for pid, _ in marked("DAOLI_LAB", str(lab))]
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if any(word.startswith(os.fsencode(lab)) for word in words):
                found.append(int(entry.name))
    return found


def is_running(host: DockerHost, container: str) -> bool:
    return host.docker("inspect", "-f", "{{.State.Running}}", container, check=False).stdout.strip() == "true"


def test_engines(lab: DockerLab) -> None:
    """Each host has an engine of its own, with Docker's default bridge and rules, and the same image."""
    ids = {host.docker("info", "--format", "{{.ID}}").stdout for host in lab.hosts.values()}
    assert len(ids) == 3
    assert len({host.docker("images", "-q", "--no-trunc", "daoli/tools").stdout for host in lab.hosts.values()}) == 1
    host = lab.hosts["h2"]
    assert host.docker("network", "ls", "--format", "{{.Name}}").stdout.split() == ["bridge", "host", "none"]
    assert "MASQUERADE" in host.exec(["iptables", "-t", "nat", "-S"]).stdout
    versions = host.docker("version", "--format", "{{.Client.Version}} {{.Server.Version}}").stdout.split()
    assert versions[0] == versions[1]
    assert host.status() == {"on": True, "ovs": True, "docker": True, "agent": False, "connected": False}


def test_like_a_fresh_host(lab: DockerLab) -> None:
    """A host has one NIC with its address, a machine id that no other has, no bridge, and `daoli` at hand."""
    host = lab.hosts["h3"]
    links = {link["ifname"] for link in json.loads(host.exec(["ip", "-j", "link"]).stdout)}
    assert links == {"lo", "eth0", "docker0"}
    assert host.vsctl("list-br") == ""
    assert len({each.exec(["cat", "/etc/machine-id"]).stdout for each in lab.hosts.values()}) == 3
    assert host.exec(["cat", "/etc/machine-id"]).stdout.strip() == host.machine_id
    assert "usage: daoli" in host.exec([*DAOLI, "--help"]).stdout


def test_isolated_container(h1: DockerHost) -> None:
    """A container without a network has loopback only, and the image's programs."""
    links = h1.docker("run", "--rm", "--network", "none", "daoli/tools", "ip", "-o", "link").stdout
    assert links.count("\n") == 1
    said = h1.docker("run", "--rm", "--network", "none", "daoli/tools", "iperf3", "--version").stdout
    assert said.startswith("iperf 3")


def test_masquerade(lab: DockerLab, h1: DockerHost) -> None:
    """What leaves by Docker's own bridge has the host's address outside."""
    with Capture(lab.outside, "icmp") as capture:
        h1.docker("run", "--rm", "daoli/tools", "ping", "-c1", "-W2", OUTSIDE_ADDRESS)
        wait_until(lambda: any("echo request" in line for line in capture.lines), PATIENCE)
    assert any(f"{h1.address} > {OUTSIDE_ADDRESS}" in line for line in capture.lines)


def test_published_port(lab: DockerLab, h1: DockerHost) -> None:
    """A published port is reached from outside, and the server sees the client's own address."""
    serve = "echo hello >/www/index.html; exec httpd -f -v -h /www"
    h1.docker("run", "-d", "--init", "--name", "web", "-p", "8080:80", "daoli/tools", "sh", "-c", serve)
    command = ["curl", "-sS", "-m", "2", f"http://{h1.address}:8080/"]
    assert wait_until(lambda: lab.outside.exec(command, check=False).stdout) == "hello\n"
    logged = h1.docker("logs", "web")
    assert f"{OUTSIDE_ADDRESS}]" in logged.stdout + logged.stderr


def test_names_on_one_host(h1: DockerHost) -> None:
    """On a network of Docker's own a container finds another by name, with the image's programs."""
    h1.docker("network", "create", "own")
    try:
        h1.docker("run", "-d", "--init", "--name", "one", "--network", "own", "daoli/tools", "sleep", "1000")
        h1.docker("run", "--rm", "--network", "own", "daoli/tools", "ping", "-c1", "-W2", "one")
        h1.docker("rm", "-f", "one")
    finally:
        h1.docker("network", "rm", "own")


def test_macvlan_beside_the_address(lab: DockerLab) -> None:
    """A bridge whose uplink is a macvlan on eth0 talks with another host's, and eth0 keeps working."""
    hosts = [lab.hosts["h2"], lab.hosts["h3"]]
    with Pinger(lab.hosts["h1"], hosts[0].address) as pinger:
        pinger.wait_for(5)
        for number, host in enumerate(hosts, 1):
            mac = f"02:dd:00:09:00:{number:02x}"
            up = "ip link add link eth0 name dlup address $0 type macvlan mode private; ip link set dlup up arp off"
            host.exec(["sh", "-ec", up, mac])
            # The macvlan lets in only what is for its own address, which the bridge therefore borrows.
            bridge = ("set", "bridge", "probe", "datapath_type=netdev", f'other-config:hwaddr="{mac}"')
            host.vsctl("add-br", "probe", "--", *bridge, "--", "add-port", "probe", "dlup")
            host.exec(["ip", "addr", "add", f"192.0.2.{number}/24", "dev", "probe"])
            host.exec(["ip", "link", "set", "probe", "up"])
        try:
            wait_until(lambda: ping(hosts[0], "192.0.2.2").returncode == 0, PATIENCE)
            pinger.wait_for(5)
        finally:
            for host in hosts:
                host.vsctl("del-br", "probe")
                host.exec(["ip", "link", "del", "dlup"])
        assert pinger.stop() == []


def test_dockerd_restarts(h1: DockerHost) -> None:
    """A stopped engine takes its containers along; a killed one leaves them, and starts again."""
    h1.docker("run", "-d", "--init", "--restart", "always", "--name", "steady", "daoli/tools", "sleep", "1000")
    h1.dockerd_stop()
    assert h1.docker("ps", check=False).returncode
    h1.dockerd_start()
    wait_until(lambda: is_running(h1, "steady"), PATIENCE)
    h1.dockerd_kill()
    assert any(path.read_text().strip() for path in h1.root("/proc").glob("[0-9]*/comm") if "sleep" in path.read_text())
    h1.dockerd_start()
    wait_until(lambda: is_running(h1, "steady"), PATIENCE)


def test_live_restore(h1: DockerHost) -> None:
    """With --live-restore a container outlives its engine's death."""
    h1.dockerd_stop()
    h1.dockerd_start("--live-restore")
    try:
        h1.docker("run", "-d", "--init", "--name", "steady", "daoli/tools", "sleep", "1000")
        before = h1.docker("inspect", "-f", "{{.State.Pid}}", "steady").stdout
        h1.dockerd_kill()
        h1.dockerd_start("--live-restore")
        assert h1.docker("inspect", "-f", "{{.State.Pid}}", "steady").stdout == before
        h1.docker("rm", "-f", "steady")
    finally:
        h1.dockerd_stop()
        h1.dockerd_start()


def test_power_cycle(h1: DockerHost, lab: DockerLab) -> None:
    """Power lost at once, a host comes back with its images, containers and networks; no control group stays behind."""
    run = ("run", "-d", "--init", "daoli/tools", "sleep", "1000")
    h1.docker(*run[:3], "--restart", "always", "--name", "returns", *run[3:])
    h1.docker(*run[:3], "--name", "stays", *run[3:])
    h1.docker("network", "create", "own")
    h1.power_off()
    assert not any((group / "h1").exists() for group in control_groups(lab.path))
    assert h1.status() == {"on": False, "ovs": False, "docker": False, "agent": False, "connected": False}
    h1.boot()
    wait_until(lambda: is_running(h1, "returns"), PATIENCE)
    assert not is_running(h1, "stays")
    assert h1.docker("start", "stays").stdout == "stays\n"
    h1.docker("network", "rm", "own")


def test_failed_engine(h1: DockerHost) -> None:
    """An engine that does not start is an error with its last words."""
    h1.dockerd_stop()
    try:
        with pytest.raises(Exception, match=r"(?s)dockerd of h1 has ended.*no-such-flag"):
            h1.dockerd_start("--no-such-flag")
    finally:
        h1.dockerd_start()


def test_controller_with_token(lab: DockerLab) -> None:
    """The controller's API listens on the wire, asks for a token, and survives whoever started it."""
    lab.controller_start()
    try:
        assert lab.api.get("/hosts").body["hosts"] == []
        url = "http://10.254.0.250:8653/hosts"
        command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", url]
        assert lab.hosts["h1"].exec(command).stdout == "401"
        lab.controller_kill()
        lab.controller_start()
        assert lab.hosts["h1"].exec([*command, "-H", f"Authorization: Bearer {lab.token}"]).stdout == "200"
    finally:
        lab.controller_stop()


def test_command_line(labs: Path) -> None:
    """`daoli lab` brings Docker hosts up, runs their docker, shows them, and takes them down."""
    where = ["--name", "cli", "--state-dir", str(labs)]

    def daoli(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*DAOLI, "lab", *words], capture_output=True, text=True, check=True, timeout=60)

    came = daoli("up", "--docker", "--hosts", "1", "--no-join", *where)
    assert "lab cli is up: 1 Docker host (" in came.stderr
    try:
        assert daoli("exec", *where, "h1", "docker", "images", "--format", "{{.Repository}}").stdout == "daoli/tools\n"
        assert "on, ovs runs, docker runs, no agent, not connected" in daoli("status", *where).stdout
        assert isinstance(open_lab("cli", labs), DockerLab)
    finally:
        daoli("down", *where)
    assert not list(labs.iterdir())


def test_down_leaves_nothing(labs: Path) -> None:
    """Two labs run side by side; one goes with its containers, and its processes, folder and control groups with it."""
    with DockerLab.up("one", hosts=1, join=False, state_dir=labs) as one:
        two = DockerLab.up("two", hosts=1, join=False, state_dir=labs)
        for lab in (one, two):
            lab.hosts["h1"].docker("run", "-d", "--name", "box", "-p", "80:80", "daoli/tools", "sleep", "1000")
        assert control_groups(two.path)
        assert processes_below(two.path)
        two.down()
        assert not control_groups(two.path)
        assert not processes_below(two.path)
        assert not two.path.exists()
        assert str(two.path) not in Path("/proc/self/mountinfo").read_text()
        assert is_running(one.hosts["h1"], "box")
        with background(one.hosts["h1"], "docker", "logs", "-f", "box"):
            pass
    assert names(labs) == []
    assert not list(labs.iterdir())


def test_everything_killed(labs: Path) -> None:
    """A lab all of whose machines were killed is taken down like any other, control groups too."""
    lab = DockerLab.up("dead", hosts=1, join=False, state_dir=labs)
    lab.hosts["h1"].docker("run", "-d", "--name", "box", "daoli/tools", "sleep", "1000")
    for pid, _ in marked("DAOLI_LAB", str(lab.path)):
        with suppress(ProcessLookupError):  # it has ended with the first of its machine
            os.kill(pid.pid, signal.SIGKILL)
    wait_until(lambda: not marked("DAOLI_LAB", str(lab.path)), PATIENCE)
    assert control_groups(lab.path)
    lab.down()
    assert not control_groups(lab.path)
    assert not lab.path.exists()


def test_real_programs(labs: Path) -> None:
    """Images of Redis and of etcd run the programs of Debian's packages."""
    with DockerLab.up(hosts=1, images=("redis", "etcd"), join=False, state_dir=labs) as lab:
        host = lab.hosts["h1"]
        host.docker("run", "-d", "--init", "--name", "redis", "daoli/redis", "redis-server", "--save", "")
        answered = ("exec", "redis", "redis-cli", "ping")
        assert wait_until(lambda: host.docker(*answered, check=False).stdout.strip() == "PONG", PATIENCE)
        host.docker("run", "-d", "--init", "--name", "etcd", "daoli/etcd", "etcd", "--data-dir", "/run/etcd")
        healthy = ("exec", "-e", "ETCDCTL_API=3", "etcd", "etcdctl", "endpoint", "health")
        assert wait_until(lambda: host.docker(*healthy, check=False).returncode == 0, PATIENCE)


def test_joined(labs: Path) -> None:
    """A lab joins its hosts to its controller; a host that lost power comes back with its agent."""
    with DockerLab.up(hosts=2, agent_flags=("--site", "rack"), state_dir=labs) as lab:
        host = lab.hosts["h1"]
        lab.wait_joined()
        dpids = {known["name"]: known["dpid"] for known in lab.api.get("/hosts").body["hosts"]}
        assert dpids == {name: f"{each.dpid:016x}" for name, each in lab.hosts.items()}
        host.agent_kill()
        assert not host.status()["agent"]
        host.agent_start(*host.agent_flags() or ())
        host.power_off()
        host.boot()
        assert host.status()["agent"]
        assert lab.api.get("/hosts/h1").body["site"] == "rack"
        host.agent_stop()
        assert not host.agent.runs


def test_wrong_kind(labs: Path) -> None:
    """A lab without Docker is not taken for one with it."""
    with Lab.create("plain", hosts=1, endpoints=0, controller="", state_dir=labs):
        with pytest.raises(UsageError, match="lab plain is not one of Docker hosts"):
            DockerLab.open("plain", labs)
        assert not isinstance(open_lab("plain", labs), DockerLab)
