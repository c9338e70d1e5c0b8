"""HTTP connections to servers of a lab: by a unix socket in its folder, or from inside a machine's network."""

import ctypes
import http.client
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_CLONE_NEWNET = 0x40000000


class UnixConnection(http.client.HTTPConnection):
    """To a unix socket that this process can see."""

    def __init__(self, path: Path, timeout: float) -> None:
        """Connect at the first request."""
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect; OSError if nobody listens."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(self.timeout)
            self.sock.connect(str(self._path))
        except OSError:
            self.close()
            raise


class InnerConnection(http.client.HTTPConnection):
    """To a TCP port, from the network namespace of a process: a socket stays in the one that it was made in."""

    def __init__(self, pid: int, address: str, port: int, timeout: float) -> None:
        """Connect at the first request."""
        super().__init__(address, port, timeout=timeout)
        self._pid = pid

    def connect(self) -> None:
        """Connect; OSError if nobody listens, or the process is gone."""
        with ThreadPoolExecutor(1) as visitor:  # only this thread enters the namespace, and it ends there
            self.sock = visitor.submit(self._connect_there).result()

    def _connect_there(self) -> socket.socket:
        libc = ctypes.CDLL(None, use_errno=True)
        namespace = os.open(f"/proc/{self._pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            if libc.setns(namespace, _CLONE_NEWNET):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))
        finally:
            os.close(namespace)
        return socket.create_connection((self.host, self.port), self.timeout)


def answers(connection: http.client.HTTPConnection, path: str) -> bool:
    """Whether a GET is answered with 200; the connection is closed."""
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
