"""Tells systemd how the agent is (sd_notify(3)); without systemd nothing happens."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress


def is_awaited(environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether systemd waits to be told: it started us, and no person reads what we say."""
    return bool(environment.get("NOTIFY_SOCKET"))


def notify(*lines: str, environment: Mapping[str, str] = os.environ) -> None:
    """Send assignments such as ``READY=1``."""
    path = environment.get("NOTIFY_SOCKET")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
        to.sendto("\n".join(lines).encode(), address)
