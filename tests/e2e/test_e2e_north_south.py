"""Containers and the outside: the way out, ports that lead in, and the size of what passes."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from tests.e2e.docker_rig import PATIENCE, Container, DockerRig
from tests.e2e.rig import PYTHON, Capture, Pinger, background, ping, send_raw
from tests.e2e.sandbox import Sandbox, datagram, facts, make_network, start_controller

from daoli.lab import DockerHost, Place, wait_until
from daoli.lab.plan import OUTSIDE_ADDRESS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

HEALING = 30.0
"""Seconds in which what somebody else destroyed is made good: it is looked for every 10 s."""

PAGE = "hello\n"
REFUSED, TOO_SLOW = 7, 28
"""What curl exits with."""
WEB = "echo hello >/www/index.html; head -c 1000000 /dev/urandom >/www/big; exec httpd -f -v -h /www"
HTTP_SERVER = (sys.executable, "-u", "-m", "http.server", "--directory", "/proc/self/fdinfo")

_DATAGRAM = """
import socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(3)
client.sendto(b"question\\n", (sys.argv[1], int(sys.argv[2])))
answer, peer = client.recvfrom(2000)
print(answer.decode().strip(), "by", peer[0])
"""
_ASK_IN_TURN = """
import socket, sys
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.settimeout(5)
udp.bind(("", 45000))
for host in sys.argv[1:]:
    udp.sendto(b"question", (host, 5300))
    print("udp", host, udp.recvfrom(2000)[1][0])
for host in sys.argv[1:]:
    tcp = socket.socket()
    tcp.settimeout(5)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes((1, 0, 0, 0, 0, 0, 0, 0)))
    tcp.bind(("", 45000))
    tcp.connect((host, 8088))
    tcp.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
    print("tcp", host, tcp.getpeername()[0] if b"hello" in tcp.recv(2000) + tcp.recv(2000) else "?")
    tcp.close()
"""
_ECHO = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("", 53))
print("ready", flush=True)
while True:
    question, peer = server.recvfrom(2000)
    server.sendto(question.strip() + b" from " + peer[0].encode(), peer)
"""
_KEEP_ASKING = """
import socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(0.2)
said = None
while True:
    client.sendto(b"question", (sys.argv[1], 5300))
    try:
        now = client.recv(2000).decode()
    except OSError:
        now = "silence"
    if now != said:
        print(now, flush=True)
    said = now
"""
_LISTEN = """
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((sys.argv[1], int(sys.argv[2])))
print("ready", flush=True)
while True:
    print(server.recv(2000).decode(), flush=True)
"""


@pytest.fixture
def rig(docker_rig: DockerRig) -> DockerRig:
    """Lend the Docker hosts with a network `blue`."""
    make_network(docker_rig, "blue", "--subnet", "10.1.0.0/24")
    return docker_rig


def run_web(rig: DockerRig, host: str, name: str, *options: str) -> Container:
    """Run an HTTP server that logs its clients' addresses; wait until it serves."""
    web = rig.run(host, name, "--network", "blue", *options, command=("sh", "-c", WEB))
    wait_until(lambda: get(Sandbox(web), "127.0.0.1:80") == PAGE, PATIENCE)
    return web


def get(place: Place, where: str, path: str = "", *options: str) -> str | None:
    """Fetch a page by HTTP; None if it cannot be had."""
    command = ["curl", "-sS", "-m", "5", *options, f"http://{where}/{path}"]
    done = place.exec(command, check=False, timeout=30)
    return done.stdout if done.returncode == 0 else None


def digest(place: Place, url: str) -> str:
    """Fetch a page and give its MD5."""
    return place.exec(["sh", "-c", f"curl -sS -m 30 http://{url} | md5sum"], timeout=60).stdout.split()[0]


def ask_udp(place: Place, where: str) -> str:
    """Ask at UDP port 5300 until somebody answers; give what is said, and by whom."""
    return wait_until(lambda: place.exec([*PYTHON, _DATAGRAM, where, "5300"], check=False).stdout, PATIENCE)


def clients(web: Container) -> list[str]:
    """The addresses that a server's log names, but for the server's own."""
    done = web.host.docker("logs", web.name)
    found = re.findall(r"\[(?:::ffff:)?([0-9.]+)\]:\d+: response", done.stdout + done.stderr)
    return [each for each in found if each != "127.0.0.1"]


def own_port(container: Container, target: int) -> int:
    """The host's port that leads to a container's; any was asked for, or one of a range."""
    rules = container.host.exec(["nft", "list", "chain", "ip", "daoli", "prerouting"]).stdout
    to = re.escape(f"{container.address('blue')}:{target}")
    found = re.search(rf"dport (\d+) dnat to {to} ", rules)
    assert found, rules
    return int(found[1])


def publish(rig: DockerRig, **wanted: object) -> str:
    """Publish a port by the controller, once it knows the container; give the publication's id."""
    wait_until(lambda: wanted["target"] in {each["name"] for each in rig.get("/endpoints")["endpoints"]}, PATIENCE)
    answer = rig.lab.api.post("/publish", wanted)
    assert answer.status == 201, answer
    return str(answer.body["id"])


def dockers_rules(host: DockerHost) -> list[str]:
    """The rules that are Docker's, or that it has let us make."""
    return [
        line for table in ("filter", "nat") for line in host.exec(["iptables", "-t", table, "-S"]).stdout.split("\n")
    ]


# -- the way out -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["h1", "h2"])
def test_outside_is_reached_by_the_host(rig: DockerRig, host: str) -> None:
    """What a container sends to the outside comes from its host's address, and the answers come back."""
    box = rig.run(host, "box", "--network", "blue")
    with background(rig.lab.outside, *HTTP_SERVER, "8000", ready="Serving") as server:
        assert box.reaches(OUTSIDE_ADDRESS)
        assert get(Sandbox(box), f"{OUTSIDE_ADDRESS}:8000") is not None
        server.kill()
        assert server.stdout is not None
        assert server.stdout.readline().startswith(f"{rig[host].address} ")


def test_internal_network_has_no_way_out(rig: DockerRig) -> None:
    """From an internal network nobody outside is reached, nor does a published port lead in."""
    make_network(rig, "inner", "--subnet", "10.7.0.0/24", "--internal")
    box = rig.run("h1", "box", "--network", "inner", "-p", "8080:80", command=("httpd", "-f"))
    other = rig.run("h2", "other", "--network", "inner")
    assert other.reaches("box")
    with Capture(rig.lab.outside, "icmp") as capture:
        assert not box.reaches(OUTSIDE_ADDRESS)
        assert ping(rig.lab.outside, rig["h1"].address).returncode == 0
        assert not any(
            "10.7.0" in line or f"{rig['h1'].address} > {OUTSIDE_ADDRESS}: ICMP echo request" in line
            for line in capture.stop()
        )
    assert get(rig.lab.outside, f"{rig['h1'].address}:8080", "", "-m", "1") is None


def test_docker_and_we_leave_each_other_alone(rig: DockerRig) -> None:
    """Docker's own bridge, masquerade and published ports work beside ours, and its rules are what they were."""
    h1 = rig["h1"]
    before = dockers_rules(h1)
    rig.run("h1", "theirs", "-p", "8081:80", command=("sh", "-c", WEB))
    web = run_web(rig, "h1", "web", "-p", "8080:80")
    at = h1.address
    for port in (8080, 8081):
        wait_until(lambda port=port: get(rig.lab.outside, f"{at}:{port}") == PAGE, PATIENCE)  # type: ignore[misc]
    assert Container(h1, "theirs").reaches(OUTSIDE_ADDRESS)
    assert web.reaches(OUTSIDE_ADDRESS)
    assert not Container(h1, "theirs").reaches(web.address("blue"))
    Container(h1, "theirs").remove()
    web.remove()
    assert dockers_rules(h1) == before


def test_docker_networks_stay_apart(rig: DockerRig) -> None:
    """Containers reach those of Docker's own bridges by published ports only, as these reach each other."""
    h1 = rig["h1"]
    h1.docker("network", "create", "theirs")
    box = rig.run("h1", "box", "--network", "blue")
    for name, *options in (("one", "--network", "bridge"), ("two", "--network", "theirs", "-p", "8082:80")):
        hidden = rig.run("h1", name, *options, command=("sh", "-c", WEB))
        network = options[1]
        at = hidden.address(network)
        wait_until(lambda at=at: get(h1, f"{at}:80") == PAGE, PATIENCE)  # type: ignore[misc]
        assert not box.reaches(at), network
        assert get(Sandbox(box), f"{at}:80", "", "-m", "1") is None
    assert get(Sandbox(box), f"{h1.address}:8082") == PAGE
    assert box.reaches(OUTSIDE_ADDRESS)


def test_rules_of_the_admin_win(rig: DockerRig) -> None:
    """What DOCKER-USER drops stays dropped after the agent has looked at its rules, wherever it stands there."""
    h1, box = rig["h1"], rig.run("h1", "box", "--network", "blue")
    h1.exec(["iptables", "-F", "DOCKER-USER"])
    h1.exec(["iptables", "-A", "DOCKER-USER", "-s", "10.1.0.0/24", "-d", OUTSIDE_ADDRESS, "-j", "DROP"])
    h1.exec(["iptables", "-A", "DOCKER-USER", "-j", "RETURN"])
    before = h1.exec(["iptables", "-S", "DOCKER-USER"]).stdout
    h1.exec(["iptables", "-D", "FORWARD", "-j", "DAOLI-FORWARD"])
    try:
        wait_until(lambda: "DAOLI-FORWARD" in h1.exec(["iptables", "-S", "FORWARD"]).stdout, HEALING)
        assert not box.reaches(OUTSIDE_ADDRESS)
        assert h1.exec(["iptables", "-S", "DOCKER-USER"]).stdout == before
    finally:
        h1.exec(["iptables", "-D", "DOCKER-USER", "1"])
    assert box.reaches(OUTSIDE_ADDRESS)


def test_dockerd_restarts(rig: DockerRig) -> None:
    """After Docker was started again, with its rules made anew, ports lead in and the way out is there."""
    web = run_web(rig, "h1", "web", "-p", "8080:80", "--restart", "always")
    h1 = rig["h1"]
    h1.dockerd_stop()
    h1.dockerd_start()
    wait_until(lambda: get(rig.lab.outside, f"{h1.address}:8080") == PAGE, HEALING)
    wait_until(lambda: web.reaches(OUTSIDE_ADDRESS), HEALING)


def test_flushed_rules_come_back(rig: DockerRig) -> None:
    """After somebody has flushed all of the host's rules, ours are there again."""
    run_web(rig, "h1", "web", "-p", "8080:80")
    h1 = rig["h1"]
    h1.exec(["nft", "flush", "ruleset"])
    try:
        assert get(rig.lab.outside, f"{h1.address}:8080") is None
        wait_until(lambda: get(rig.lab.outside, f"{h1.address}:8080") == PAGE, HEALING)
    finally:
        h1.dockerd_stop()
        h1.dockerd_start()  # for its own


# -- docker run -p -----------------------------------------------------------------------------------------------------


def test_published_port_from_everywhere(rig: DockerRig) -> None:
    """A port leads in from outside, the host itself and containers anywhere; who comes from afar is seen as himself."""
    web = run_web(rig, "h1", "web", "-p", "8080:80")
    near, far = rig.run("h1", "near", "--network", "blue"), rig.run("h2", "far", "--network", "blue")
    h1, h2 = rig["h1"], rig["h2"]
    at = f"{h1.address}:8080"
    for place, where, seen in (
        (rig.lab.outside, at, OUTSIDE_ADDRESS),
        (h2, at, h2.address),
        (h1, at, h1.address),
        (h1, "localhost:8080", h1.address),
        (h1, "127.0.0.1:8080", h1.address),
        (Sandbox(far), at, h2.address),
        (Sandbox(near), at, h1.address),
        (Sandbox(web), at, h1.address),
    ):
        assert get(place, where) == PAGE, (place, where, seen)
        assert clients(web)[-1] == seen, (place, where, seen)
    assert get(h2, "127.0.0.1:8080") is None
    web.remove()
    assert get(rig.lab.outside, at) is None


def test_port_of_one_address(rig: DockerRig) -> None:
    """A port that is published on loopback only is not there for anyone else."""
    run_web(rig, "h1", "web", "-p", "127.0.0.1:8080:80")
    h1 = rig["h1"]
    assert get(h1, "127.0.0.1:8080") == PAGE
    assert get(h1, f"{h1.address}:8080") is None
    assert get(rig.lab.outside, f"{h1.address}:8080") is None


def test_udp_port(rig: DockerRig) -> None:
    """A UDP port leads in, and the answer comes from where the question was sent."""
    echo = rig.run("h1", "echo", "--network", "blue", "-p", "5300:53/udp")
    h1 = rig["h1"]
    with background(Sandbox(echo), *PYTHON, _ECHO, ready="ready"):
        for place, where, seen in (
            (rig.lab.outside, h1.address, OUTSIDE_ADDRESS),
            (h1, "127.0.0.1", h1.address),
            (rig["h2"], h1.address, rig["h2"].address),
        ):
            assert ask_udp(place, where) == f"question from {seen} by {where}\n"


def test_chosen_ports_and_clashes(rig: DockerRig) -> None:
    """Any port, and one of a range, are chosen by the host; a port that is taken, by whomever, is refused in words."""
    web = run_web(rig, "h1", "web", "-p", "80", "-p", "9000-9001:81")
    at = rig["h1"].address
    assert get(rig.lab.outside, f"{at}:{own_port(web, 80)}") == PAGE
    assert own_port(web, 81) == 9000
    second = run_web(rig, "h1", "second", "-p", "9000-9001:80")
    assert own_port(second, 80) == 9001
    options = ("run", "-d", "--init", "--network", "blue", "-p", "9000:80", "daoli/tools", "sleep", "1000")
    refused = rig["h1"].docker(*options, check=False)
    assert refused.returncode
    assert "port is already allocated" in refused.stderr
    theirs = rig["h1"].docker("run", "-d", "-p", "9000:80", "daoli/tools", "sleep", "1000", check=False)
    assert theirs.returncode
    assert rig["h1"].docker("ps", "-q").stdout.count("\n") == 2
    web.remove()
    rig["h1"].docker("run", "-d", "--init", "--name", "third", *options[3:])


# -- publications of the fabric ----------------------------------------------------------------------------------------


def test_publication_on_another_host(rig: DockerRig) -> None:
    """By another host a client gets a megabyte, and is seen as itself, while the server pings it by its own host."""
    web = run_web(rig, "h1", "web")
    publish(rig, host="h2", port=8088, target="web", target_port=80)
    at = f"{rig['h2'].address}:8088"
    wait_until(lambda: get(rig.lab.outside, at) == PAGE, PATIENCE)
    wanted = web.exec("md5sum", "/www/big").stdout.split()[0]
    with Pinger(Sandbox(web), OUTSIDE_ADDRESS) as pinger:
        pinger.wait_for(5)
        for _ in range(3):
            assert digest(rig.lab.outside, f"{at}/big") == wanted
            pinger.wait_for(5)
    assert set(clients(web)) == {OUTSIDE_ADDRESS}
    assert get(rig.lab.outside, f"{rig['h1'].address}:8088") is None


def test_publication_of_a_taken_port(rig: DockerRig) -> None:
    """A port that Docker has on a host is told at once, by all that one asks, and leads there once it is free."""
    run_web(rig, "h1", "web")
    h2, controller = rig["h2"], rig.lab.controller
    h2.docker("run", "-d", "--init", "--name", "squatter", "-p", "9090:80", "daoli/tools", "sleep", "1000")
    wait_until(lambda: "web" in {each["name"] for each in rig.get("/endpoints")["endpoints"]}, PATIENCE)
    done = controller.exec(["daolictl", "publish", "9090", "web:80"], check=False)
    assert done.returncode == 1
    assert "h2: tcp port 9090: Address already in use" in done.stderr
    assert "h1" not in done.stderr
    (found,) = rig.get("/publish")["publications"]
    assert [problem["host"] for problem in found["problems"]] == ["h2"]
    assert "9090" in controller.exec(["daolictl", "publish", "ls", "-o", "wide"]).stdout.split("h2: ")[1]
    assert f"daolictl publish rm {found['id']}" in controller.exec(["daolictl", "doctor"], check=False).stdout
    h2.docker("rm", "-f", "squatter")
    wait_until(lambda: rig.get(f"/publish/{found['id']}")["problems"] == [], HEALING)
    assert get(rig.lab.outside, f"{h2.address}:9090") == PAGE
    controller.exec(["daolictl", "publish", "rm", "9090"])
    assert controller.exec(["daolictl", "publish", "9091", "web:80"]).stderr == ""


def test_publication_on_all_hosts(rig: DockerRig) -> None:
    """A port of all hosts leads to one container, for clients outside, on hosts and in containers."""
    web = run_web(rig, "h1", "web")
    box = Sandbox(rig.run("h3", "box", "--network", "blue"))
    published = publish(rig, port=8088, target="web", target_port=80)
    for host in rig.lab.hosts.values():
        at = f"{host.address}:8088"
        wait_until(lambda at=at: get(rig.lab.outside, at) == PAGE, PATIENCE)  # type: ignore[misc]
        assert clients(web)[-1] == OUTSIDE_ADDRESS
        assert get(host, "127.0.0.1:8088") == PAGE
        assert clients(web)[-1] == host.address
        assert get(box, at) == PAGE
    answer = rig.lab.api.delete(f"/publish/{published}")
    assert answer.status == 200
    for host in rig.lab.hosts.values():
        wait_until(lambda host=host: get(rig.lab.outside, f"{host.address}:8088") is None, PATIENCE)  # type: ignore[misc]


def test_client_goes_from_host_to_host(rig: DockerRig) -> None:
    """A client that comes to several hosts from one port, the container's among them, is answered by each at once."""
    web = run_web(rig, "h3", "web")
    publish(rig, port=8088, target="web", target_port=80)
    publish(rig, port=5300, target="web", target_port=53, protocol="udp")
    hosts = [rig[name].address for name in ("h1", "h3", "h2", "h3", "h3", "h1", "h2", "h1", "h3")]
    outside = rig.lab.outside
    with background(Sandbox(web), *PYTHON, _ECHO, ready="ready"), Pinger(Sandbox(web), OUTSIDE_ADDRESS) as pinger:
        for at in set(hosts):
            wait_until(lambda at=at: get(outside, f"{at}:8088") == PAGE, PATIENCE)  # type: ignore[misc]
            ask_udp(outside, at)
        pinger.wait_for(5)
        said = outside.exec([*PYTHON, _ASK_IN_TURN, *hosts], timeout=60).stdout.splitlines()
        pinger.wait_for(5)
    assert said == [f"{protocol} {at} {at}" for protocol in ("udp", "tcp") for at in hosts]


def test_udp_publication_on_another_host(rig: DockerRig) -> None:
    """A UDP port of another host leads in, and the answer comes from there."""
    echo = rig.run("h1", "echo", "--network", "blue")
    publish(rig, host="h2", port=5300, target="echo", target_port=53, protocol="udp")
    at = rig["h2"].address
    with background(Sandbox(echo), *PYTHON, _ECHO, ready="ready"):
        assert ask_udp(rig.lab.outside, at) == f"question from {OUTSIDE_ADDRESS} by {at}\n"


@pytest.mark.timeout(60)
def test_udp_client_follows_too(rig: DockerRig) -> None:
    """A client that keeps sending from one port reaches the container after its restart at another address."""
    echo = rig.run("h1", "echo", "--network", "blue")
    publish(rig, host="h2", port=5300, target="echo", target_port=53, protocol="udp")
    before = echo.address("blue")
    at = rig["h2"].address
    with background(Sandbox(echo), *PYTHON, _ECHO, ready="ready"):
        ask_udp(rig.lab.outside, at)
        with background(rig.lab.outside, *PYTHON, _KEEP_ASKING, at, ready="from") as client:
            rig["h1"].docker("restart", "-t", "1", "echo")
            assert echo.address("blue") != before
            with background(Sandbox(echo), *PYTHON, _ECHO, ready="ready"):
                assert client.stdout is not None
                assert "silence" in client.stdout.readline()
                assert client.stdout.readline() == f"question from {OUTSIDE_ADDRESS}\n"


def test_publication_follows_its_container(rig: DockerRig) -> None:
    """A publication leads to its container's new address after a restart, and goes when the container is removed."""
    web = run_web(rig, "h1", "web")
    publish(rig, host="h2", port=8088, target="web", target_port=80)
    at = f"{rig['h2'].address}:8088"
    wait_until(lambda: get(rig.lab.outside, at) == PAGE, PATIENCE)
    before = web.address("blue")
    rig["h1"].docker("stop", "web")
    wait_until(lambda: get(rig.lab.outside, at) is None, PATIENCE)
    rig["h1"].docker("start", "web")
    assert web.address("blue") != before
    wait_until(lambda: get(rig.lab.outside, at) == PAGE, PATIENCE)
    web.remove()
    wait_until(lambda: rig.get("/publish")["publications"] == [], PATIENCE)
    wait_until(lambda: "8088" not in rig["h2"].exec(["nft", "list", "table", "ip", "daoli"]).stdout, PATIENCE)


def test_publication_of_a_container_removed_meanwhile(rig: DockerRig) -> None:
    """A container that is removed while the controller is away takes its publications along once it is back."""
    web = run_web(rig, "h1", "web")
    publish(rig, host="h2", port=8088, target="web", target_port=80)
    rig.lab.controller_kill()
    try:
        web.remove()
    finally:
        start_controller(rig)
    wait_until(lambda: rig.get("/publish")["publications"] == [], PATIENCE)


# -- policy ------------------------------------------------------------------------------------------------------------


def connects(place: Place, where: str) -> int:
    """Fetch a page within two seconds; give curl's exit code, 7 where the connection is refused."""
    return place.exec(["curl", "-sS", "-o", "/dev/null", "-m", "2", f"http://{where}/"], check=False).returncode


def test_rules_hold_for_published_ports(rig: DockerRig) -> None:
    """A container that is denied another does not reach it by a host's port either, of whatever kind and host."""
    web = run_web(rig, "h3", "web", "-p", "8080:80", "-p", "80")
    box, near = (Sandbox(rig.run(host, name, "--network", "blue")) for host, name in (("h1", "box"), ("h3", "near")))
    publish(rig, port=8081, target="web", target_port=80)
    third = rig["h3"].address
    ways = [f"{host.address}:8081" for host in rig.lab.hosts.values()]
    ways += [f"{third}:8080", f"{third}:{own_port(web, 80)}"]
    for at in ways:
        wait_until(lambda at=at: get(box, at) == get(near, at) == PAGE, PATIENCE)  # type: ignore[misc]
    denial = {"action": "deny", "source": {"network": "blue"}, "destination": {"endpoint": "web"}, "priority": 60000}
    answer = rig.lab.api.post("/rules", denial)
    assert answer.status == 201, answer
    for at in ways:
        assert connects(box, at) == connects(near, at) == REFUSED, at
        assert get(rig.lab.outside, at) == PAGE
    said = rig.get(f"/explain?source=box&destination={third}&protocol=tcp&port=8080")
    assert (said["allowed"], said["rule"]) == (False, answer.body["id"])
    assert said["reason"].startswith("by published port 8080 of h3, which leads to web: denied by rule")
    assert rig.lab.api.delete(f"/rules/{answer.body['id']}").status == 200
    for at in ways:
        assert get(box, at) == get(near, at) == PAGE, at


def test_rule_cuts_a_transfer_by_a_published_port(rig: DockerRig) -> None:
    """What goes on by a host's port stops when a rule comes that denies it, and the answer names the routes."""
    run_web(rig, "h3", "web", "-p", "8080:80")
    box = Sandbox(rig.run("h1", "box", "--network", "blue"))
    publish(rig, port=8081, target="web", target_port=80)
    ways = (f"{rig['h3'].address}:8080", f"{rig['h1'].address}:8081")
    for at in ways:
        wait_until(lambda at=at: get(box, at) == PAGE, PATIENCE)  # type: ignore[misc]
        slowly = ("curl", "-sS", "-o", "/dev/null", "-D", "/dev/stderr", "--limit-rate", "20k", "-y", "3", "-Y", "1")
        with background(box, *slowly, f"http://{at}/big", ready="200 OK") as transfer:
            rule = {"action": "deny", "source": {"endpoint": "box"}, "destination": {"endpoint": "web"}}
            answer = rig.lab.api.post("/rules", rule)
            host = at.partition(":")[0]
            cut = [
                route for route in answer.body["cut"] if host in (route["source_address"], route["destination_address"])
            ]
            assert cut, answer
            assert transfer.wait(30) == TOO_SLOW
        assert rig.lab.api.delete(f"/rules/{answer.body['id']}").status == 200


def test_other_addresses_of_a_host_lead_nowhere(rig: DockerRig) -> None:
    """A container reaches published ports at its host's fabric address only, where policy knows them."""
    run_web(rig, "h1", "web", "-p", "8080:80")
    box = Sandbox(rig.run("h1", "box", "--network", "blue"))
    wait_until(lambda: get(box, f"{rig['h1'].address}:8080") == PAGE, PATIENCE)
    assert get(rig["h1"], "172.17.0.1:8080") == PAGE
    assert connects(box, "172.17.0.1:8080") == REFUSED


# -- what stays shut ---------------------------------------------------------------------------------------------------


def test_nothing_else_leads_in(rig: DockerRig) -> None:
    """Who routes to containers by a host reaches none of them, not even on a port that is published."""
    web = run_web(rig, "h1", "web", "-p", "8080:80")
    outside = rig.lab.outside
    at = web.address("blue")
    for host in ("h1", "h2"):
        outside.exec(["ip", "route", "replace", "10.1.0.0/24", "via", rig[host].address])
        try:
            assert get(outside, f"{at}:80", "", "-m", "1") is None
            assert ping(outside, at, "-W1").returncode
        finally:
            outside.exec(["ip", "route", "del", "10.1.0.0/24"])
    assert get(outside, f"{rig['h1'].address}:8080") == PAGE
    assert clients(web) == [OUTSIDE_ADDRESS]


def test_hosts_loopback_is_its_own(rig: DockerRig) -> None:
    """What listens on a host's loopback is not reached by its containers, whatever they write into their packets."""
    box = rig.run("h1", "box", "--network", "blue")
    here = Sandbox(box)
    h1 = rig["h1"]
    own = facts(box, "blue")
    with background(h1, *PYTHON, _LISTEN, "0.0.0.0", "7777", ready="ready") as server:
        assert here.exec([*PYTHON, _DATAGRAM, "127.0.0.1", "7777"], check=False).returncode
        for target in ("127.0.0.1", "127.0.0.1", h1.address):
            send_raw(here, datagram(own, (target, 7777), target.encode()))
        assert server.stdout is not None
        assert server.stdout.readline() == f"{h1.address}\n"


# -- size --------------------------------------------------------------------------------------------------------------


def mtu(place: Place, nic: str = "eth0") -> int:
    """The MTU of an interface."""
    return int(place.exec(["cat", f"/sys/class/net/{nic}/mtu"]).stdout)


def inner_mtu(container: Container) -> int:
    """The MTU of a container's first interface."""
    return int(container.exec("cat", "/sys/class/net/eth0/mtu").stdout)


def full_ping(container: Container, target: str, size: int) -> subprocess.CompletedProcess[str]:
    """Ping with packets that may not be cut."""
    return ping(Sandbox(container), target, "-M", "do", "-s", str(size))


def test_full_size_across_hosts(rig: DockerRig) -> None:
    """The largest packet passes from host to host, a larger one is refused where it is sent, and TCP fills them."""
    web = run_web(rig, "h1", "web")
    box = rig.run("h2", "box", "--network", "blue")
    at = web.address("blue")
    assert inner_mtu(web) == mtu(rig["h1"]) == mtu(rig["h1"], "daoli") == 1500
    assert full_ping(box, at, 1472).returncode == 0
    too_big = full_ping(box, at, 1473)
    assert too_big.returncode
    assert "message too long" in (too_big.stdout + too_big.stderr).lower()
    web.exec("sh", "-c", "for n in 1 2 3 4 5 6 7 8 9 10; do cat /www/big; done >/www/huge")
    wanted = web.exec("md5sum", "/www/huge").stdout.split()[0]
    with Capture(Sandbox(web), "tcp", "src", "port", "80") as capture:
        assert digest(Sandbox(box), f"{at}/huge") == wanted
        assert any("length 1448" in line for line in capture.stop())
    assert full_ping(box, OUTSIDE_ADDRESS, 1472).returncode == 0


def test_mtu_follows_the_uplink(rig: DockerRig) -> None:
    """Containers that start after the NIC got another MTU have that one, and so has the host's own port."""
    hosts = [rig["h1"], rig["h2"]]
    for host in hosts:
        host.exec(["ip", "link", "set", "eth0", "mtu", "1400"])
    try:
        for host in hosts:
            wait_until(lambda host=host: mtu(host, "dlup") == mtu(host, "daoli") == 1400, HEALING)  # type: ignore[misc]
        web = run_web(rig, "h1", "web")
        box = rig.run("h2", "box", "--network", "blue")
        at = web.address("blue")
        assert inner_mtu(web) == inner_mtu(box) == 1400
        assert full_ping(box, at, 1372).returncode == 0
        assert full_ping(box, at, 1373).returncode
        assert digest(Sandbox(box), f"{at}/big") == web.exec("md5sum", "/www/big").stdout.split()[0]
        wait_until(lambda: rig.get("/hosts/h1")["mtu"] == 1400, PATIENCE)
    finally:
        for host in hosts:
            host.exec(["ip", "link", "set", "eth0", "mtu", "1500"])
    for host in hosts:
        wait_until(lambda host=host: mtu(host, "dlup") == mtu(host, "daoli") == 1500, HEALING)  # type: ignore[misc]
