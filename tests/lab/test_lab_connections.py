"""HTTP by a unix socket and from inside a machine's network."""

import os
import socket
import sys
from pathlib import Path
from threading import Thread

import pytest

from daoli.lab import Lab, wait_until
from daoli.lab.connections import InnerConnection, UnixConnection, answers

SAID = b"HTTP/1.1 %d x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def serve_once(path: Path, status: int) -> Thread:
    """Answer one request at a unix socket with this status."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(path))
    server.listen()

    def serve() -> None:
        with server, server.accept()[0] as client:
            client.recv(4096)
            client.sendall(SAID % status)

    thread = Thread(target=serve)
    thread.start()
    return thread


@pytest.mark.parametrize(("status", "good"), [(200, True), (503, False)])
def test_answers(tmp_path: Path, status: int, good: bool) -> None:
    """Only a good answer counts."""
    thread = serve_once(tmp_path / "socket", status)
    assert answers(UnixConnection(tmp_path / "socket", 5), "/") is good
    thread.join()


def test_nobody_listens(tmp_path: Path) -> None:
    """A missing socket, a dead one and a process that is gone are no answer."""
    assert not answers(UnixConnection(tmp_path / "none", 5), "/")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(tmp_path / "dead"))
    assert not answers(UnixConnection(tmp_path / "dead", 5), "/")
    assert not answers(InnerConnection(2**22 + 1, "127.0.0.1", 80, 5), "/")


@pytest.mark.e2e
def test_inner_connection(shared_lab: Lab) -> None:
    """A server on a machine's loopback is reached by whoever enters its network, and this thread stays outside."""
    before = Path("/proc/thread-self/ns/net").readlink()
    pid = shared_lab.controller.pid_number
    with shared_lab.controller.popen(
        [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "8765"], stdout=-3, stderr=-3, cwd="/"
    ):
        wait_until(lambda: answers(InnerConnection(pid, "127.0.0.1", 8765, 5), "/"))
    assert not answers(InnerConnection(os.getpid(), "127.0.0.1", 8765, 5), "/")
    assert Path("/proc/thread-self/ns/net").readlink() == before
