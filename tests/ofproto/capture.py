"""A switch that does nothing but listen: it has ovs-ofctl send its messages, and keeps them as they came."""

import socket
import struct
import subprocess
from collections.abc import Iterable
from pathlib import Path
from threading import Thread
from typing import Self

_HEADER = struct.Struct("!BBHI")
_FEATURES = struct.pack("!QIBB2xII", 1, 0, 254, 0, 0x4F, 0)
_HELLO, _ECHO, _FEATURES_REQUEST, _BARRIER = 0, 2, 5, 20
_ANSWERED = {_ECHO: 3, _FEATURES_REQUEST: 6, _BARRIER: 21}
_EXPERIMENTER = 4
_BUNDLE_CONTROL = bytes.fromhex("4f4e4600000008fc")


def _frames(peer: socket.socket) -> Iterable[bytes]:
    """Give a peer's messages until it goes."""
    data = b""
    while more := peer.recv(65536):
        data += more
        while len(data) >= _HEADER.size and len(data) >= (size := _HEADER.unpack_from(data)[2]):
            yield data[:size]
            data = data[size:]


def _answer(data: bytes) -> bytes:
    """Give what a switch says to a request, if it says anything."""
    _, kind, _, xid = _HEADER.unpack_from(data)
    body = data[8:]
    if kind == _FEATURES_REQUEST:
        body = _FEATURES
    if kind == _EXPERIMENTER and body.startswith(_BUNDLE_CONTROL):  # the reply's type is the request's, plus one
        (step,) = struct.unpack_from("!H", body, 12)
        return data[:20] + struct.pack("!H", step + 1) + data[22:]
    if kind not in _ANSWERED:
        return b""
    return _HEADER.pack(4, _ANSWERED[kind], 8 + len(body), xid) + body


class Listener:
    """A switch at a Unix socket; `heard` has every message but those that only keep a connection going."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "switch"
        self.heard: list[bytes] = []
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(self.path))
        self._server.listen()
        self._thread = Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._server.accept()
            except OSError:
                return
            with peer:
                peer.sendall(_HEADER.pack(4, _HELLO, 8, 0))
                try:
                    for data in _frames(peer):
                        if data[1] not in {_HELLO, *_ANSWERED}:
                            self.heard.append(data)
                        peer.sendall(_answer(data))
                except ConnectionError:
                    continue

    def ofctl(self, command: str, *more: str) -> list[bytes]:
        """Run an ovs-ofctl command (an option may stand before it) against this switch; give the messages it sent."""
        arguments = list(more)
        self.heard.clear()
        options = [command] if command.startswith("--") else []
        if options:
            command, *arguments = arguments
        target = f"unix:{self.path}"
        words = ["ovs-ofctl", "-O", "OpenFlow13", "--no-names", *options, command, target, *arguments]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=20)
        if done.returncode or done.stderr:
            raise AssertionError(f"{' '.join(words)}: {done.stderr}")
        return list(self.heard)
