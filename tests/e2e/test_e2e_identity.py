"""Policy by label and name on real engines: it holds from a container's very first packet, and lets that pass too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from tests.e2e.docker_rig import PATIENCE, TOOLS, Container, DockerRig

from daoli.lab import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

HEAL = 20.0
"""Seconds in which a network that was made on one host is on all."""
RUNS = 5
DAOLI = ("-d", "daoli", "--ipam-driver", "daoli")
SINK = "while true; do nc -l -p 7777 >>/tmp/got; done"
"""A container that keeps what is sent to it."""
TALK = "ping -c1 -W1 {to} >/dev/null && echo answered; echo {what} | nc -w 2 {to} 7777"
"""The first thing that a container does: talk."""


def make(rig: DockerRig, name: str, subnet: str) -> None:
    """Make a network on h1, and wait until all hosts have it."""
    rig["h1"].docker("network", "create", *DAOLI, "--subnet", subnet, name)
    wait_until(lambda: all(name in rig.networks(host) for host in rig.lab.hosts), HEAL)


@contextmanager
def rule(rig: DockerRig, action: str, source: dict[str, Any], destination: dict[str, Any]) -> Iterator[None]:
    """Have a rule for a while."""
    body = {"id": "first", "action": action, "source": source, "destination": destination, "priority": 65535}
    assert rig.lab.api.post("/rules?allow_unknown=true", body).status == 201
    try:
        yield
    finally:
        rig.lab.api.delete("/rules/first")


def sink(rig: DockerRig, host: str, network: str) -> Container:
    """Run a container that keeps what is sent to it."""
    return rig.run(host, "sink", "--network", network, command=("sh", "-c", SINK))


def got(container: Container) -> str:
    """What was sent to it."""
    return container.exec("sh", "-c", "cat /tmp/got").stdout


def problems(rig: DockerRig, host: str) -> list[str]:
    """What the doctor finds wrong with an agent."""
    done = rig[host].exec(["daoli", "doctor", "-o", "json"], check=False, timeout=60)
    found = json.loads(done.stdout)
    return [entry["text"] for entry in found if entry["check"] == "agent" and entry["level"] == "problem"]


def logged(rig: DockerRig, host: str, name: str, text: str) -> bool:
    """Whether this is all that a container has written."""
    return rig[host].docker("logs", name).stdout == text


@pytest.mark.parametrize("host", ["h1", "h2"])
def test_denied_from_the_first_packet(docker_rig: DockerRig, host: str) -> None:
    """What a rule on a label denies gets through neither when the container starts nor when it is connected later."""
    rig = docker_rig
    make(rig, "n1", "10.1.0.0/24")
    target = sink(rig, "h2", "n1")
    to = target.address("n1")
    with rule(rig, "deny", {"label": "role=bad"}, {}):
        for run in range(RUNS):
            talk = TALK.format(to=to, what=f"bad-{run}")
            options = ("--rm", "--label", "role=bad", "--network", "n1")
            assert rig[host].docker("run", *options, TOOLS, "sh", "-c", talk, check=False).stdout == ""
        later = rig.run(host, "later", "--label", "role=bad", "--network", "none")
        rig[host].docker("network", "disconnect", "none", "later")
        for run in range(RUNS):
            rig[host].docker("network", "connect", "n1", "later")
            assert later.exec("sh", "-c", TALK.format(to=to, what=f"later-{run}"), check=False).stdout == ""
            rig[host].docker("network", "disconnect", "n1", "later")
        good = ("run", "--rm", "--label", "role=good", "--network", "n1", TOOLS, "sh", "-c")
        assert rig[host].docker(*good, TALK.format(to=to, what="good")).stdout == "answered\n"
    assert got(target) == "good\n"


def test_denied_by_name_at_every_start(docker_rig: DockerRig) -> None:
    """What a rule on a name denies gets through neither at first nor after `docker restart`."""
    rig = docker_rig
    make(rig, "n1", "10.1.0.0/24")
    target = sink(rig, "h2", "n1")
    script = TALK.format(to=target.address("n1"), what="evil") + "; echo over; exec sleep 100000"
    with rule(rig, "deny", {"endpoint": "evil"}, {}):
        rig.run("h1", "evil", "--network", "n1", command=("sh", "-c", script))
        for starts in range(RUNS):
            if starts:
                rig["h1"].docker("restart", "-t", "1", "evil")
            over = "over\n" * (starts + 1)
            wait_until(partial(logged, rig, "h1", "evil", over), HEAL)
    assert got(target) == ""


def test_allowed_from_the_first_packet(docker_rig: DockerRig) -> None:
    """What only a rule on a label allows works at once: the first ping and the first connection of a container."""
    rig = docker_rig
    make(rig, "n1", "10.1.0.0/24")
    make(rig, "n2", "10.2.0.0/24")
    target = sink(rig, "h3", "n2")
    to = target.address("n2")
    with rule(rig, "allow", {"label": "role=good"}, {"endpoint": "sink"}):
        for run in range(RUNS):
            options = ("--rm", "--label", "role=good", "--network", "n1")
            said = rig["h1"].docker("run", *options, TOOLS, "sh", "-c", TALK.format(to=to, what=run))
            assert said.stdout == "answered\n"
    assert got(target).split() == [str(run) for run in range(RUNS)]


def test_all_labels_count(docker_rig: DockerRig) -> None:
    """A label decides however many others there are, and with an equals sign in its key."""
    rig = docker_rig
    make(rig, "n1", "10.1.0.0/24")
    target = sink(rig, "h2", "n1")
    labels = [word for number in range(70) for word in ("--label", f"a{number}=1")]
    with rule(rig, "deny", {"label": "role=x=bad"}, {}):
        options = ("--rm", *labels, "--label", "role=x=bad", "--network", "n1")
        talk = TALK.format(to=target.address("n1"), what="bad")
        assert rig["h1"].docker("run", *options, TOOLS, "sh", "-c", talk, check=False).stdout == ""
    assert got(target) == ""


def test_too_many_labels_are_told(docker_rig: DockerRig) -> None:
    """A container with more labels than the fabric takes can be used, and its host has a problem that names it."""
    rig = docker_rig
    make(rig, "n1", "10.1.0.0/24")
    labels = [word for number in range(1001) for word in ("--label", f"a{number}=1")]
    many = rig.run("h1", "many", *labels, "--network", "n1")
    assert many.reaches(rig.run("h2", "other", "--network", "n1").address("n1"))
    (problem,) = problems(rig, "h1")
    assert problem.startswith("container many: 1 of its 1001 labels are not known to the fabric")
    many.remove()
    wait_until(lambda: problems(rig, "h1") == [], PATIENCE)


def test_known_containers_stay_known(docker_rig: DockerRig) -> None:
    """An agent that starts anew, however it ended, costs no packet of containers that were known before."""
    rig = docker_rig
    make(rig, "n1", "10.1.0.0/24")
    one, two = rig.run("h1", "one", "--network", "n1"), rig.run("h2", "two", "--network", "n1")
    to = two.address("n1")
    with ThreadPoolExecutor(1) as pinger:
        pings = pinger.submit(one.exec, "ping", "-i", "0.05", "-c", "160", to, check=False, timeout=60)
        for end in (rig["h1"].agent_stop, rig["h1"].agent_kill):
            end()
            rig["h1"].agent_start()
            rig.run("h1", "new", "--network", "n1").remove()
    assert " 0% packet loss" in pings.result().stdout
