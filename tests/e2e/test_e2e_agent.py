"""The agent on Docker hosts of a lab: joining, healing, being killed, leaving, and what it refuses."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest
from tests.labs import require_lab

from daoli.lab import Machine, wait_until
from daoli.lab.docker_host import DockerHost
from daoli.lab.docker_lab import DockerLab

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

HEAL_SECONDS = 20.0
STATUS = "curl -s --unix-socket /run/daoli/agent.sock http://agent/status"
# Open vSwitch writes some seconds late whether it is connected.
LOOK = """
ip -o link | sed 's/^[0-9]*: //' | sort; ip -o -4 address | sort; ip route | sort; ovs-vsctl show | grep -v is_connected
sysctl net.ipv4.ip_forward; nft list ruleset; docker network ls --no-trunc
ls -a /var/lib/daoli-agent /run/daoli 2>/dev/null || true
"""


def shell(machine: Machine, text: str, *, check: bool = True, timeout: float = 60.0) -> str:
    """What a command line prints."""
    done = machine.exec(["sh", "-c", text], check=check, timeout=timeout)
    return done.stdout + done.stderr


def picture(host: DockerHost) -> str:
    """Everything that joining could touch, as text; without what changes by itself."""
    return re.sub(r"(packets|bytes) \d+", r"\1 N", shell(host, LOOK))


QUIET_SECONDS = 2.5


def repairs(host: DockerHost) -> int:
    """How many times the agent has repaired anything since the log began."""
    return host.agent.log.read_text().count("host_repaired")


def quiet(host: DockerHost) -> Callable[[], bool]:
    """Make a question: has the agent had nothing to repair for longer than it takes to look again?"""
    seen = [repairs(host), time.monotonic()]

    def is_quiet() -> bool:
        if repairs(host) != seen[0]:
            seen[:] = [repairs(host), time.monotonic()]
        return time.monotonic() - seen[1] > QUIET_SECONDS

    return is_quiet


def healthy(host: DockerHost) -> bool:
    """Whether the agent runs, follows the controller and finds nothing wrong."""
    said = shell(host, STATUS, check=False)
    return '"connected": true' in said and '"problems": []' in said


def container(host: DockerHost, name: str) -> str:
    """Start a container that waits; give its address."""
    host.docker("run", "-d", "--init", "--name", name, "--network", "blue", "daoli/tools", "sleep", "1000")
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    return host.docker("inspect", "-f", form, name).stdout.strip()


def reaches(host: DockerHost, name: str, address: str) -> bool:
    """Whether a container's ping is answered."""
    return host.docker("exec", name, "ping", "-c1", "-W1", address, check=False).returncode == 0


def keeps_reaching(host: DockerHost, name: str, address: str) -> bool:
    """Whether the last three of five pings are answered: the first ones the controller may carry itself."""
    said = host.docker("exec", name, "ping", "-c5", "-W1", address, check=False).stdout
    return all(f" seq={number} " in said for number in (2, 3, 4))  # BusyBox counts from 0


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerLab]:
    """Two Docker hosts that have joined nothing yet, and a controller."""
    require_lab()
    with DockerLab.up(hosts=2, join=False, state_dir=tmp_path_factory.mktemp("labs")) as lab:
        lab.controller_start()
        yield lab


@pytest.fixture
def joined(lab: DockerLab) -> Iterator[DockerLab]:
    """Both hosts have joined, and have a network; at the end they have left."""
    try:
        lab.each_host(lambda host: host.agent_start("--log-format", "json"))
        lab.hosts["h1"].docker("network", "create", "-d", "daoli", "--ipam-driver", "daoli", "blue")
        wait_until(lambda: "blue" in lab.hosts["h2"].docker("network", "ls").stdout, HEAL_SECONDS)
        yield lab
    finally:
        lab.each_host(clear)
        lab.each_host(leave)


def clear(host: DockerHost) -> None:
    """Take all containers and the test's network away."""
    shell(host, "docker rm -f $(docker ps -aq) 2>/dev/null; docker network rm blue", check=False)


def leave(host: DockerHost) -> str:
    """Leave, and tell what was said once the agent has ended."""
    said = shell(host, "daoli agent --leave --force", check=False)
    wait_until(lambda: not host.agent.runs, HEAL_SECONDS)
    return said


def agent(host: DockerHost, *flags: str, timeout: float = 40.0) -> subprocess.CompletedProcess[str]:
    """Run an agent that is expected to end by itself."""
    return host.exec([*host.agent_command, *flags], check=False, timeout=timeout)


def test_leaving_restores_everything(lab: DockerLab) -> None:
    """A host that joined and left is as it was: interfaces, routes, Open vSwitch, nftables, Docker, kernel switches."""
    host = lab.hosts["h1"]
    shell(host, "sysctl -w net.ipv4.ip_forward=0")
    before = picture(host)
    host.agent_start("--log-format", "json")
    lab.api.wait_connected("h1", timeout=HEAL_SECONDS)
    assert "dlup" in picture(host)
    said = shell(host, "daoli agent --leave")
    assert "removed h1 from the controller" in said
    assert picture(host) == before
    assert lab.api.get("/hosts").body["hosts"] == []
    wait_until(lambda: not host.agent.runs, HEAL_SECONDS)
    assert "nothing to undo" in shell(host, "daoli agent --leave")
    shell(host, "sysctl -w net.ipv4.ip_forward=1")


def test_killed_agent_costs_no_packet(joined: DockerLab) -> None:
    """An agent that is killed and started again changes nothing, and a running ping loses no packet."""
    one, two = joined.hosts["h1"], joined.hosts["h2"]
    container(one, "c1")
    address = container(two, "c2")
    wait_until(lambda: reaches(one, "c1", address), HEAL_SECONDS)
    wait_until(quiet(one), HEAL_SECONDS, what="the end of repairs")
    count = repairs(one)
    ping = one.popen(
        ["docker", "exec", "c1", "ping", "-i", "0.02", "-w", "6", address],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    one.agent_kill()
    one.agent_start("--log-format", "json")
    wait_until(lambda: healthy(one), HEAL_SECONDS)
    output, _ = ping.communicate(timeout=30)
    assert " 0% packet loss" in output
    assert repairs(one) == count


@pytest.mark.parametrize(
    "damage",
    [
        "ovs-vsctl del-br daoli",
        "ovs-vsctl del-port dlup",
        "ovs-vsctl del-port dldns",
        "ip link del dlup",
        "ip link set daoli down",
        "ip route flush dev daoli",
        "ovs-vsctl set-controller daoli tcp:127.0.0.1:1",
        "ovs-vsctl set-fail-mode daoli standalone",
        "sysctl -w net.ipv4.ip_forward=0; ip link set dldns down",
        "for port in $(ovs-vsctl list-ports daoli); do ovs-vsctl del-port $port; done",
    ],
)
def test_damage_heals(joined: DockerLab, damage: str) -> None:
    """Whatever of the host's part is lost comes back, and containers reach each other again."""
    one, two = joined.hosts["h1"], joined.hosts["h2"]
    container(one, "c1")
    address = container(two, "c2")
    wait_until(lambda: reaches(one, "c1", address), HEAL_SECONDS)
    count = repairs(one)
    shell(one, damage)
    wait_until(lambda: repairs(one) > count, HEAL_SECONDS)
    wait_until(lambda: keeps_reaching(one, "c1", address) and healthy(one), HEAL_SECONDS)
    assert "10.2" in shell(one, "ip route show dev daoli")
    assert shell(one, "cat /proc/sys/net/ipv4/ip_forward").strip() == "1"


def test_open_vswitch_restarts(joined: DockerLab) -> None:
    """After Open vSwitch was killed and started again containers reach each other."""
    one, two = joined.hosts["h1"], joined.hosts["h2"]
    container(one, "c1")
    address = container(two, "c2")
    one.ovs_stop()
    one.ovs_start()
    wait_until(lambda: reaches(one, "c1", address) and healthy(one), HEAL_SECONDS)


def test_controller_away(joined: DockerLab) -> None:
    """Without the controller the agent starts again, says what is wrong, and running containers do not notice."""
    one, two = joined.hosts["h1"], joined.hosts["h2"]
    container(one, "c1")
    address = container(two, "c2")
    wait_until(lambda: reaches(one, "c1", address), HEAL_SECONDS)
    joined.controller_stop()
    try:
        one.agent_stop()
        one.agent_start("--log-format", "json")
        assert "cannot be reached" in shell(one, STATUS)
        assert reaches(one, "c1", address)
    finally:
        joined.controller_start()
    wait_until(lambda: healthy(one), HEAL_SECONDS)


def test_leaving_is_refused_while_in_use(joined: DockerLab) -> None:
    """A host with containers on the fabric's networks leaves only when forced; the refusal names them."""
    host = joined.hosts["h2"]
    container(host, "c2")
    done = host.exec(["daoli", "agent", "--leave"], check=False, timeout=30)
    assert done.returncode == 2
    assert "c2 on blue" in done.stderr
    assert healthy(host)
    assert "disconnected container" in shell(host, "daoli agent --leave --force")
    assert "daoli" not in shell(host, "ovs-vsctl list-br")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--uplink", "eth7"), "there is no interface eth7; this host has eth0"),
        (("--uplink", "lo"), "lo leads to no other host"),
        (("--uplink", "docker0"), "docker0 is a bridge of Docker's"),
        (("--uplink-port", "eth0"), "eth0 has the address 10.254.0.2/24, which would be cut off"),
        (("--docker", "unix:///run/nowhere.sock"), "there is no Docker socket /run/nowhere.sock"),
        (("--token-file", "/etc/hostname"), "check --token-file"),
        (("--dpid", "1"), "dpid: '1' is not 16 hex digits"),
        (("--controller", "ftp://somewhere"), "controller: 'ftp://somewhere' is not http(s)://HOST:PORT or unix:PATH"),
    ],
)
def test_refusals(lab: DockerLab, flags: tuple[str, ...], words: str) -> None:
    """What cannot be is a sentence and exit code 2, before anything of the host is touched."""
    host = lab.hosts["h2"]
    before = picture(host)
    done = agent(host, *flags)
    assert done.returncode == 2
    assert words in done.stderr
    assert picture(host) == before


@pytest.mark.parametrize("nic", ["lo", "docker0"])
def test_another_uplink_is_refused(joined: DockerLab, nic: str) -> None:
    """A host that has joined keeps its uplink, and all else, where the agent is given one that leads nowhere."""
    host = joined.hosts["h2"]
    wait_until(lambda: healthy(host), HEAL_SECONDS)
    host.agent_stop()
    before = picture(host)
    done = agent(host, "--uplink", nic)
    assert (done.returncode, nic in done.stderr) == (2, True)
    assert picture(host) == before
    host.agent_start("--log-format", "json")


def test_name_and_machine_id_taken(lab: DockerLab) -> None:
    """A name that another machine has is refused with that machine's address; so is a copied machine id."""
    host = lab.hosts["h2"]
    other = {"name": "h2", "dpid": "00000000000000a1", "address": "192.0.2.9", "uplink": "eth0"}
    assert lab.api.post("/hosts", other).status == 201
    done = agent(host)
    assert (done.returncode, "taken by another machine, at 192.0.2.9" in done.stderr) == (2, True)
    assert "Unclosed" not in done.stderr
    lab.api.delete("/hosts/h2")
    other |= {"name": "copy", "dpid": f"{host.dpid:016x}"}
    assert lab.api.post("/hosts", other).status == 201
    done = agent(host)
    assert (done.returncode, "the same /etc/machine-id" in done.stderr) == (2, True)
    lab.api.delete("/hosts/copy")


def test_lan_that_a_network_has(lab: DockerLab) -> None:
    """A host that has a subnet of its own where a network is cannot join, is told which, and is as it was."""
    host = lab.hosts["h2"]
    assert lab.api.post("/networks", {"name": "blue", "subnet": "10.73.0.0/24"}).status == 201
    shell(host, "ip link add lan type bridge && ip address add 10.73.0.9/16 dev lan && ip link set lan up")
    before = picture(host)
    try:
        done = agent(host)
        words = "10.73.0.0/16, on lan of host h2, overlaps 10.73.0.0/24, which is network blue"
        assert (done.returncode, words in done.stderr) == (2, True), done.stderr
        assert picture(host) == before
    finally:
        shell(host, "ip link delete lan")
        lab.api.delete("/networks/blue")


def test_waits_for_the_controller(lab: DockerLab) -> None:
    """An agent that is started before the controller joins when that one comes."""
    host = lab.hosts["h2"]
    lab.controller_stop()
    try:
        host.agent_start("--log-format", "json", wait=False)
        wait_until(lambda: "controller_awaited" in host.agent.last_words(), HEAL_SECONDS)
    finally:
        lab.controller_start()
    host.agent.wait_ready()
    wait_until(lambda: healthy(host), HEAL_SECONDS)
    assert "deleted the bridge" in leave(host)


def test_service_waits_for_docker(lab: DockerLab) -> None:
    """An agent that systemd starts before Docker says that it is ready, and joins once Docker is there."""
    host = lab.hosts["h2"]
    host.dockerd_stop()
    said: list[bytes] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        path = host.path / "notify"
        systemd.bind(str(path))
        systemd.settimeout(HEAL_SECONDS)
        command = ["env", f"NOTIFY_SOCKET={path}", *host.agent_command, "--log-format", "json"]
        try:
            host.agent.start(command, wait=False)
            said.append(systemd.recv(1000))
            wait_until(lambda: "docker_awaited" in host.agent.last_words(), HEAL_SECONDS)
        finally:
            host.dockerd_start()
        said.append(systemd.recv(1000))
        while b"waiting for Docker" in said[-1]:
            said.append(systemd.recv(1000))
    path.unlink()
    assert said[0] == b"READY=1\nSTATUS=waiting for Docker"
    assert b"waiting for the controller" in said[-1]
    host.agent.wait_ready()
    wait_until(lambda: healthy(host), HEAL_SECONDS)
    assert "deleted the bridge" in leave(host)


def test_doctor(joined: DockerLab) -> None:
    """On a host that is well the doctor finds no problem; what is cut it names, and exits with 1."""
    host = joined.hosts["h1"]

    def findings(code: int) -> list[tuple[str, str, str]]:
        done = host.exec(["daoli", "doctor", "-o", "json"], check=False, timeout=60)
        assert done.returncode == code, done.stdout + done.stderr
        return [(entry["check"], entry["level"], entry["text"]) for entry in json.loads(done.stdout)]

    wait_until(lambda: healthy(host), HEAL_SECONDS)
    checks = {check for check, level, _ in findings(0) if level == "ok"}
    assert checks >= {"kernel", "open vswitch", "docker", "agent", "bridge", "uplink", "mtu", "controller", "clock"}
    assert checks >= {"identity", "names", "firewall"}
    joined.controller_stop()
    try:
        said = findings(1)
        assert any(check == "controller" and "cannot be reached" in text for check, _, text in said)
    finally:
        joined.controller_start()
    host.agent_stop()
    shell(
        host,
        "ovs-vsctl del-port dlup -- set interface daoli mtu_request=1400; echo nameserver 127.0.0.53 >/etc/resolv.conf",
    )
    try:
        text = " ".join(text for _, level, text in findings(1) if level == "problem")
    finally:
        shell(host, "echo nameserver 10.254.0.251 >/etc/resolv.conf")
    for words in (
        "no agent runs",
        "no driver answers",
        "dlup is not a port",
        "daoli has MTU 1400",
        "loopback resolver",
    ):
        assert words in text
    host.agent_start("--log-format", "json")


def test_two_agents(joined: DockerLab) -> None:
    """A second agent on a host is refused."""
    done = agent(joined.hosts["h1"])
    assert (done.returncode, "another agent runs" in done.stderr) == (2, True)


def test_uplink_port_is_given_whole(lab: DockerLab) -> None:
    """With --uplink-port the interface itself is the bridge's port, and is given back as it was."""
    host = lab.hosts["h2"]
    shell(host, "ip link add spare type veth peer name spare-end; ip link set spare-end up; ip link set spare up")
    before = picture(host)
    host.agent_start("--uplink-port", "spare", "--log-format", "json")
    assert "spare" in shell(host, "ovs-vsctl list-ports daoli").split()
    assert "gave spare back" in leave(host)
    assert picture(host) == before
    shell(host, "ip link del spare")
