"""Programs that run in endpoints: they go on until their standard input ends, and then say what they saw."""

from __future__ import annotations

import json
import subprocess
from types import TracebackType
from typing import Any, Self

from tests.e2e.rig import PATIENCE, PYTHON

from daoli.lab import Place

_UDP_SEND = """
import select, socket, sys
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sent = 0
print("ready", flush=True)
while not select.select([sys.stdin], [], [], float(sys.argv[3]))[0]:
    sent += 1
    link.sendto(b"%d" % sent, (sys.argv[1], int(sys.argv[2])))
print(sent, flush=True)
"""

_UDP_RECEIVE = """
import json, select, socket, sys
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
link.bind(("", int(sys.argv[1])))
seen = []
print("ready", flush=True)
ending = False
while True:
    ready = select.select([link] if ending else [link, sys.stdin], [], [], 0.3 if ending else None)[0]
    if link in ready:
        data, peer = link.recvfrom(2048)
        seen.append([peer[0], data.decode()])
    elif ending:
        break
    ending = ending or sys.stdin in ready
print(json.dumps(seen), flush=True)
"""

# Numbers go out and are told as they come back; whatever gets lost or mixed up on the way ends the program.
_TCP_ECHO = """
import socket, sys
listener = socket.create_server(("", int(sys.argv[1])))
print("ready", flush=True)
link, _ = listener.accept()
while data := link.recv(65536):
    link.sendall(data)
"""

_TCP_ASK = """
import select, socket, sys
link = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10, (sys.argv[3], 0))
block = bytes(range(256)) * 40
turns = 0
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0.005)[0]:
    link.sendall(block)
    got = b""
    while len(got) < len(block):
        more = link.recv(65536)
        assert more
        got += more
    assert got == block
    turns += 1
    print(turns, flush=True)
"""


class Program:
    """A Python program in an endpoint, from the moment that it says that it is ready."""

    def __init__(self, place: Place, text: str, *arguments: str) -> None:
        pipe = subprocess.PIPE
        self._process = place.popen([*PYTHON, text, *arguments], stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT)
        first = self.line()
        assert first == "ready", first + self._last_words()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate(timeout=PATIENCE)

    def _last_words(self) -> str:
        """What it says of its end; read as `line` does, which may have taken more than a line from the pipe."""
        with self._process as process:
            assert process.stdout is not None
            return str(process.stdout.read())

    def line(self) -> str:
        """The next line that it prints."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def finish(self) -> str:
        """Tell it to end; what it said last."""
        said, _ = self._process.communicate("", timeout=PATIENCE)
        assert self._process.returncode == 0, said
        return str(said).strip()


class UdpSender(Program):
    """Sends numbered datagrams, one each `interval` seconds."""

    def __init__(self, place: Place, target: str, port: int = 9000, interval: float = 0.02) -> None:
        super().__init__(place, _UDP_SEND, target, str(port), str(interval))

    def sent(self) -> int:
        """End it; how many it sent."""
        return int(self.finish())


class UdpReceiver(Program):
    """Collects datagrams."""

    def __init__(self, place: Place, port: int = 9000) -> None:
        super().__init__(place, _UDP_RECEIVE, str(port))

    def seen(self) -> list[list[str]]:
        """End it; who sent what."""
        found: Any = json.loads(self.finish())
        return list(found)


class TcpEcho(Program):
    """Takes one connection, and says back what it hears."""

    def __init__(self, place: Place, port: int = 9001) -> None:
        super().__init__(place, _TCP_ECHO, str(port))


class TcpTransfer(Program):
    """Sends blocks of 10 kB over one connection, and checks each as it comes back."""

    def __init__(self, place: Place, target: str, port: int = 9001, own: str = "0.0.0.0") -> None:
        """`own` is the address that it connects from, where the place has several."""
        self.turns = 0
        super().__init__(place, _TCP_ASK, target, str(port), own)

    def go_on(self, turns: int = 20) -> None:
        """Wait until so many further blocks came back."""
        wanted = self.turns + turns
        while self.turns < wanted:
            said = self.line()
            assert said.isdecimal(), said
            self.turns = int(said)
