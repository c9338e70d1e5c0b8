"""Docker's driver on real engines: networks that are everywhere, addresses that are unique, and what goes wrong."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from tests.e2e.docker_rig import IDLE, TOOLS, Container, DockerRig

from daoli.lab import DockerHost, wait_until
from daoli.lab.plan import OUTSIDE_ADDRESS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

HEAL = 20.0
"""Seconds in which what went wrong behind the agent's back is right again."""
FAST = 6.0
"""Seconds in which Docker says no while the controller is away."""
WORKERS = 8
STORM = 30

HOST_FIELDS = {"name", "dpid", "address", "uplink", "site", "labels", "gateway", "mtu", "subnets"}
DAOLI = ("-d", "daoli", "--ipam-driver", "daoli")
COMPOSE = """
version: "2.4"
services:
  web:
    image: daoli/tools
    init: true
    command: sh -c "echo hello >/www/index.html; exec httpd -f -h /www"
    networks:
      front: {aliases: [www], ipv4_address: 10.8.0.77}
      back: {}
  client:
    image: daoli/tools
    init: true
    command: sleep 100000
    depends_on: [web]
    networks: [front]
networks:
  front:
    driver: daoli
    ipam: {driver: daoli, config: [{subnet: 10.8.0.0/24}]}
  back:
    driver: daoli
    internal: true
    ipam: {driver: daoli}
"""


def make(rig: DockerRig, host: str, name: str, *options: str) -> None:
    """Make a network on one host, and wait until all have it."""
    rig[host].docker("network", "create", *DAOLI, *options, name)
    wait_until(lambda: everywhere(rig, name), HEAL)


def everywhere(rig: DockerRig, name: str) -> bool:
    """Whether the controller and all hosts have a network."""
    return name in fabric(rig) and all(name in rig.networks(host) for host in rig.lab.hosts)


def nowhere(rig: DockerRig, name: str) -> bool:
    """Whether neither the controller nor any host has a network."""
    return name not in fabric(rig) and not any(name in rig.networks(host) for host in rig.lab.hosts)


def fabric(rig: DockerRig) -> list[str]:
    """The names of the controller's networks."""
    return [network["name"] for network in rig.get("/networks")["networks"]]


def refusal(host: DockerHost, *words: str) -> str:
    """What Docker says to a command that it refuses."""
    done = host.docker(*words, check=False)
    assert done.returncode, done
    return done.stderr


def said(host: DockerHost, event: str, since: int = 0) -> list[dict[str, str]]:
    """The entries of an agent's log of one kind."""
    lines = host.agent.log.read_text()[since:].splitlines()
    return [entry for line in lines if f'"{event}"' in line and (entry := json.loads(line))["event"] == event]


def log_size(host: DockerHost) -> int:
    """Where an agent's log ends now."""
    return len(host.agent.log.read_text())


def routed(host: DockerHost, subnet: str) -> bool:
    """Whether a host has a route to a network of the fabric."""
    return "daoli" in host.exec(["ip", "route", "show", subnet]).stdout


def ports(host: DockerHost) -> set[str]:
    """The containers' ports of the bridge."""
    return {port for port in host.vsctl("list-ports", "daoli").split() if port not in {"dlup", "dldns"}}


def veths(host: DockerHost) -> set[str]:
    """The containers' cables."""
    shown = json.loads(host.exec(["ip", "-j", "link", "show", "type", "veth"]).stdout or "[]")
    return {link["ifname"] for link in shown if link["ifname"][:2] in {"dl", "dc"}}


def leases(rig: DockerRig, host: str = "") -> set[str]:
    """The addresses leased, by all hosts or one."""
    shown = rig.get("/leases" + (f"?host={host}" if host else ""))["leases"]
    return {lease["ipv4"] for lease in shown}


def endpoints(rig: DockerRig, host: str = "") -> set[str]:
    """The addresses of the endpoints that the controller knows, of all hosts or one."""
    return {shown["ipv4"] for shown in rig.get("/endpoints")["endpoints"] if host in {"", shown["host"]}}


def left(rig: DockerRig, host: str) -> list[set[str]]:
    """What containers have on a host and in the controller's books."""
    return [ports(rig[host]), veths(rig[host]), leases(rig, host), endpoints(rig, host)]


@contextmanager
def controller_away(rig: DockerRig) -> Iterator[None]:
    """Stop the controller for a while, and wait until the agents have noticed."""
    rig.lab.controller_stop()
    try:
        yield
    finally:
        rig.lab.controller_start("--idle-timeout", "2")
        rig.lab.wait_joined()


# -- networks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["h1", "h3"])
def test_network_of_any_host_is_everywhere(docker_rig: DockerRig, host: str) -> None:
    """What `docker network create` makes on a host exists on all, with its labels, and goes from all."""
    rig = docker_rig
    make(rig, host, "dnet1", "--subnet", "10.1.0.0/24", "--label", "team=blue")
    for other in rig.lab.hosts.values():
        shown = json.loads(other.docker("network", "inspect", "dnet1").stdout)[0]
        assert shown["IPAM"]["Config"][0]["Subnet"] == "10.1.0.0/24"
        assert shown["Labels"] == {"team": "blue"}
    rig["h2"].docker("network", "rm", "dnet1")
    wait_until(lambda: nowhere(rig, "dnet1"), HEAL)


def test_network_of_the_api_is_everywhere(docker_rig: DockerRig) -> None:
    """A network made and removed by the controller's API comes to all engines, and goes."""
    rig = docker_rig
    body = {"name": "dnet1", "subnet": "10.1.0.0/24", "range": "10.1.0.128/25", "reserved": ["10.1.0.129"]}
    assert rig.lab.api.post("/networks", body).status == 201
    wait_until(lambda: everywhere(rig, "dnet1"), HEAL)
    config = json.loads(rig["h2"].docker("network", "inspect", "dnet1").stdout)[0]["IPAM"]["Config"][0]
    assert config["IPRange"] == "10.1.0.128/25"
    assert list(config["AuxiliaryAddresses"].values()) == ["10.1.0.129"]
    assert rig.run("h2", "c1", "--network", "dnet1").address("dnet1") in {"10.1.0.128", "10.1.0.130"}
    rig["h2"].docker("rm", "-f", "c1")
    wait_until(lambda: rig.lab.api.delete("/networks/dnet1").status == 200, HEAL)
    wait_until(lambda: nowhere(rig, "dnet1"), HEAL)


def test_agent_that_comes_later(docker_rig: DockerRig) -> None:
    """A network made while an agent is away is made on its host when it is back; one removed is removed."""
    rig = docker_rig
    make(rig, "h1", "old", "--subnet", "10.2.0.0/24")
    rig["h3"].agent_stop()
    try:
        rig["h1"].docker("network", "create", *DAOLI, "--subnet", "10.1.0.0/24", "dnet1")
        rig["h1"].docker("network", "rm", "old")
        wait_until(lambda: fabric(rig) == ["dnet1"], HEAL)
    finally:
        rig["h3"].agent_start()
    wait_until(lambda: rig.networks("h3") == {"dnet1"}, HEAL)


def test_network_in_use_elsewhere_is_put_back(docker_rig: DockerRig) -> None:
    """`docker network rm` of what another host's container uses is undone at once, and the log says why."""
    rig = docker_rig
    make(rig, "h1", "dnet1", "--subnet", "10.1.0.0/24")
    one, two = rig.run("h2", "web", "--network", "dnet1"), rig.run("h3", "db", "--network", "dnet1")
    since = log_size(rig["h1"])
    rig["h1"].docker("network", "rm", "dnet1")
    wait_until(lambda: everywhere(rig, "dnet1"), HEAL)
    assert "db on h3, web on h2" in said(rig["h1"], "network_put_back", since)[0]["reason"]
    assert one.reaches(two.address("dnet1"))
    assert rig.run("h1", "c1", "--network", "dnet1").reaches(one.address("dnet1"))
    answer = rig.lab.api.delete("/networks/dnet1")
    assert answer.status == 409
    assert "web on h2" in answer.body["detail"]


def test_network_made_and_removed_at_once(docker_rig: DockerRig) -> None:
    """A network that is removed as soon as it is made does not come back."""
    rig = docker_rig
    for _ in range(3):
        rig["h1"].docker("network", "create", *DAOLI, "--subnet", "10.1.0.0/24", "flash")
        rig["h1"].docker("network", "rm", "flash")
    wait_until(lambda: nowhere(rig, "flash"), HEAL)
    rig["h1"].docker("network", "create", *DAOLI, "--subnet", "10.1.0.0/24", "mark")
    wait_until(lambda: everywhere(rig, "mark"), HEAL)
    assert nowhere(rig, "flash")


def test_same_name_from_two_hosts_at_once(docker_rig: DockerRig) -> None:
    """Of two networks with one name, or one subnet, that two hosts make at once, one comes to be on all."""
    rig = docker_rig
    names = {"h1": ("twin", "10.1.0.0/24"), "h2": ("twin", "10.2.0.0/24"), "h3": ("other", "10.1.0.0/24")}

    def create(host: str) -> None:
        name, subnet = names[host]
        rig[host].docker("network", "create", *DAOLI, "--subnet", subnet, name, check=False)

    with ThreadPoolExecutor() as workers:
        list(workers.map(create, names))

    def same() -> bool:
        known = {network["name"]: network["subnet"] for network in rig.get("/networks")["networks"]}
        found = [subnets(rig[host]) for host in rig.lab.hosts]
        return bool(known) and all(each == known for each in found)

    wait_until(same, HEAL)
    assert len(set(subnets(rig["h1"]).values())) == len(subnets(rig["h1"]))


def subnets(host: DockerHost) -> dict[str, str]:
    """The subnets of a host's networks of ours, by name."""
    ids = host.docker("network", "ls", "-q", "-f", "driver=daoli").stdout.split()
    shown = json.loads(host.docker("network", "inspect", *ids, check=False).stdout) if ids else []
    return {network["Name"]: network["IPAM"]["Config"][0]["Subnet"] for network in shown}


def test_network_without_subnet(docker_rig: DockerRig) -> None:
    """Without --subnet a network gets a free one of the controller's pool, the same everywhere."""
    rig = docker_rig
    make(rig, "h1", "one")
    make(rig, "h2", "two")
    known = subnets(rig["h3"])
    assert all(subnet.startswith("10.210.") for subnet in known.values())
    assert len(set(known.values())) == 2
    a, b = rig.run("h1", "c1", "--network", "one"), rig.run("h3", "c3", "--network", "one")
    assert a.reaches(b.address("one"))


def test_options_of_addresses(docker_rig: DockerRig) -> None:
    """--gateway, --ip-range and --aux-address hold on every host."""
    rig = docker_rig
    options = ("--gateway", "10.1.0.254", "--ip-range", "10.1.0.64/29", "--aux-address", "printer=10.1.0.65")
    make(rig, "h1", "dnet1", "--subnet", "10.1.0.0/24", *options)
    found = [rig.run(host, f"c{host}", "--network", "dnet1") for host in rig.lab.hosts]
    assert {each.address("dnet1") for each in found} <= {f"10.1.0.{number}" for number in (64, *range(66, 72))}
    assert "default via 10.1.0.254" in found[1].exec("ip", "route").stdout
    assert found[0].reaches("10.1.0.254")
    assert "reserved" in refusal(rig["h2"], "run", "--rm", "--network", "dnet1", "--ip", "10.1.0.65", TOOLS, "true")


def test_internal_network(docker_rig: DockerRig) -> None:
    """An internal network has no way out, reaches across hosts, and leaves the way out to another network."""
    rig = docker_rig
    make(rig, "h1", "closed", "--subnet", "10.1.0.0/24", "--internal")
    one, two = rig.run("h1", "c1", "--network", "closed"), rig.run("h2", "c2", "--network", "closed")
    assert one.reaches(two.address("closed"))
    assert not one.reaches(rig["h2"].address)
    assert not one.reaches(OUTSIDE_ADDRESS)
    make(rig, "h1", "open", "--subnet", "10.2.0.0/24")
    rig["h1"].docker("network", "connect", "open", "c1")
    assert one.reaches(OUTSIDE_ADDRESS)
    assert one.reaches(two.address("closed"))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("-d", "daoli", "--subnet", "10.1.0.0/24"), "add --ipam-driver daoli"),
        ((*DAOLI, "--ipv6", "--subnet", "fd00::/64", "--subnet", "10.1.0.0/24"), "IPv4 only"),
        ((*DAOLI, "--subnet", "10.9.0.128/25"), "overlaps 10.9.0.0/24, which is network taken"),
        ((*DAOLI, "--subnet", "10.254.0.0/16"), "overlaps 10.254.0.0/24, on eth0 of this host"),
        ((*DAOLI, "--subnet", "10.1.0.0/31"), "prefix length is from 8 to 30"),
        ((*DAOLI, "--subnet", "10.1.0.0/24", "--subnet", "10.2.0.0/24"), "exactly one subnet"),
    ],
)
def test_wrong_use(docker_rig: DockerRig, options: tuple[str, ...], sentence: str) -> None:
    """What cannot be is refused by Docker in a sentence that says why, and nothing is left of it."""
    rig = docker_rig
    make(rig, "h1", "taken", "--subnet", "10.9.0.0/24")
    assert sentence in refusal(rig["h2"], "network", "create", *options, "wrong")
    assert fabric(rig) == ["taken"]
    assert rig.networks("h2") == {"taken"}


# -- addresses -----------------------------------------------------------------------------------------------------


def test_addresses_are_unique(docker_rig: DockerRig) -> None:
    """Containers started at the same time on all hosts have an address each."""
    rig = docker_rig
    make(rig, "h1", "dnet1", "--subnet", "10.1.0.0/24")
    where = [(f"h{number % 3 + 1}", f"c{number}") for number in range(STORM)]
    with ThreadPoolExecutor(WORKERS) as workers:
        found = list(workers.map(lambda each: rig.run(*each, "--network", "dnet1"), where))
    addresses = {each.address("dnet1") for each in found}
    assert len(addresses) == STORM
    assert endpoints(rig) == leases(rig) == addresses


def test_chosen_addresses(docker_rig: DockerRig) -> None:
    """--ip and --mac-address are honoured, or refused with the name of who has them."""
    rig = docker_rig
    make(rig, "h1", "dnet1", "--subnet", "10.1.0.0/24")
    options = ("--network", "dnet1", "--ip", "10.1.0.77", "--mac-address", "02:42:aa:bb:cc:01")
    first = rig.run("h1", "first", *options)
    assert first.address("dnet1") == "10.1.0.77"
    assert "02:42:aa:bb:cc:01" in first.exec("ip", "link", "show", "eth0").stdout
    other = rig.run("h2", "other", "--network", "dnet1")
    assert other.reaches("10.1.0.77")
    run = ("run", "-d", "--rm", "--network", "dnet1")
    for host, who in (("h1", "in use on this host by first"), ("h2", "leased by host h1 for first")):
        assert who in refusal(rig[host], *run, "--ip", "10.1.0.77", TOOLS, *IDLE)
    taken = refusal(rig["h2"], *run, "--mac-address", "02:42:aa:bb:cc:01", TOOLS, *IDLE)
    assert "taken by endpoint first on host h1" in taken
    assert "gateway" in refusal(rig["h2"], *run, "--ip", "10.1.0.1", TOOLS, *IDLE)
    first.remove()
    wait_until(lambda: leases(rig) == endpoints(rig) == {other.address("dnet1")}, HEAL)
    assert rig.run("h3", "second", *options).reaches(other.address("dnet1"))


def test_two_containers_want_one_address_at_once(docker_rig: DockerRig) -> None:
    """One gets it, the others are refused."""
    rig = docker_rig
    make(rig, "h1", "dnet1", "--subnet", "10.1.0.0/24")

    def attempt(number: int) -> int:
        words = ("run", "-d", "--init", "--name", f"c{number}", "--network", "dnet1", "--ip", "10.1.0.50", TOOLS)
        return rig[f"h{number % 3 + 1}"].docker(*words, *IDLE, check=False).returncode

    with ThreadPoolExecutor(6) as workers:
        assert sorted(map(bool, workers.map(attempt, range(6)))) == [False] + [True] * 5
    assert leases(rig) == {"10.1.0.50"}


def test_connect_and_disconnect(docker_rig: DockerRig) -> None:
    """A running container is connected to a second network and taken off it, with an address of its own choice."""
    rig = docker_rig
    make(rig, "h1", "blue", "--subnet", "10.1.0.0/24")
    make(rig, "h1", "red", "--subnet", "10.2.0.0/24")
    one, two = rig.run("h1", "c1", "--network", "blue"), rig.run("h2", "c2", "--network", "red")
    rig["h1"].docker("network", "connect", "--ip", "10.2.0.9", "--alias", "extra", "red", "c1")
    assert one.address("red") == "10.2.0.9"
    assert one.reaches(two.address("red"))
    assert two.reaches("10.2.0.9")
    shown = {each["network"]: each for each in rig.get("/endpoints")["endpoints"] if each["host"] == "h1"}
    assert set(shown) == {"blue", "red"}

    def aliases() -> list[str]:
        return [a for each in rig.get("/endpoints")["endpoints"] for a in each["aliases"]]

    wait_until(lambda: "extra" in aliases(), HEAL)
    rig["h1"].docker("network", "disconnect", "red", "c1")
    wait_until(lambda: "10.2.0.9" not in leases(rig) | endpoints(rig), HEAL)
    assert not two.reaches("10.2.0.9")
    assert one.reaches("10.1.0.1")


def test_compose(docker_rig: DockerRig) -> None:
    """A compose file comes up and goes down, and other hosts reach what it started."""
    rig = docker_rig
    folder = rig["h1"].root("/run/shop")
    folder.mkdir(exist_ok=True)
    (folder / "docker-compose.yml").write_text(COMPOSE)
    compose = ["docker-compose", "--project-directory", "/run/shop", "-f", "/run/shop/docker-compose.yml"]
    rig["h1"].exec([*compose, "up", "-d"], timeout=60)
    wait_until(lambda: everywhere(rig, "shop_front") and everywhere(rig, "shop_back"), HEAL)
    web = Container(rig["h1"], "shop_web_1")
    assert web.address("shop_front") == "10.8.0.77"
    fetch = ("wget", "-qO-")
    client = Container(rig["h1"], "shop_client_1")
    wait_until(lambda: client.exec(*fetch, "http://web/", check=False).stdout == "hello\n", HEAL)
    peer = rig.run("h2", "peer", "--network", "shop_back")
    assert peer.exec(*fetch, f"http://{web.address('shop_back')}/").stdout == "hello\n"
    peer.remove()
    rig["h1"].exec([*compose, "down", "-t", "1"], timeout=60)
    wait_until(lambda: nowhere(rig, "shop_front") and nowhere(rig, "shop_back"), HEAL)
    assert left(rig, "h1") == [set()] * 4


# -- what goes wrong -----------------------------------------------------------------------------------------------


def test_controller_away(docker_rig: DockerRig) -> None:
    """Without the controller starting fails fast and says so, containers run on, and what ends is made good later."""
    rig = docker_rig
    make(rig, "h1", "dnet1", "--subnet", "10.1.0.0/24")
    one, two = rig.run("h1", "c1", "--network", "dnet1"), rig.run("h2", "c2", "--network", "dnet1")
    rig.run("h1", "ends", "--network", "dnet1")
    assert one.reaches(two.address("dnet1"))
    with pinging(one, two.address("dnet1")) as ping:
        with controller_away(rig):
            begun = time.monotonic()
            why = refusal(rig["h1"], "run", "--rm", "--network", "dnet1", TOOLS, "true")
            assert time.monotonic() - begun < FAST
            assert "controller" in why
            assert "cannot be reached" in why
            begun = time.monotonic()
            assert "controller" in refusal(rig["h1"], "network", "create", *DAOLI, "--subnet", "10.3.0.0/24", "no")
            rig["h1"].docker("rm", "-f", "ends")
            assert time.monotonic() - begun < FAST
        expected = {one.address("dnet1"), two.address("dnet1")}
        wait_until(lambda: leases(rig) == endpoints(rig) == expected, HEAL)
    assert ping.lost == 0
    assert rig.run("h3", "later", "--network", "dnet1").reaches(two.address("dnet1"))


class Ping:
    """How a ping went."""

    lost = -1


@contextmanager
def pinging(container: Container, address: str) -> Iterator[Ping]:
    """Ping all the while; how many were lost is known at the end."""
    seen = Ping()
    container.host.docker("exec", "-d", container.name, "sh", "-c", f"ping -i 0.05 {address} >/ping.log 2>&1")
    try:
        yield seen
    finally:
        container.exec("killall", "-INT", "ping", check=False)
        wait_until(lambda: "transmitted" in container.exec("cat", "/ping.log").stdout, HEAL)
        output = container.exec("cat", "/ping.log").stdout
        numbers = [int(number) for number in re.findall(r"seq=(\d+)", output)]
        seen.lost = max(numbers) + 1 - len(set(numbers))  # one that was on its way at the end does not count


def known(rig: DockerRig) -> list[list[dict[str, str]]]:
    """What the controller knows of endpoints, but for what switches tell, and of leases."""
    shown = [{**each, "port_no": "", "reachable": ""} for each in rig.get("/endpoints")["endpoints"]]
    return [sorted(shown, key=lambda each: each["id"]), rig.get("/leases")["leases"]]


def described(rig: DockerRig) -> bool:
    """Whether the controller knows the container of each endpoint, and by what else it is called."""
    return all(each["container"] and each["aliases"] for each in rig.get("/endpoints")["endpoints"])


def test_controller_killed(docker_rig: DockerRig) -> None:
    """A controller that is killed and started again has the leases and endpoints as before."""
    rig = docker_rig
    make(rig, "h1", "dnet1", "--subnet", "10.1.0.0/24")
    one, two = rig.run("h1", "c1", "--network", "dnet1"), rig.run("h2", "c2", "--network", "dnet1")
    wait_until(lambda: described(rig), HEAL)
    before = known(rig)
    rig.lab.controller_kill()
    rig.lab.controller_start("--idle-timeout", "2")
    assert known(rig) == before
    rig.lab.wait_joined()
    wait_until(lambda: one.reaches(two.address("dnet1")), HEAL)


def test_agent_killed(docker_rig: DockerRig) -> None:
    """A killed agent costs no packet; what ended while it was away is cleaned up when it is back."""
    rig = docker_rig
    make(rig, "h1", "dnet1", "--subnet", "10.1.0.0/24")
    one, two = rig.run("h1", "c1", "--network", "dnet1"), rig.run("h2", "c2", "--network", "dnet1")
    ended = rig.run("h1", "ends", "--network", "dnet1", "--ip", "10.1.0.99")
    address = one.address("dnet1")
    wait_until(lambda: described(rig), HEAL)
    with pinging(one, two.address("dnet1")) as ping:
        rig["h1"].agent_kill()
        rig["h1"].docker("rm", "-f", ended.name, timeout=120)
        rig["h1"].agent_start()
        wait_until(lambda: leases(rig, "h1") == endpoints(rig, "h1") == {address}, HEAL)
        wait_until(lambda: len(ports(rig["h1"])) == len(veths(rig["h1"])) == 1, HEAL)
    assert ping.lost == 0
    again = rig.run("h1", "again", "--network", "dnet1", "--ip", "10.1.0.99")
    assert again.reaches(two.address("dnet1"))


def test_driver_file_lost(docker_rig: DockerRig) -> None:
    """Without its file the driver learns everything from Docker again, and no packet is lost."""
    rig = docker_rig
    make(rig, "h1", "dnet1", "--subnet", "10.1.0.0/24")
    one, two = rig.run("h1", "c1", "--network", "dnet1"), rig.run("h2", "c2", "--network", "dnet1")
    before = leases(rig), endpoints(rig)
    wait_until(lambda: described(rig), HEAL)
    with pinging(one, two.address("dnet1")) as ping:
        rig["h1"].agent_kill()
        rig["h1"].root("/var/lib/daoli-agent/driver.json").unlink()
        rig["h1"].agent_start()
        third = rig.run("h1", "c3", "--network", "dnet1")
        assert third.reaches(two.address("dnet1"))
        assert before[0] < leases(rig)
        assert before[1] < endpoints(rig)
    assert ping.lost == 0
    one.remove()
    third.remove()
    wait_until(lambda: left(rig, "h1") == [set()] * 4, HEAL)


@pytest.mark.parametrize("killed", [False, True])
def test_dockerd_restarts(docker_rig: DockerRig, *, killed: bool) -> None:
    """When the engine is stopped or killed, containers with a restart policy come back and reach others."""
    rig = docker_rig
    make(rig, "h1", "dnet1", "--subnet", "10.1.0.0/24")
    one = rig.run("h1", "c1", "--network", "dnet1", "--restart", "always")
    rig.run("h1", "ends", "--network", "dnet1")
    two = rig.run("h2", "c2", "--network", "dnet1")
    if killed:
        rig["h1"].dockerd_kill()
    else:
        rig["h1"].dockerd_stop()
    rig["h1"].dockerd_start()
    wait_until(lambda: one.runs and one.reaches(two.address("dnet1")), HEAL)
    assert not Container(rig["h1"], "ends").runs
    expected = {one.address("dnet1")}
    wait_until(lambda: leases(rig, "h1") == endpoints(rig, "h1") == expected, HEAL)
    wait_until(lambda: len(ports(rig["h1"])) == len(veths(rig["h1"])) == 1, HEAL)


def test_engine_watched_by_the_controller(docker_rig: DockerRig) -> None:
    """Of a host whose agent is stopped the controller itself sees what its containers do, and says when it cannot."""
    rig = docker_rig
    make(rig, "h1", "dnet1", "--subnet", "10.1.0.0/24")
    rig["h1"].dockerd_stop()
    rig["h1"].dockerd_start("-H", "unix://", "-H", "tcp://0.0.0.0:2375")
    rig.run("h1", "c1", "--network", "dnet1")
    wait_until(lambda: described(rig), HEAL)
    before = endpoints(rig)
    posted = {key: value for key, value in rig.get("/hosts/h1").items() if key in HOST_FIELDS}
    good, wrong = f"tcp://{rig['h1'].address}:2375", f"tcp://{rig['h1'].address}:2376"
    rig["h1"].agent_stop()
    try:
        assert rig.lab.api.post("/hosts", {**posted, "docker": good}).status == 200
        rig["h1"].docker("rename", "c1", "renamed")
        wait_until(lambda: [each["name"] for each in rig.get("/endpoints")["endpoints"]] == ["renamed"], HEAL)
        assert not any(good in text for text in rig.get("/hosts/h1")["status"]["problems"])
        rig.lab.api.post("/hosts", {**posted, "docker": wrong})
        wait_until(lambda: any(wrong in text for text in rig.get("/hosts/h1")["status"]["problems"]), HEAL)
        assert endpoints(rig) == before
    finally:
        rig["h1"].agent_start()
        rig["h1"].dockerd_stop()
        rig["h1"].dockerd_start()
    assert rig.get("/hosts/h1")["docker"] is None


# -- what is the hosts' own --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subnet", "own"),
    [
        ("10.254.0.128/25", "10.254.0.0/24, on eth0"),  # with the controller and the way out
        ("10.254.0.0/25", "10.254.0.0/24, on eth0"),  # with the hosts
        ("172.17.0.0/24", "172.17.0.0/16, on docker0"),
    ],
)
def test_network_that_would_take_what_is_the_hosts_own(docker_rig: DockerRig, subnet: str, own: str) -> None:
    """A network in the LAN, or on a bridge of Docker's, is refused wherever it is made, and nothing is cut off."""
    answer = docker_rig.lab.api.post("/networks", {"name": "evil", "subnet": subnet})
    assert (answer.status, f"{subnet} overlaps {own} of host h" in str(answer.body)) == (409, True), answer
    said = refusal(docker_rig["h2"], "network", "create", *DAOLI, "--subnet", subnet, "evil")
    assert f"subnet {subnet} overlaps {own} of this host" in said
    assert nowhere(docker_rig, "evil")
    for host in docker_rig.lab.hosts.values():
        assert host.exec(["ping", "-c1", "-W2", OUTSIDE_ADDRESS], check=False).returncode == 0


def test_network_that_would_take_what_is_another_hosts_own(docker_rig: DockerRig) -> None:
    """What only one host has is refused on the others too, with that host's name; the rest of the space is not."""
    h1, h2 = docker_rig["h1"], docker_rig["h2"]
    h2.docker("network", "create", "--subnet", "10.72.0.0/24", "plain")
    wait_until(lambda: "10.72.0.0/24" in docker_rig.get("/hosts/h2")["subnets"], HEAL)
    refused = ("network", "create", *DAOLI, "--subnet", "10.72.0.128/25", "blue")
    wait_until(lambda: "of host h2" in h1.docker(*refused, check=False).stderr, HEAL)
    h2.docker("network", "rm", "plain")
    wait_until(lambda: "10.72.0.0/24" not in docker_rig.get("/hosts/h2")["subnets"], HEAL)
    make(docker_rig, "h1", "blue", "--subnet", "10.72.0.128/25")


def test_bridge_made_where_a_network_is(docker_rig: DockerRig) -> None:
    """A host whose own subnet comes to hold a network's keeps that subnet for itself, says so, and no other cares."""
    h1, subnet = docker_rig["h1"], "10.71.5.0/24"
    make(docker_rig, "h1", "blue", "--subnet", subnet)
    wait_until(lambda: all(routed(host, subnet) for host in docker_rig.lab.hosts.values()), HEAL)
    h1.docker("network", "create", "--subnet", "10.71.0.0/16", "plain")
    wait_until(lambda: not routed(h1, subnet), HEAL)
    docker_rig.run("h1", "theirs", "--network", "plain", "--ip", "10.71.5.9")
    assert h1.exec(["ping", "-c1", "-W2", "10.71.5.9"], check=False).returncode == 0
    doctor = h1.exec(["daoli", "doctor"], check=False, timeout=60).stdout
    assert f"cannot reach the network blue: a route to {subnet} would take 10.71.0.0/16, on br-" in doctor
    assert routed(docker_rig["h2"], subnet)
    one = docker_rig.run("h1", "one", "--network", "blue")
    two = docker_rig.run("h2", "two", "--network", "blue")
    assert one.reaches(two.address("blue"))
    Container(h1, "theirs").remove()
    h1.docker("network", "rm", "plain")
    wait_until(lambda: routed(h1, subnet), HEAL)
