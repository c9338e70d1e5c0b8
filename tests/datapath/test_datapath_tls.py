"""TLS: who is let in, who is not, and that nobody else notices."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.datapath import ovs
from tests.datapath.certificates import authority, openssl
from tests.datapath.scripted_switch import LONG, Recorder, ScriptedSwitch

from daoli.datapath import Channel, ChannelSettings, TlsError, client_context, serve, server_context
from daoli.datapath.events import events
from daoli.lab import Lab, wait_until
from daoli.ofproto import BarrierReply, BarrierRequest, DescRequest, PacketOut


@asynccontextmanager
async def secured(settings: ChannelSettings | None = None) -> AsyncIterator[tuple[Channel, Recorder]]:
    """Listen with TLS on loopback."""
    handler = Recorder()
    context = server_context(*authority().files("controller"))
    async with serve(handler, "127.0.0.1", 0, ssl=context, settings=settings or ChannelSettings()) as channel:
        yield channel, handler


async def is_served(channel: Channel, handler: Recorder, dpid: int = 1) -> None:
    """Connect a good switch, ask it something, and let it go."""
    count = len(handler.datapaths)
    switch = await ScriptedSwitch.ready(channel, dpid, client_context(*authority().files("switch")))
    datapath = await handler.until(handler.datapaths, count + 1)
    asking = asyncio.ensure_future(datapath.barrier())
    switch.send(BarrierReply(xid=(await switch.expect(BarrierRequest)).xid))
    await asking
    assert datapath.dpid == dpid
    await switch.leave()


async def test_switch_with_a_certificate() -> None:
    """A switch whose certificate the authority signed becomes a datapath; who speaks plainly is not answered."""
    async with secured() as (channel, handler):
        await is_served(channel, handler)
        reader, writer = await asyncio.open_connection(*channel.address)
        writer.write(b"\x04\x00\x00\x08\x00\x00\x00\x00")
        async with asyncio.timeout(LONG):
            assert b"\x04\x00\x00" not in await reader.read()
        writer.close()


@pytest.mark.parametrize("signer", [None, "theirs"])
async def test_switch_without_a_good_certificate(signer: str | None) -> None:
    """A switch with no certificate, or one of another authority, never gets to say hello; the next one is served."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(authority().ca())
    if signer:
        context.load_cert_chain(*authority(signer).pair("switch"))
    async with secured() as (channel, handler):
        stranger = await ScriptedSwitch.connect(channel, context)  # in TLS 1.3 the client is done before the server
        assert await stranger.rest() == b""
        stranger.close()
        await is_served(channel, handler)
        assert len(handler.datapaths) == 1


async def test_controller_of_another_authority() -> None:
    """A switch refuses a controller whose certificate its authority did not sign."""
    stranger = client_context(*authority().pair("switch"), authority("theirs").ca())
    async with secured() as (channel, handler):
        with pytest.raises(ssl.SSLCertVerificationError):
            await ScriptedSwitch.connect(channel, stranger)
        await is_served(channel, handler)


async def test_handshake_that_never_comes() -> None:
    """Who connects and does not shake hands is dropped in time, without a word to the handler, at nobody's cost."""
    async with secured(ChannelSettings(tls_timeout=0.2)) as (channel, handler):
        silent = await ScriptedSwitch.connect(channel)
        await is_served(channel, handler)
        assert await silent.rest() == b""
        silent.close()
        assert len(handler.datapaths) == 1


async def test_garbage_instead_of_a_handshake(caplog: pytest.LogCaptureFixture) -> None:
    """Garbage in place of a handshake ends that connection only, and the loop reports nothing."""
    async with secured() as (channel, handler):
        for junk in (
            b"\x04\x00\x00\x08\x00\x00\x00\x00",
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01\xff\xff" + bytes(99),
        ):
            stranger = await ScriptedSwitch.connect(channel)
            stranger.writer.write(junk)
            stranger.writer.write_eof()
            await stranger.rest()
            stranger.close()
        await is_served(channel, handler)
    assert [record for record in caplog.records if record.name == "asyncio"] == []


async def test_slow_reader() -> None:
    """The bound of unread output holds with TLS too."""
    async with secured(ChannelSettings(max_output=1_000_000)) as (channel, handler):
        switch = await ScriptedSwitch.ready(channel, 1, client_context(*authority().files("switch")))
        datapath = await handler.until(handler.datapaths)
        switch.writer.transport.pause_reading()  # type: ignore[attr-defined]
        packet = PacketOut(data=bytes(50_000)).encode()
        for _ in range(1000):
            datapath.write(packet)
            await asyncio.sleep(0)
            if not datapath.alive:
                break
        assert "bytes unread by the datapath" in str((await handler.until(handler.ended))[1])
        switch.writer.transport.abort()


def test_files_that_are_not_there(tmp_path: Path) -> None:
    """A file that is missing or is no PEM is an error that names it."""
    cert, key, ca = authority().files("controller")
    (junk := tmp_path / "junk").write_text("junk")
    for bad in (tmp_path / "none", junk):
        for make in (server_context, client_context):
            with pytest.raises(TlsError, match=str(bad)):
                make(bad, key, ca)
            with pytest.raises(TlsError, match=str(bad)):
                make(cert, key, bad)


def test_encrypted_key(tmp_path: Path) -> None:
    """A key behind a password is refused, not asked for at the terminal."""
    cert, key, ca = authority().files("controller")
    openssl("rsa", "-aes256", "-passout", "pass:secret", "-in", key, "-out", tmp_path / "locked")
    with pytest.raises(TlsError, match="the key is encrypted"):
        server_context(cert, tmp_path / "locked", ca)


def test_server_asks_for_certificates() -> None:
    """The server's context does what its name says, from TLS 1.2 on."""
    context = server_context(*authority().files("controller"))
    assert (context.verify_mode, context.minimum_version) == (ssl.CERT_REQUIRED, ssl.TLSVersion.TLSv1_2)


@pytest.mark.e2e
def test_open_vswitch(tls_lab: Lab) -> None:
    """Open vSwitch with a certificate of the authority is served; before, with one of another authority, it is not."""
    host = tls_lab.hosts["h1"]
    theirs, ours = authority("theirs"), authority()

    def give(cert: Path, key: Path) -> None:
        host.vsctl("set-ssl", str(key), str(cert), str(ours.ca()))

    def refused() -> bool:
        return "Input/output error" in host.vsctl("get", "controller", "daoli", "status")  # its word for a TLS alert

    async def main() -> None:
        context = server_context(*ours.files("controller"))
        async with events("0.0.0.0", ovs.PORT, ssl=context) as stream:
            give(*theirs.pair("switch"))
            await asyncio.to_thread(wait_until, refused, ovs.LONG, what="a refusal")
            assert stream.datapaths == {}
            give(*ours.pair("switch"))
            datapath = await ovs.next_datapath(stream)
            assert (await datapath.request(DescRequest())).hw_desc == "Open vSwitch"
            assert datapath.dpid == host.dpid

    ovs.inside(tls_lab.controller, main)
