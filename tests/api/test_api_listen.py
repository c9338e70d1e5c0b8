"""Where the API listens."""

from __future__ import annotations

import asyncio
import socket
import stat
from pathlib import Path

import pytest
from aiohttp import ClientSession, UnixConnector, web

from daoli.api import ListenError, serve
from daoli.api.listen import TcpAddress, UnixAddress, parse_listen


async def hello(_: web.Request) -> web.Response:
    return web.Response(text="hello")


@pytest.fixture
def app() -> web.Application:
    """An application that says hello."""
    application = web.Application()
    application.router.add_get("/", hello)
    return application


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8653", TcpAddress("127.0.0.1", 8653)),
        ("localhost:0", TcpAddress("localhost", 0)),
        ("[::1]:80", TcpAddress("::1", 80)),
        ("unix:/run/daoli.sock", UnixAddress(Path("/run/daoli.sock"))),
    ],
)
def test_parse(text: str, address: TcpAddress | UnixAddress) -> None:
    """An address is read and written alike."""
    assert parse_listen(text) == address
    assert str(address) == text


@pytest.mark.parametrize("text", ["", "8653", ":8653", "h:", "h:x", "h:65536", "h:-1", "h:\u0663", "::1:80", "unix:"])
def test_not_an_address(text: str) -> None:
    """What is no address is refused, with what was given."""
    with pytest.raises(ListenError, match=r"no port|is not|no path"):
        parse_listen(text)


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "example.org:0"])
async def test_needs_token(app: web.Application, listen: str) -> None:
    """An address that others can reach needs a token."""
    with pytest.raises(ListenError, match="set a token"):
        await serve(app, listen)


async def test_with_token(app: web.Application) -> None:
    """With a token it may listen anywhere."""
    listening = await serve(app, "0.0.0.0:0", token="t")  # noqa: S106 - a test's token
    assert listening.address.startswith("0.0.0.0:")
    await listening.close()


async def test_tcp(app: web.Application) -> None:
    """It serves where it says, and a second one cannot."""
    listening = await serve(app, "127.0.0.1:0")
    async with ClientSession() as session, session.get(f"http://{listening.address}/") as answer:
        assert await answer.text() == "hello"
    with pytest.raises(ListenError, match=f"cannot listen on {listening.address}: .*in use"):
        await serve(web.Application(), listening.address)
    await listening.close()


async def test_unix(app: web.Application, tmp_path: Path) -> None:
    """A socket file is for its owner alone, serves, and is gone afterwards."""
    path = tmp_path / "api.sock"
    listening = await serve(app, f"unix:{path}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    async with ClientSession(connector=UnixConnector(str(path))) as session, session.get("http://daoli/") as answer:
        assert await answer.text() == "hello"
    with pytest.raises(ListenError, match="another process listens"):
        await serve(web.Application(), f"unix:{path}")
    await listening.close()
    assert not path.exists()


async def test_stale_socket(app: web.Application, tmp_path: Path) -> None:
    """The socket file of a process that was killed is in nobody's way."""
    path = tmp_path / "api.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    listening = await serve(app, f"unix:{path}")
    await listening.close()


async def test_not_a_socket(app: web.Application, tmp_path: Path) -> None:
    """A file that is no socket is left alone."""
    path = tmp_path / "data"
    path.write_text("precious")
    with pytest.raises(ListenError, match="not a socket"):
        await serve(app, f"unix:{path}")
    assert path.read_text() == "precious"


async def test_no_such_folder(app: web.Application, tmp_path: Path) -> None:
    """A socket file that cannot be made is refused with the system's reason."""
    with pytest.raises(ListenError, match="No such file"):
        await serve(app, f"unix:{tmp_path}/missing/api.sock")
    with pytest.raises(ListenError, match="too long"):
        await serve(app, f"unix:{tmp_path}/{'x' * 200}")


async def test_close_ends_requests(app: web.Application) -> None:
    """A request that is under way when the API stops is answered."""
    started, finish = asyncio.Event(), asyncio.Event()

    async def slow(_: web.Request) -> web.Response:
        started.set()
        await finish.wait()
        return web.Response(text="done")

    app.router.add_get("/slow", slow)
    listening = await serve(app, "127.0.0.1:0")
    async with ClientSession() as session:
        request = asyncio.ensure_future(session.get(f"http://{listening.address}/slow"))
        await started.wait()
        closing = asyncio.ensure_future(listening.close())
        await asyncio.sleep(0)
        finish.set()
        async with await request as answer:
            assert await answer.text() == "done"
        await closing
