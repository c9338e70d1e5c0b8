"""A lab with a controller, and what the end-to-end tests ask of both."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any, Self

from daoli.lab import Endpoint, Host, Lab, Place, Process, wait_until
from daoli.lab.session import Controller
from daoli.ofproto import FlowMod, flow_text

PATIENCE = 10.0
"""Seconds in which something that takes milliseconds must have happened, on however busy a machine."""

RECONNECT = 20.0
"""Seconds for a switch to come back: Open vSwitch tries again after at most 8 s."""

STATIC = "cookie=0xda0101"
PAIR = "cookie=0xda0102"
DENY = "cookie=0xda0103"
STATIC_FLOWS = 74

PYTHON = (sys.executable, "-I", "-S", "-c")

_SEND = """
import socket, sys
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
link.bind((sys.argv[1], 0))
for text in sys.argv[2:]:
    link.send(bytes.fromhex(text))
"""

_NUMBERS = count(1)


def mac(text: str) -> bytes:
    """A MAC's six bytes."""
    return bytes.fromhex(text.replace(":", ""))


def address(text: str) -> bytes:
    """An IPv4 address's four bytes."""
    return bytes(map(int, text.split(".")))


def ping(source: Place, target: str, *options: str, timeout: float = 20.0) -> subprocess.CompletedProcess[str]:
    """Ping once, unless the options say otherwise; the exit code is 0 when an answer came."""
    return source.exec(["ping", "-n", "-c1", "-W2", *options, target], check=False, timeout=timeout)


def reaches(source: Place, target: str) -> bool:
    """Whether one ping is answered."""
    return ping(source, target).returncode == 0


def unanswered(source: Place, target: str) -> bool:
    """Whether a ping is not answered, neither by the target nor by a router, in a hundred times the usual time."""
    done = ping(source, target, "-W0.3")
    return done.returncode == 1 and "From" not in done.stdout


def send_raw(place: Place, *frames: bytes, nic: str = "eth0") -> None:
    """Put Ethernet frames on a wire as they are."""
    place.exec([*PYTHON, _SEND, nic, *(frame.hex() for frame in frames)])


def live(host: Host, kind: str = PAIR, *, stats: bool = False) -> list[str]:
    """A host's flows of one kind."""
    return [flow for flow in host.flows(stats=stats) if kind in flow]


def flows_between(host: Host, one: str, other: str, kind: str = PAIR) -> list[str]:
    """A host's flows of a pair of addresses, in either direction, with counters."""
    ways = {(one, other), (other, one)}
    return [flow for flow in live(host, kind, stats=True) if (number(flow, "nw_src"), number(flow, "nw_dst")) in ways]


def number(flow: str, name: str) -> str:
    """A value out of a flow's text; empty if it is not there."""
    found = re.search(rf"\b{name}=([^, ]+)", flow)
    return found[1] if found else ""


def normal(flows: Iterable[str]) -> set[tuple[frozenset[str], str]]:
    """Flows in a form that does not depend on the order of words, nor on cookies and defaults."""
    found = set()
    for flow in flows:
        head, _, actions = re.sub(r"^.*: ADD ", "", flow.strip()).partition("actions=")
        words = {word for word in re.split(r"[,\s]+", head) if word}
        words -= {"table=0", "priority=32768"}
        words = {word for word in words if not word.startswith("cookie=")}
        found.add((frozenset(words), actions))
    return found


def written(flow: FlowMod) -> str:
    """A flow that a flow_mod adds, as a dump shows it."""
    times = (flow.idle_timeout, flow.hard_timeout)
    return flow_text(flow.table_id, flow.priority, flow.cookie, *times, flow.flags, flow.match, flow.instructions)


class Capture:
    """Tcpdump at a place, from the moment that it listens; `lines` is what it has told so far."""

    def __init__(self, place: Place, *expression: str, nic: str = "eth0", inbound: bool = False) -> None:
        """With `inbound` only what comes to the place is told."""
        direction = ("-Q", "in") if inbound else ()
        command = ["tcpdump", "-i", nic, "-nnelUt", "--immediate-mode", *direction, *expression]
        self._process = place.popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.lines: deque[str] = deque()
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if "listening on" in line:
                break
        self._readers = [Thread(target=self._read), Thread(target=self._drain)]
        for reader in self._readers:
            reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        self.lines.extend(line.strip() for line in self._process.stdout if line.strip())

    def _drain(self) -> None:
        assert self._process.stderr is not None
        self._process.stderr.read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> list[str]:
        """End it, and give all that it told."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        self._process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        return list(self.lines)


class Pinger:
    """A ping that goes on until it is told to stop."""

    def __init__(self, source: Place, target: str, interval: float = 0.02) -> None:
        self._process = source.popen(
            ["ping", "-n", "-i", f"{interval:g}", target], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        assert self._process.stdout is not None
        self._lines: deque[str] = deque()
        self._reader = Thread(target=lambda: self._lines.extend(self._process.stdout or ()))
        self._reader.start()

    @property
    def answers(self) -> int:
        """How many answers came so far."""
        return sum(" bytes from " in line for line in self._lines)

    def wait_for(self, more: int) -> None:
        """Wait until so many further answers came."""
        wanted = self.answers + more
        wait_until(lambda: self.answers >= wanted, PATIENCE, what=f"{wanted} answers")

    def stop(self) -> list[int]:
        """End it; the numbers of the packets that were not answered. The last one may have been under way."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        text = "".join(self._lines)
        found = re.search(r"(\d+) packets transmitted", text)
        assert found, text
        answered = [int(seq) for seq in re.findall(r" bytes from .*icmp_seq=(\d+) ", text)]
        lost = sorted(set(range(1, int(found[1]) + 1)) - set(answered))
        assert "DUP!" not in text
        return [] if lost == [int(found[1])] else lost

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._reader.join(PATIENCE)
        if self._process.stdout is not None:
            self._process.stdout.close()


@dataclass
class Rig:
    """A lab, its controller, and what a test has added to both and must take away again."""

    lab: Lab
    controller: Controller
    added: list[Endpoint] = field(default_factory=list)

    def __getitem__(self, host: str) -> Host:
        return self.lab.hosts[host]

    # -- making and posting --------------------------------------------------------------------------------------

    def add(self, host: str = "h1", network: str | None = None, *, attach: bool = True, post: bool = True) -> Endpoint:
        """Make an endpoint that nobody has talked to, and tell the controller; it goes when the test ends."""
        endpoint = self[host].add_endpoint(f"t{next(_NUMBERS)}", network, attach=attach)
        self.added.append(endpoint)
        if post:
            self.post(endpoint)
            if attach:
                self.wait_reachable(endpoint)
        return endpoint

    def pair(self, first: str = "h1", second: str = "h2", network: str | None = None) -> tuple[Endpoint, Endpoint]:
        """Make two endpoints that nobody has talked to."""
        return self.add(first, network), self.add(second, network)

    def post(self, endpoint: Endpoint, **other: Any) -> Any:
        """Tell the controller of an endpoint; give its answer."""
        answer = self.controller.post("/endpoints", {**endpoint.plan.body(), **other})
        assert answer.status in (200, 201), answer
        return answer.body

    def wait_reachable(self, *endpoints: Endpoint) -> None:
        """Wait until the controller knows these endpoints' ports."""
        for endpoint in endpoints:
            wait_until(
                lambda path=f"/endpoints/{endpoint.id}": self.get(path)["reachable"],  # type: ignore[misc]  # bound now
                PATIENCE,
                what=f"port of {endpoint.id}",
            )

    def clean(self) -> None:
        """Take away what a test added."""
        for endpoint in self.added:
            self.controller.delete(f"/endpoints/{endpoint.id}")
            if endpoint.host.is_on and endpoint.name in endpoint.host.endpoints:
                endpoint.host.remove_endpoint(endpoint.name)
        self.added.clear()

    # -- asking --------------------------------------------------------------------------------------------------

    def get(self, path: str) -> Any:
        """The body of a good answer."""
        answer = self.controller.get(path)
        assert answer.status == 200, answer
        return answer.body

    def delete(self, path: str) -> Any:
        """The body of a good answer to DELETE."""
        answer = self.controller.delete(path)
        assert answer.status == 200, answer
        return answer.body

    def route(self, one: Endpoint, other: Endpoint) -> dict[str, Any] | None:
        """The live route of two endpoints."""
        found = [r for r in self.get("/routes")["routes"] if {r["source"], r["destination"]} == {one.id, other.id}]
        assert len(found) < 2, found
        return found[0] if found else None

    def explain(self, one: Endpoint, other: Endpoint) -> dict[str, Any]:
        """What the controller says would happen to a packet."""
        said: dict[str, Any] = self.get(f"/explain?source={one.id}&destination={other.id}")
        return said

    def status(self, host: str) -> dict[str, Any]:
        """The live half of a host."""
        status: dict[str, Any] = self.get(f"/hosts/{host}")["status"]
        return status

    def metric(self, name: str) -> float:
        """A figure of /metrics, by its name with labels; 0 if it is not there."""
        for line in str(self.get("/metrics")).splitlines():
            if line.startswith((f"{name} ", f"{name}{{")) and line.rpartition(" ")[0] == name:
                return float(line.rpartition(" ")[2])
        return 0.0

    def outcome(self, name: str) -> float:
        """How many punted packets had this outcome."""
        return self.metric(f'daoli_packets_total{{outcome="{name}"}}')

    def punts(self) -> float:
        """How many packets came to the controller."""
        return self.metric("daoli_punts_total")

    @contextmanager
    def watching(self) -> Iterator[Callable[..., dict[str, Any]]]:
        """Follow the events; the function given waits for one of a kind with these fields."""
        with self.controller.events(timeout=PATIENCE) as events:
            seen: list[dict[str, Any]] = []

            def wait_for(kind: str, **fields: Any) -> dict[str, Any]:
                wanted = {"kind": kind, **fields}
                for event in seen:
                    if wanted.items() <= event.items():
                        return event
                for event in events:
                    seen.append(event)
                    if wanted.items() <= event.items():
                        return event
                raise AssertionError(f"the stream ended without {wanted}")

            yield wait_for

    # -- processes -----------------------------------------------------------------------------------------------

    def wait_settled(self, *hosts: str) -> None:
        """Wait until these hosts' datapaths are connected and in order."""
        self.controller.wait_connected(*hosts, timeout=RECONNECT)


@contextmanager
def running(
    *flags: str, hosts: int = 2, endpoints: int = 1, networks: int = 1, post: bool = True, state_dir: Path | None = None
) -> Iterator[Rig]:
    """Build a lab and start a controller in it; both are gone at the end, however that comes about."""
    with ExitStack() as stack:
        lab = stack.enter_context(Lab.create(hosts=hosts, endpoints=endpoints, networks=networks, state_dir=state_dir))
        controller = stack.enter_context(Controller(lab, *flags))
        if post:
            controller.post_lab()
            controller.wait_connected()
        yield Rig(lab, controller)


@contextmanager
def background(place: Place, *command: str, ready: str = "") -> Iterator[Process]:
    """Run a command until the end of the block; with `ready` from when it has printed a line with this word."""
    with place.popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            assert process.stdout is not None
            if ready:
                for line in process.stdout:
                    if ready in line:
                        break
            yield process
        finally:
            if process.poll() is None:
                process.kill()
