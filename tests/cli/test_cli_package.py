"""Every command of daolictl, on a real controller's process, where it matters with emulated switches."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from tests.cli.conftest import PATIENCE, Controller, Run, Said
from tests.cli.fake import CONTAINER
from tests.routing.frames import ipv4

from daoli.cli.client import Client
from daoli.cli.settings import Settings
from daoli.datapath.emulated import EmulatedSwitch
from daoli.ofproto import Port
from daoli.routing.model import ROUTER_MAC

UPLINK, PORT = 1, 2
"""OpenFlow port numbers on each host."""


def host(n: int) -> dict[str, Any]:
    return {"name": f"h{n}", "dpid": f"{n:016x}", "address": f"192.0.2.{n}", "uplink": "dlup", "gateway": True}


def endpoint(n: int) -> dict[str, Any]:
    return {
        "id": f"e{n}abc",
        "name": f"web{n}",
        "host": f"h{n}",
        "network": "blue",
        "mac": f"02:42:0a:01:00:0{n}",
        "ipv4": f"10.1.0.1{n}",
        "port": f"dl{n}",
        "container": f"{n}" * 3 + CONTAINER[3:],
    }


def switch(n: int) -> EmulatedSwitch:
    """Make the datapath of a host, with the ports that it is to have."""
    names = {UPLINK: "dlup", PORT: f"dl{n}"}
    return EmulatedSwitch(n, [Port(number, bytes((2, 0, 0, 0, number, n)), name) for number, name in names.items()])


@pytest.fixture
def switches(controller: Controller) -> Iterator[Callable[[bytes], None]]:
    """Connect two emulated switches, by a thread of their own; gives what sends a frame by h1's container."""
    loop = asyncio.new_event_loop()
    both = [switch(n) for n in (1, 2)]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def each(act: Callable[[EmulatedSwitch], Awaitable[object]]) -> None:
        for one in both:
            await act(one)

    def do(act: Callable[[EmulatedSwitch], Awaitable[object]]) -> None:
        asyncio.run_coroutine_threadsafe(each(act), loop).result(PATIENCE)

    try:
        do(lambda one: one.connect("127.0.0.1", controller.openflow))

        def send(frame: bytes) -> None:
            loop.call_soon_threadsafe(both[0].receive, PORT, frame)

        yield send
    finally:
        do(lambda one: one.close())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def run(controller: Controller, call: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call daolictl with a real controller that knows two hosts, each with a container, and a leased address."""
    monkeypatch.setenv("DAOLI_CONTROLLER", controller.url)
    client = Client(Settings(controller.url))
    client.request("POST", "/networks", {"name": "blue", "subnet": "10.1.0.0/24"})
    for n in (1, 2):
        client.request("POST", "/hosts", host(n))
        client.request("POST", "/endpoints", endpoint(n))
    client.request("POST", "/leases", {"host": "h1", "network": "blue", "ipv4": "10.1.0.20"})

    def checked(*words: str, code: int = 0) -> Said:
        said = call(*words)
        assert said.code == code, said
        return said

    return checked


def a_moment() -> None:
    """Let the controller work before it is asked again."""
    threading.Event().wait(0.05)


@pytest.fixture
def live(run: Run, request: pytest.FixtureRequest) -> Run:
    """Do as `run`, with both hosts' datapaths connected."""
    request.getfixturevalue("switches")
    while [line[-1] for line in run("endpoint", "ls").lines[1:]] != ["yes", "yes"]:
        a_moment()
    return run


def test_hosts(run: Run) -> None:
    """Hosts are listed, shown and removed."""
    assert [line[0] for line in run("host", "ls").lines[1:]] == ["h1", "h2"]
    assert ["Dpid:", "0000000000000001"] in run("host", "show", "h1").lines
    assert run("host", "rm", "h2").out.startswith("host h2 removed, with 1 endpoint\n")
    assert "there is no host h2" in run("host", "show", "h2", code=1).err


def test_networks(run: Run) -> None:
    """Networks are made with all that they may have, listed, shown, and removed if nobody uses them."""
    words = "--subnet 10.2.0.0/24 --gateway 10.2.0.9 --range 10.2.0.128/25 --reserved 10.2.0.5 --internal --label a=b"
    assert "created: 10.2.0.0/24, gateway 10.2.0.9" in run("network", "create", "red", *words.split()).out
    assert "created: 10.210." in run("network", "create", "auto").out
    assert [line[0] for line in run("network", "ls").lines[1:]] == ["auto", "blue", "red"]
    assert ["Labels:", "a=b"] in run("network", "show", "red").lines
    assert "was there already" in run("network", "create", "blue", "--subnet", "10.1.0.0/24").out
    assert run("network", "rm", "blue", "red", code=1).out == "network red removed\n"
    assert "web1 on h1" in run("network", "rm", "blue", code=1).err
    assert "prefix length" in run("network", "create", "bad", "--subnet", "10.0.0.0", code=1).err


def test_endpoints_and_containers(run: Run) -> None:
    """Endpoints and containers are listed and found by each of their names."""
    assert [line[1] for line in run("endpoint", "ls", "--host", "h1", "--network", "blue").lines[1:]] == ["web1"]
    for name in ("e1abc", "e1", "web1", "10.1.0.11", "111"):
        assert run("endpoint", "show", name, "-o", "name").out == "e1abc\n"
    assert [line[0] for line in run("container", "ls").lines[1:]] == ["web1", "web2"]


def test_publications(run: Run) -> None:
    """Ports are published in both forms, listed, and removed."""
    assert "8080/tcp of all hosts leads to web1:80" in run("publish", "8080", "web1:80").out
    words = ("--to", "web2", "--host", "h1", "--network", "blue", "--address", "192.0.2.1")
    made = run("publish", "create", "53/udp", *words, "-o", "name").out.strip()
    assert "leads to web1" in run("publish", "create", "8080", "--to", "web2", "--host", "h2", code=1).err
    assert sorted(line[2] for line in run("publish", "ls").lines[1:]) == ["192.0.2.1:53/udp", "8080/tcp"]
    assert run("publish", "rm", made[:8], "8080").code == 0
    assert run("publish", "ls", "-o", "name").out == ""


def test_moves(live: Run) -> None:
    """A move is begun, listed, shown; of a container or to a host that is not there, it is refused."""
    name = live("container", "move", "web1", "--to", "h2", "--detach", "-o", "name").out.strip()
    assert live("move", "ls").lines[1][:5] == [name, "web1", "h1", "h2", "preparing"]
    assert ["State:", "preparing"] in live("move", "show", name[:6]).lines
    live("container", "move", "nobody", "--to", "h2", code=1)
    assert live("container", "move", "web2", "--to", "h9", code=1).err.startswith("daolictl: ")


def test_move_is_followed(live: Run, controller: Controller) -> None:
    """A move is followed to its end, which the agent of the source makes here: it refuses."""
    program = [sys.executable, "-m", "daoli.cli", "container", "move", "web1", "--to", "h2"]
    with subprocess.Popen(
        program, env={**os.environ, "DAOLI_CONTROLLER": controller.url}, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"preparing")
        name = live("move", "ls", "-o", "name").out.strip()
        report = {"host": "h1", "state": "failed", "detail": "volume data cannot follow"}
        Client(Settings(controller.url)).request("POST", f"/moves/{name}/reports", report)
        assert process.stdout.read() == b"failed     web1 stays on h1: volume data cannot follow\n"
        assert process.wait(PATIENCE) == 1


def test_the_rest_of_the_lists(run: Run) -> None:
    """Leases and routes are listed."""
    assert run("lease", "ls", "--host", "h1").lines[1][:3] == ["10.1.0.20", "blue", "h1"]
    assert json.loads(run("route", "ls", "-o", "json").out) == {"routes": []}


def test_live_route(live: Run, switches: Callable[[bytes], None]) -> None:
    """A first packet opens a route, which is listed by names and explained as live; the doctor finds nothing wrong."""
    frame = ipv4(bytes.fromhex("02420a010001"), ROUTER_MAC, bytes((10, 1, 0, 11)), bytes((10, 1, 0, 12)))
    while not (routes := live("route", "ls").lines[1:]):
        switches(frame)  # before the host's static flows are there a frame is lost, as a container's would be
        a_moment()
    assert routes[0][1:3] == ["web1", "web2"]
    assert "is live" in live("explain", "web1", "web2").out
    assert "problem" not in live("doctor").out
    assert live("endpoint", "ls", "-o", "name").out == "e1abc\ne2abc\n"


def test_explain(run: Run) -> None:
    """A packet is explained by names, addresses and beginnings of ids."""
    assert run("explain", "web1", "10.1.0.12", "5432/tcp").out.startswith("web1 > 10.1.0.12 5432/tcp: allowed")
    assert run("explain", "e1a", "web2", "-o", "name").out == "allowed\n"
    assert "no endpoint" in run("explain", "web1", "nobody", code=1).err


def test_status_and_doctor(run: Run) -> None:
    """The whole is told, and the doctor finds that no host is connected."""
    assert "Hosts:        2, 0 connected\n" in run("status").out
    wrong = [line for line in run("doctor", code=1).lines if line[0] == "problem"]
    assert [line[:3] for line in wrong] == [["problem", "hosts", "h1"], ["problem", "hosts", "h2"]]


def test_events(run: Run, controller: Controller) -> None:
    """What happens is told as it happens, an object a line, to whom only wants some kinds."""
    flags = ("--controller", controller.url, "events", "--kinds", "network.added", "-o", "json")
    with subprocess.Popen([sys.executable, "-u", "-m", "daoli.cli", *flags], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            # Events are told from the moment that the stream is there, which only an event shows.
            made = 0
            os.set_blocking(process.stdout.fileno(), False)
            while not (line := process.stdout.readline()):
                made += 1
                run("network", "create", f"n{made}")
        finally:
            process.terminate()
    event = json.loads(line)
    assert (event["kind"], event["network"][:1]) == ("network.added", "n")
