"""Ports that ask too much are not heard for a while: the kernel drops their frames, and they cost the others nothing.

One socket carries the queries of all ports, so that a flood would fill its buffer, and the others' queries be lost.
"""

from __future__ import annotations

import array
import socket
import struct
from collections.abc import Collection
from typing import Final

RATE: Final = 1000.0
BURST: Final = 3000.0
"""Queries a second of one port, and at once. A program that asks by turns has some 1,000 answers a second."""
SILENCE_SECONDS: Final = 1.0
MOST: Final = 200
"""Ports that are silent at a time: the jumps of a filter reach no further."""
_SO_ATTACH_FILTER: Final = 26
_LOAD_HALF, _JUMP_IF_EQUAL, _RETURN = 0x28, 0x15, 0x06
_INSTRUCTION: Final = struct.Struct("=HBBI")
_PORT_OFFSET: Final = 4
"""Of the port number in a frame's destination."""
_WHOLE: Final = 0x40000


class Quotas:
    """What each port may ask; who asks more is silent, and then begins with nothing saved. Pure."""

    def __init__(self, rate: float = RATE, burst: float = BURST) -> None:
        self._rate = rate
        self._burst = burst
        self._buckets: dict[int, tuple[float, float]] = {}
        """Port -> tokens, and when there were so many."""
        self._silent: dict[int, float] = {}
        """Port -> until when."""

    def take(self, port: int, now: float) -> bool:
        """Take one query of a port's; False if it has none left, or is silent."""
        if port in self._silent:
            return False
        tokens, at = self._buckets.get(port, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self._rate)
        if tokens >= 1:
            self._buckets[port] = tokens - 1, now
            return True
        if len(self._silent) < MOST:
            self._silent[port] = now + SILENCE_SECONDS
            self._buckets[port] = 0.0, now + SILENCE_SECONDS
        return False

    def silent(self, now: float) -> frozenset[int]:
        """List the ports that are silent."""
        for port in [port for port, until in self._silent.items() if until <= now]:
            del self._silent[port]
        return frozenset(self._silent)


def program(ports: Collection[int]) -> bytes:
    """Write the filter that drops the frames of some ports: classic BPF (socket(7), SO_ATTACH_FILTER)."""
    tests = [_INSTRUCTION.pack(_JUMP_IF_EQUAL, len(ports) - n, 0, port) for n, port in enumerate(sorted(ports))]
    load = _INSTRUCTION.pack(_LOAD_HALF, 0, 0, _PORT_OFFSET)
    return b"".join([load, *tests, _INSTRUCTION.pack(_RETURN, 0, 0, _WHOLE), _INSTRUCTION.pack(_RETURN, 0, 0, 0)])


def attach(heard: socket.socket, ports: Collection[int]) -> None:
    """Have a socket drop the frames of some ports; it replaces what was dropped before."""
    code = array.array("B", program(ports))
    count = len(code) // _INSTRUCTION.size
    heard.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", count, code.buffer_info()[0]))
