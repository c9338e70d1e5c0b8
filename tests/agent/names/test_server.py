"""The server of names: frames from the bridge, connections from nftables."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import dns.message
import dns.rdatatype
import pytest
from tests.agent.names.test_frames import MAC, frame
from tests.agent.names.test_zone import endpoint, zone_of

from daoli.agent.names import flood, frames, server
from daoli.agent.names.server import NamesServer, PortMap
from daoli.hosts.spec import EndpointSpec
from daoli.routing.model import mac_text

ASKER = endpoint(2, "asker", mac=mac_text(MAC), port="dl2")
WEB = endpoint(3, "web", port="dl3")
PORT = 7
"""The port number in the frames of `test_frames.frame`."""


class FakeBridge:
    """The other end of the packet socket, and what the switch says of its ports."""

    def __init__(self) -> None:
        self.names = {PORT: "dl2"}
        self.asked = 0
        self.opened = 0
        self.wire: socket.socket | None = None

    def open(self, _: str) -> socket.socket:
        self.close()
        self.opened += 1
        self.wire, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.wire.setblocking(False)
        ours.setblocking(False)
        return Packets(ours.detach())

    async def read(self) -> dict[int, str]:
        self.asked += 1
        return dict(self.names)

    def close(self) -> None:
        if self.wire is not None:
            self.wire.close()
            self.wire = None

    async def answer_to(self, sent: bytes) -> bytes:
        assert self.wire is not None
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self.wire, sent)
        return await loop.sock_recv(self.wire, 65536)

    async def query(self, name: str) -> bytes:
        return await self.answer_to(frame(question(name)))


class Packets(socket.socket):
    """One end of a pair of sockets that tells of an interface, as a packet socket does."""

    def __init__(self, fileno: int) -> None:
        super().__init__(fileno=fileno)

    def recvfrom(self, *size: int) -> tuple[bytes, tuple[str, int, int]]:
        data = self.recv(size[0])
        if not data:
            raise OSError(100, "Network is down")
        return data, ("dldns", 0x0800, socket.PACKET_HOST)


def question(name: str) -> bytes:
    return dns.message.make_query(name, "A", id=77).to_wire()


def told(answer: bytes) -> list[str]:
    """List the addresses in a frame that answers."""
    assert answer[6:10] == frames.ANSWER, answer.hex()
    return addresses(answer[14 + 20 + 8 :])


def addresses(data: bytes) -> list[str]:
    message = dns.message.from_wire(data)
    assert message.id == 77
    return [str(item) for item in message.answer[0]]


async def until(holds: Callable[[], object]) -> None:
    """Let the loop turn until something holds."""
    while not holds():  # noqa: ASYNC110  nobody there would set an event
        await asyncio.sleep(0)


@asynccontextmanager
async def running(work: Awaitable[object], ready: Callable[[], object]) -> AsyncIterator[None]:
    """Run something in the background, from when it is ready to the end of the block."""
    task = asyncio.ensure_future(work)
    try:
        await until(lambda: ready() or task.done())
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def bridge(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeBridge]:
    fake = FakeBridge()
    monkeypatch.setattr(server, "_open", fake.open)
    monkeypatch.setattr(server, "REOPEN_SECONDS", 0)
    yield fake
    fake.close()


def names_server(bridge: FakeBridge) -> NamesServer:
    return NamesServer(zone_of(ASKER, WEB), "dldns", PortMap(bridge.read))


async def test_name_is_answered(bridge: FakeBridge) -> None:
    """A query comes back as an answer by the port that it came from; the switch is asked for its ports once."""
    ours = names_server(bridge)
    async with running(ours.run_udp(), lambda: bridge.wire):
        assert told(await bridge.query("web")) == ["10.1.0.3"]
        assert told(await bridge.query("WEB.dnet1")) == ["10.1.0.3"]
    assert bridge.asked == 1
    assert (ours.answered, ours.passed_on, ours.dropped) == (2, 0, 0)


async def test_unknown_name_goes_on(bridge: FakeBridge) -> None:
    """What is not ours comes back to go on its way, untouched."""
    ours = names_server(bridge)
    async with running(ours.run_udp(), lambda: bridge.wire):
        for sent in (frame(question("example.org")), frame(b"no DNS"), frame(question("web"), fragment=0x2000)):
            assert await bridge.answer_to(sent) == frames.passed_on(sent)
    assert ours.passed_on == 3


async def test_foreign_frames_are_left_alone(bridge: FakeBridge) -> None:
    """A frame that the bridge did not mark as a query is not looked at."""
    ours = names_server(bridge)
    async with running(ours.run_udp(), lambda: bridge.wire):
        assert bridge.wire is not None
        bridge.wire.send(b"\xff" * 6 + frame(question("web"))[6:])
        assert told(await bridge.query("web"))
    assert ours.answered == 1


@pytest.mark.parametrize(
    ("asker", "port"),
    [(endpoint(2, "asker", mac="02:42:0a:01:00:99", port="dl2"), PORT), (ASKER, PORT + 1)],
    ids=["another MAC", "another port"],
)
async def test_who_asks_with_anothers_address_learns_nothing(
    bridge: FakeBridge, asker: EndpointSpec, port: int
) -> None:
    """A known address with another MAC, or at another port, is not answered from the zone."""
    bridge.names = {PORT: "dl2", PORT + 1: "dl9"}
    ours = NamesServer(zone_of(asker, WEB), "dldns", PortMap(bridge.read))
    sent = frame(question("web"))
    sent = sent[:4] + port.to_bytes(2, "big") + sent[6:]
    async with running(ours.run_udp(), lambda: bridge.wire):
        assert await bridge.answer_to(sent) == frames.passed_on(sent)


async def test_flood_of_one_port_is_cut(bridge: FakeBridge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Queries beyond a port's quota are lost, another port's are answered, and after a while it is heard again."""
    monkeypatch.setattr(flood, "SILENCE_SECONDS", 0.05)
    bridge.names = {PORT: "dl9", PORT + 1: "dl2"}
    ours = names_server(bridge)
    ours._quotas = flood.Quotas(rate=100.0, burst=3.0)
    sent = frame(question("web"))
    async with running(ours.run_udp(), lambda: bridge.wire):
        assert bridge.wire is not None
        for _ in range(10):
            bridge.wire.send(sent)
        for _ in range(3):
            assert await asyncio.get_running_loop().sock_recv(bridge.wire, 65536) == frames.passed_on(sent)
        assert told(await bridge.answer_to(sent[:4] + (PORT + 1).to_bytes(2, "big") + sent[6:]))
        assert ours._silent == {PORT}
        bridge.wire.send(sent)
        await until(lambda: not ours._silent)
        assert ours.dropped == 7
        ours._quotas = flood.Quotas()
        assert await bridge.answer_to(sent) == frames.passed_on(sent)


async def test_interface_that_goes_is_waited_for(bridge: FakeBridge) -> None:
    """After the interface was lost the next one is served."""
    ours = names_server(bridge)
    async with running(ours.run_udp(), lambda: bridge.wire):
        bridge.close()
        await until(lambda: bridge.opened == 2)
        assert told(await bridge.query("web"))


async def test_ports_are_asked_for_again_when_they_changed(bridge: FakeBridge, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that is not the one that it was is asked for, but not for each query."""
    monkeypatch.setattr(server, "PORT_MAP_SECONDS", 1000.0)
    ports = PortMap(bridge.read)
    assert await ports.name(PORT, "dl2") == "dl2"
    bridge.names = {PORT: "dl3"}
    assert await ports.name(PORT, "dl3") == "dl2"
    monkeypatch.setattr(server, "PORT_MAP_SECONDS", 0.0)
    assert await ports.name(PORT, "dl3") == "dl3"
    assert ports.known(PORT) == "dl3"
    assert bridge.asked == 2


# -- TCP ---------------------------------------------------------------------------------------------------------------


def framed(message: bytes) -> bytes:
    return struct.pack("!H", len(message)) + message


async def read_framed(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(struct.unpack("!H", await reader.readexactly(2))[0])


@pytest.fixture
async def resolver() -> AsyncIterator[tuple[str, int]]:
    """A resolver that sends each message back with its first two bytes only."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while True:
                writer.write(framed((await read_framed(reader))[:2]))
        writer.close()

    async with await asyncio.start_server(client, "127.0.0.1", 0) as there:
        yield there.sockets[0].getsockname()


@asynccontextmanager
async def tcp(
    monkeypatch: pytest.MonkeyPatch, bridge: FakeBridge, resolver: tuple[str, int] | None
) -> AsyncIterator[tuple[NamesServer, int]]:
    """Serve TCP on a free port, for connections that were made to a resolver by a container at loopback's address."""
    monkeypatch.setattr(server, "_original_destination", lambda _: resolver)
    asker = endpoint(2, "asker").model_copy(update={"ipv4": "127.0.0.1"})
    ours = NamesServer(zone_of(asker, WEB), "dldns", PortMap(bridge.read))
    made: list[asyncio.Server] = []
    start = asyncio.start_server

    async def remember(*args: object, **options: object) -> asyncio.Server:
        made.append(await start(*args, **options))  # type: ignore[arg-type]  # as they came
        return made[0]

    monkeypatch.setattr(asyncio, "start_server", remember)
    async with running(ours.run_tcp("127.0.0.1", 0), lambda: made):
        yield ours, made[0].sockets[0].getsockname()[1]


async def test_names_by_tcp(monkeypatch: pytest.MonkeyPatch, bridge: FakeBridge, resolver: tuple[str, int]) -> None:
    """One connection asks for what is ours and for what the resolver knows, by turns."""
    async with tcp(monkeypatch, bridge, resolver) as (ours, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(framed(question("web")))
            assert addresses(await read_framed(reader)) == ["10.1.0.3"]
            writer.write(framed(question("example.org")))
            assert await read_framed(reader) == b"\0M"
        writer.close()
        assert (ours.answered, ours.passed_on) == (2, 2)


@pytest.mark.parametrize("where", [None, ("127.0.0.1", 1)], ids=["not led here", "nobody there"])
async def test_connection_that_leads_nowhere_is_ended(
    monkeypatch: pytest.MonkeyPatch, bridge: FakeBridge, where: tuple[str, int] | None
) -> None:
    """A client that nftables did not lead here, or whose resolver is not there, is let go."""
    async with tcp(monkeypatch, bridge, where) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(framed(question("example.org")))
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()


async def test_connections_of_one_container_are_bounded(
    monkeypatch: pytest.MonkeyPatch, bridge: FakeBridge, resolver: tuple[str, int]
) -> None:
    """A connection too many is ended, and there is room again when another has gone."""
    monkeypatch.setattr(server, "TCP_CLIENTS_OF_ONE", 1)
    async with tcp(monkeypatch, bridge, resolver) as (ours, port):
        first, hold = await asyncio.open_connection("127.0.0.1", port)
        hold.write(framed(question("web")))
        await read_framed(first)
        second, over = await asyncio.open_connection("127.0.0.1", port)
        assert await second.read() == b""
        over.close()
        hold.close()
        assert await first.read() == b""
        await until(lambda: not ours._clients)
        third, again = await asyncio.open_connection("127.0.0.1", port)
        again.write(framed(question("web")))
        assert addresses(await read_framed(third))
        again.close()


async def test_silent_connection_is_ended(
    monkeypatch: pytest.MonkeyPatch, bridge: FakeBridge, resolver: tuple[str, int]
) -> None:
    """A client that asks nothing, or half a question, does not stay."""
    monkeypatch.setattr(server, "TCP_IDLE_SECONDS", 0.01)
    async with tcp(monkeypatch, bridge, resolver) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\0\x20half")
        assert await reader.read() == b""
        writer.close()


def test_original_destination() -> None:
    """The address that a connection was made to is the kernel's sockaddr_in."""

    class Led:
        def getsockopt(self, *_: int) -> bytes:
            return struct.pack("!HH4s8x", socket.AF_INET, 53, b"\x08\x08\x04\x04")

    assert server._original_destination(Led()) == ("8.8.4.4", 53)
    with socket.socket() as plain:
        assert server._original_destination(plain) is None
