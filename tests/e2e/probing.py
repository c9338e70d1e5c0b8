"""Rules for a while, and who gets through to whom by what while they hold."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from tests.e2e.rig import PYTHON, Rig
from tests.e2e.traffic import Program

from daoli.lab import Endpoint, Place

Came = tuple[str, str, str, int | None]
"""What was answered: the source's address, the protocol, the destination's address and port."""

# All ports of some addresses, TCP and UDP, in one process: what comes is answered.
_SERVE = """
import json, selectors, socket, sys
ready = selectors.DefaultSelector()
for address in json.loads(sys.argv[1]):
    for port in json.loads(sys.argv[2]):
        tcp = socket.create_server((address, port), backlog=256)
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind((address, port))
        for link in (tcp, udp):
            ready.register(link, selectors.EVENT_READ)
ready.register(sys.stdin, selectors.EVENT_READ)
print("ready", flush=True)
while True:
    for key, _ in ready.select():
        if key.fileobj is sys.stdin:
            sys.exit()
        if key.fileobj.type == socket.SOCK_STREAM:
            key.fileobj.accept()[0].close()
        else:
            key.fileobj.sendto(*key.fileobj.recvfrom(100))
"""

# Tries everything at once, so that what is not answered costs its time once: prints what was. Datagrams are sent again
# as any client would: of so many at once some may be over a port's punt budget, for a second.
_PROBE = """
import json, select, socket, struct, sys, time
own, targets, ports = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
waiting, questions, came = {}, {}, []
def link_to(kind, protocol, target, port):
    link = socket.socket(socket.AF_INET, kind, protocol)
    link.bind((own, 0))
    link.setblocking(False)
    link.connect_ex((target, port))
    return link
for target in targets:
    for port in ports:
        waiting[link_to(socket.SOCK_STREAM, 0, target, port)] = ("tcp", target, port)
        udp = link_to(socket.SOCK_DGRAM, 0, target, port)
        questions[udp] = b"?"
        waiting[udp] = ("udp", target, port)
    icmp = link_to(socket.SOCK_RAW, 1, target, 0)
    head = struct.pack("!BBHHH", 8, 0, 0, 7, 1)
    questions[icmp] = head[:2] + (~sum(struct.unpack("!4H", head)) & 0xFFFF).to_bytes(2, "big") + head[4:]
    waiting[icmp] = ("icmp", target, None)
def ask():
    for link in questions.keys() & waiting.keys():
        try:
            link.send(questions[link])
        except OSError:  # what the last one has met
            pass
began = time.monotonic()
rounds = [began + 0.4 * n for n in range(4)]
end = began + float(sys.argv[4])
while waiting and (now := time.monotonic()) < end:
    if rounds and now >= rounds[0]:
        rounds.pop(0)
        ask()
    left = min([*rounds[:1], end]) - now
    connecting = [link for link, what in waiting.items() if what[0] == "tcp"]
    others = [link for link, what in waiting.items() if what[0] != "tcp"]
    for links in select.select(others, connecting, [], max(0, left))[:2]:
        for link in links:
            what = waiting[link]
            try:
                if what[0] == "tcp":
                    error = link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if not error:
                        came.append(what)
                else:
                    data = link.recv(2048)
                    if what[0] == "icmp" and (data[20] or socket.inet_ntoa(data[12:16]) != what[1]):
                        continue
                    came.append(what)
            except OSError:
                pass
            del waiting[link]
print(json.dumps(came))
"""


@contextmanager
def rules(rig: Rig, *bodies: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """Have rules until the end of the block."""
    made = []
    try:
        for body in bodies:
            answer = rig.controller.post("/rules", body)
            assert answer.status == 201, answer
            made.append(answer.body)
        yield made
    finally:
        for rule in made:
            rig.controller.delete(f"/rules/{rule['id']}")


@contextmanager
def serving(listeners: Mapping[Place, Sequence[str]], ports: Sequence[int]) -> Iterator[None]:
    """Have these ports of the given addresses at each place answered."""
    with ExitStack() as stack:
        for place, addresses in listeners.items():
            stack.enter_context(Program(place, _SERVE, json.dumps(addresses), json.dumps(ports)))
        yield


def probe(place: Place, own: str, targets: Sequence[str], ports: Sequence[int], patience: float = 1.6) -> set[Came]:
    """Try all ports of the targets but itself from one of a place's addresses, and ping them; what was answered."""
    others = [target for target in targets if target != own]
    command = [*PYTHON, _PROBE, own, json.dumps(others), json.dumps(ports), str(patience)]
    return {(own, *came) for came in json.loads(place.exec(command, timeout=20).stdout)}


def asked(ports: Sequence[int]) -> list[tuple[str, int | None]]:
    """List what `probe` tries."""
    return [*((protocol, port) for protocol in ("tcp", "udp") for port in ports), ("icmp", None)]


def explained(rig: Rig, source: Endpoint, others: Iterable[Endpoint], ports: Sequence[int]) -> Iterator[Came]:
    """Give what `GET /explain` allows a source."""
    for other in others:
        if other is source:
            continue
        for protocol, port in asked(ports):
            query = f"source={source.id}&destination={other.id}&protocol={protocol}" + (f"&port={port}" if port else "")
            body = rig.get(f"/explain?{query}")
            assert not body["problems"]
            if body["allowed"]:
                yield source.ip, protocol, other.ip, port
