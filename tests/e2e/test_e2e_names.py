"""Names of containers, asked from inside of containers on real Docker hosts."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.e2e.docker_rig import PATIENCE, DockerRig
from tests.e2e.rig import PYTHON, Capture, background, send_raw
from tests.e2e.sandbox import DNS_TOOL, Sandbox, ask, datagram, facts, make_network, metric, start_controller

from daoli.lab import DockerHost, Place, Process, wait_until
from daoli.lab.plan import OUTSIDE_ADDRESS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

DOCKERS = "127.0.0.11"
"""Docker's own resolver in each container, which sends on what it does not know."""

ANSWER = "192.0.2.53"
"""What the resolver in these tests says of every name."""

FLOOD = """
import socket, sys, time
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    for _ in range(100):
        sender.sendto(bytes.fromhex(sys.argv[3]), (sys.argv[1], 53))
    time.sleep(0.01)
"""


@pytest.fixture
def rig(docker_rig: DockerRig) -> DockerRig:
    """Lend the Docker hosts with a network `blue`."""
    make_network(docker_rig, "blue", "--subnet", "10.1.0.0/24")
    return docker_rig


def answers(place: Place, name: str, *options: str, resolver: str = DOCKERS) -> list[str]:
    """Ask for a name that must be known; give its addresses."""
    said = ask(place, resolver, name, *options)
    assert said.get("rcode") == "NOERROR", said
    found: list[str] = said["answers"]
    return found


def is_known(place: Place, name: str) -> bool:
    """Whether a name has an address; another resolver would not know it either."""
    return bool(ask(place, DOCKERS, name, "--timeout", "0.5").get("answers"))


def is_kept(host: DockerHost, name: str) -> bool:
    """Whether a host's agent has an endpoint on disk, by its name."""
    return f'"name":"{name}"' in host.exec(["cat", "/var/lib/daoli-agent/world.json"]).stdout


@contextmanager
def serving(place: Place) -> Iterator[Process]:
    """Run a DNS server that knows every name."""
    with background(place, sys.executable, str(DNS_TOOL), "serve", ANSWER, ready="serving") as server:
        yield server


def asked(server: Process) -> list[tuple[str, str, str]]:
    """End a server, and tell who asked it what: protocol, address, name."""
    server.kill()
    assert server.stdout is not None
    return [(via, peer, name.removesuffix(".")) for via, peer, name in map(str.split, server.stdout)]


def question(name: str) -> bytes:
    """Write a query for the address of a name of one label."""
    return b"\0\7\1\0\0\1" + bytes(6) + bytes([len(name)]) + name.encode() + b"\0\0\1\0\1"


def test_names_of_a_container(rig: DockerRig) -> None:
    """A container on another host is found by name, alias, name with network and short id, by UDP and TCP."""
    web = rig.run("h2", "web", "--network", "blue", "--network-alias", "www")
    at = web.address("blue")
    asker = rig.run("h1", "asker", "--network", "blue")
    assert asker.reaches("web")
    here = Sandbox(asker)
    for name in ("web", "www", "WEB", "web.blue", "www.blue", web.inspect()["Id"][:12]):
        assert answers(here, name) == [at], name
        assert answers(here, name, "--tcp") == [at], name
    said = ask(here, DOCKERS, "web")
    assert said["ttl"] == 1
    assert answers(here, ".".join([*reversed(at.split(".")), "in-addr.arpa"]), "--kind", "PTR") == ["web.blue."]
    assert answers(here, "web", "--kind", "AAAA") == []
    neighbour = Sandbox(rig.run("h2", "neighbour", "--network", "blue"))
    assert answers(neighbour, "web") == answers(neighbour, "www") == [at]


def test_several_answers_rotate(rig: DockerRig) -> None:
    """Of three containers with one alias on two hosts each is the first answer in its turn."""
    many = [
        rig.run(host, f"m{host}{n}", "--network", "blue", "--network-alias", "many")
        for host, n in (("h2", 1), ("h3", 1), ("h3", 2))
    ]
    here = Sandbox(rig.run("h1", "asker", "--network", "blue"))
    seen = [answers(here, "many") for _ in range(6)]
    everybody = sorted(each.address("blue") for each in many)
    assert all(sorted(found) == everybody for found in seen)
    assert [found[0] for found in seen[:3]] == [found[0] for found in seen[3:]]
    assert {found[0] for found in seen} == set(everybody)


def test_names_are_those_of_ones_networks(rig: DockerRig) -> None:
    """A container on two networks finds what is on both, and one on another network finds neither."""
    make_network(rig, "red", "--subnet", "10.2.0.0/24")
    blue = rig.run("h2", "bluebox", "--network", "blue")
    red = rig.run("h2", "redbox", "--network", "red")
    both = rig.run("h1", "both", "--network", "blue")
    rig["h1"].docker("network", "connect", "red", "both")
    wait_until(lambda: len(rig.get("/endpoints")["endpoints"]) == 4, PATIENCE)
    assert answers(Sandbox(both), "bluebox") == [blue.address("blue")]
    assert answers(Sandbox(both), "redbox") == [red.address("red")]
    assert answers(Sandbox(blue), "both") == [both.address("blue")]
    assert answers(Sandbox(red), "both") == [both.address("red")]
    for name in ("bluebox", "bluebox.blue", "both.blue"):
        assert not is_known(Sandbox(red), name)
    with serving(rig.lab.outside):
        assert answers(Sandbox(red), "bluebox") == [ANSWER]


def test_names_on_an_internal_network(rig: DockerRig) -> None:
    """A network without a way out has names too, and still no way out."""
    make_network(rig, "inner", "--subnet", "10.7.0.0/24", "--internal")
    other = rig.run("h2", "other", "--network", "inner")
    one = rig.run("h1", "one", "--network", "inner")
    assert one.reaches("other")
    assert answers(Sandbox(one), "other") == [other.address("inner")]
    with serving(rig.lab.outside) as server:
        assert not is_known(Sandbox(one), "example.org")
        assert asked(server) == []


def test_unknown_names_go_to_the_hosts_resolver(rig: DockerRig) -> None:
    """What nobody is called is asked of the resolver outside, by the host's address, and its answer comes back."""
    here = Sandbox(rig.run("h1", "asker", "--network", "blue"))
    with serving(rig.lab.outside) as server:
        assert answers(here, "example.org") == [ANSWER]
        assert answers(here, "example.org", "--tcp") == [ANSWER]
        assert answers(here, "web.example.org", resolver=OUTSIDE_ADDRESS) == [ANSWER]
        at = rig["h1"].address
        assert asked(server) == [
            ("udp", at, "example.org"),
            ("tcp", at, "example.org"),
            ("udp", at, "web.example.org"),
        ]


def test_resolver_that_is_a_container(rig: DockerRig) -> None:
    """With --dns a container on another host is asked what we do not know, and sees who asks."""
    web = rig.run("h3", "web", "--network", "blue")
    resolver = rig.run("h2", "resolver", "--network", "blue")
    asker = rig.run("h1", "asker", "--network", "blue", "--dns", resolver.address("blue"))
    here = Sandbox(asker)
    with serving(Sandbox(resolver)) as server:
        assert answers(here, "web") == [web.address("blue")]
        assert answers(here, "example.org") == [ANSWER]
        assert answers(here, "example.org", "--tcp") == [ANSWER]
        at = asker.address("blue")
        assert asked(server) == [("udp", at, "example.org"), ("tcp", at, "example.org")]


def test_name_goes_with_its_container(rig: DockerRig) -> None:
    """A stopped container's name is gone on other hosts, and back with its new address once it is started again."""
    web = rig.run("h2", "web", "--network", "blue")
    here = Sandbox(rig.run("h1", "asker", "--network", "blue"))
    assert answers(here, "web") == [web.address("blue")]
    rig["h2"].docker("kill", "web")
    stopped = time.monotonic()
    wait_until(lambda: not is_known(here, "web"), PATIENCE)
    assert time.monotonic() - stopped < 5
    rig["h2"].docker("start", "web")
    wait_until(lambda: is_known(here, "web"), PATIENCE)
    assert answers(here, "web") == [web.address("blue")]
    rig["h2"].docker("rename", "web", "web2")
    wait_until(lambda: is_known(here, "web2") and not is_known(here, "web"), PATIENCE)


def test_names_without_the_controller(rig: DockerRig) -> None:
    """Names that are known stay known while the controller is away, to an agent that was killed and started too."""
    web = rig.run("h2", "web", "--network", "blue")
    here = Sandbox(rig.run("h1", "asker", "--network", "blue"))
    at = web.address("blue")
    h1 = rig["h1"]
    wait_until(lambda: is_kept(h1, "web") and is_kept(h1, "asker"), PATIENCE)
    rig.lab.controller_kill()
    try:
        assert answers(here, "web") == [at]
        h1.agent_kill()
        h1.agent_start(*h1.agent_flags() or ())
        wait_until(lambda: is_known(here, "web"), PATIENCE)
        assert answers(here, "web") == answers(here, "web.blue") == [at]
    finally:
        start_controller(rig)


def test_queries_cost_the_controller_nothing(rig: DockerRig) -> None:
    """A thousand queries in a row are all answered, and no packet of theirs comes to the controller."""
    web = rig.run("h2", "web", "--network", "blue")
    here = Sandbox(rig.run("h1", "asker", "--network", "blue"))
    assert answers(here, "web")
    before = metric(rig, "daoli_punts_total")
    for resolver in (DOCKERS, OUTSIDE_ADDRESS):
        assert ask(here, resolver, "web", "--count", "1000") == {web.address("blue"): 1000}
    assert metric(rig, "daoli_punts_total") == before


def test_who_asks_as_another_hears_nothing(rig: DockerRig) -> None:
    """A container that sends queries with another's address learns no name of that one's network."""
    make_network(rig, "red", "--subnet", "10.2.0.0/24")
    secret = rig.run("h2", "secret", "--network", "blue")
    victim = rig.run("h1", "victim", "--network", "blue")
    mine = rig.run("h2", "mine", "--network", "red")
    spy = rig.run("h1", "spy", "--network", "red")
    here = Sandbox(spy)
    assert is_known(Sandbox(victim), "secret")

    own, theirs = facts(spy, "red"), facts(victim, "blue")
    with Capture(here, "udp", "src", "port", "53", "or", "icmp", inbound=True) as capture:
        for source, name in ((theirs, "secret"), ((own[0], theirs[1]), "secret"), (own, "secret"), (own, "mine")):
            send_raw(here, datagram(source, (OUTSIDE_ADDRESS, 53), question(name)))
        wait_until(lambda: any(mine.address("red") in line for line in capture.lines), PATIENCE)
        assert not any(secret.address("blue") in line for line in capture.stop())


def test_flood_of_queries_leaves_the_others_theirs(rig: DockerRig) -> None:
    """While one container floods the resolver, another on its host gets answers, and the agent does its work."""
    web = rig.run("h2", "web", "--network", "blue")
    flooder = Sandbox(rig.run("h1", "flooder", "--network", "blue"))
    here = Sandbox(rig.run("h1", "asker", "--network", "blue"))
    assert is_known(here, "web")
    with background(flooder, *PYTHON, FLOOD, OUTSIDE_ADDRESS, "100", question("web").hex()):
        heard = ask(here, DOCKERS, "web", "--count", "100", "--timeout", "2")
        assert heard.get(web.address("blue"), 0) >= 50, heard  # all of them, on a machine that has time
        late = rig.run("h1", "late", "--network", "blue")
        assert late.reaches("web")
