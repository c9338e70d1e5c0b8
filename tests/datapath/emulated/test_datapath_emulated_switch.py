"""The emulated switch at the other end of a channel: all that it is asked and told, over TCP and TLS."""

from __future__ import annotations

import asyncio
import socket

import pytest
from tests.datapath.certificates import authority
from tests.datapath.emulated.connected import FRAME, MISS, connected
from tests.datapath.scripted_switch import Recorder
from tests.routing.frames import ipv4

from daoli.datapath import RequestFailed, client_context, serve, server_context
from daoli.datapath.emulated import EmulatedSwitch, Sent
from daoli.ofproto import (
    AggregateStatsRequest,
    ApplyActions,
    BadRequestCode,
    ConfigFlags,
    ControllerRole,
    DescRequest,
    EchoRequest,
    ErrorType,
    FeaturesRequest,
    FlowMod,
    FlowModCommand,
    FlowModFlags,
    FlowRemoved,
    FlowRemovedReason,
    FlowStatsRequest,
    GetConfigRequest,
    GotoTable,
    Match,
    Message,
    Output,
    PacketIn,
    PacketInReason,
    PacketOut,
    Port,
    PortConfig,
    PortDescRequest,
    PortMod,
    PortNo,
    PortReason,
    PortStatsRequest,
    PortStatus,
    RoleRequestFailedCode,
    SetAsync,
    SetConfig,
    TableStatsRequest,
    UnknownExperimenter,
    UnknownMessage,
    UnknownMultipartRequest,
    WriteMetadata,
)


async def test_what_it_says_of_itself() -> None:
    """Features, configuration, description and echo are answered."""
    async with connected() as bench:
        dp = bench.datapath
        features = await dp.request(FeaturesRequest())
        assert (features.datapath_id, features.n_tables, dp.dpid) == (0xDA01, 8, 0xDA01)
        dp.send(SetConfig(flags=1, miss_send_len=99))
        assert (await dp.request(GetConfigRequest())).miss_send_len == 99
        assert (await dp.request(DescRequest())).dp_desc == "000000000000da01"
        assert (await dp.request(EchoRequest(b"?"))).data == b"?"


async def test_way_of_a_packet() -> None:
    """A packet goes to the controller and comes back, then a flow takes the next one; all are counted."""
    async with connected() as bench:
        dp, switch = bench.datapath, bench.switch
        await dp.apply(MISS)
        switch.receive(1, FRAME)
        (packet,) = await bench.news()
        assert (packet.match, packet.data, packet.total_len) == (Match(in_port=1), FRAME, len(FRAME))
        assert packet.reason == PacketInReason.NO_MATCH
        await dp.apply(PacketOut(in_port=1, actions=(Output(2),), data=packet.data))
        await dp.apply(FlowMod(match=Match(in_port=1), instructions=(ApplyActions((Output(2),)),)))
        switch.receive(1, FRAME)
        assert switch.sent == [Sent(2, FRAME)] * 2
        (part,) = [part async for part in dp.multipart(PortStatsRequest())]
        assert [(p.port_no, p.rx_packets, p.tx_bytes) for p in part.ports] == [(1, 2, 0), (2, 0, 2 * len(FRAME))]
        (part,) = [part async for part in dp.multipart(PortStatsRequest(2))]
        assert [port.port_no for port in part.ports] == [2]
        (tables,) = [part async for part in dp.multipart(TableStatsRequest())]
        assert [(t.active_count, t.lookup_count, t.matched_count) for t in tables.tables[:2]] == [(2, 2, 1), (0, 0, 0)]
        sums = await dp.request(AggregateStatsRequest(match=Match(in_port=1)))
        assert (sums.flow_count, sums.packet_count, sums.byte_count) == (1, 1, len(FRAME))


async def test_short_frame() -> None:
    """A frame without an Ethernet header is dropped and counted; one for a port that is not there is refused."""
    async with connected() as bench:
        bench.switch.receive(1, b"short")
        (part,) = [part async for part in bench.datapath.multipart(PortStatsRequest(1))]
        assert (part.ports[0].rx_dropped, part.ports[0].rx_packets) == (1, 1)
        with pytest.raises(ValueError, match="has no port 3"):
            bench.switch.receive(3, FRAME)
        assert await bench.refusal(PacketOut(data=b"short")) == (ErrorType.BAD_REQUEST, BadRequestCode.BAD_PACKET)


async def test_on_output() -> None:
    """Instead of being kept, what comes out can be handed on."""
    out: list[tuple[int, bytes]] = []
    async with connected(on_output=lambda port, frame: out.append((port, frame))) as bench:
        await bench.datapath.apply(PacketOut(actions=(Output(PortNo.ALL),), data=FRAME))
        assert out == [(1, FRAME), (2, FRAME)]
        assert bench.switch.sent == []


async def test_long_dump() -> None:
    """A dump of many flows comes in parts, and is whole."""
    async with connected() as bench:
        await bench.datapath.apply(*(FlowMod(cookie=n, match=Match(in_port=n)) for n in range(1, 2001)))
        parts = [part async for part in bench.datapath.multipart(FlowStatsRequest())]
        assert len(parts) > 2
        assert sorted(flow.cookie for part in parts for flow in part.flows) == list(range(1, 2001))


async def test_time() -> None:
    """When time passes flows end, and the controller is told of those that it wanted to know of."""
    async with connected() as bench:
        told = FlowMod(cookie=1, idle_timeout=5, flags=FlowModFlags.SEND_FLOW_REM)
        await bench.datapath.apply(told, FlowMod(match=Match(in_port=1), hard_timeout=5))
        bench.switch.advance(60)
        (removed,) = await bench.settle()
        assert isinstance(removed, FlowRemoved)
        assert (removed.cookie, removed.reason, removed.duration_sec) == (1, FlowRemovedReason.IDLE_TIMEOUT, 5)
        assert (await bench.datapath.request(AggregateStatsRequest())).flow_count == 0
        await bench.datapath.apply(told, FlowMod(command=FlowModCommand.DELETE))
        (removed,) = await bench.news()
        assert removed.reason == FlowRemovedReason.DELETE


async def test_ports() -> None:
    """Ports are listed; one that comes, changes or goes is told."""
    async with connected() as bench:
        (part,) = [part async for part in bench.datapath.multipart(PortDescRequest())]
        assert [(port.port_no, port.name) for port in part.ports] == [(1, "port1"), (2, "port2")]
        bench.switch.add_port(3)
        bench.switch.add_port(Port(3, name="three"))
        bench.switch.remove_port(1)
        news = await bench.settle()
        assert all(isinstance(message, PortStatus) for message in news)
        told = [(message.reason, message.port.port_no, message.port.name) for message in news]
        assert told == [(PortReason.ADD, 3, "port3"), (PortReason.MODIFY, 3, "three"), (PortReason.DELETE, 1, "port1")]


async def test_roles() -> None:
    """A slave hears of ports only and may change nothing; a role of an older generation is stale."""
    async with connected() as bench:
        dp = bench.datapath
        await dp.apply(MISS)
        assert (await dp.role()).role == ControllerRole.EQUAL
        assert (await dp.role(ControllerRole.SLAVE, 5)).role == ControllerRole.SLAVE
        slave = (ErrorType.BAD_REQUEST, BadRequestCode.IS_SLAVE)
        assert [await bench.refusal(message) for message in (MISS, PacketOut())] == [slave, slave]
        bench.switch.receive(1, FRAME)
        bench.switch.add_port(4)
        assert [type(message) for message in await bench.settle()] == [PortStatus]
        with pytest.raises(RequestFailed) as caught:
            await dp.role(ControllerRole.MASTER, 4)
        assert caught.value.error.code == RoleRequestFailedCode.STALE
        with pytest.raises(RequestFailed) as caught:
            await dp.role(7)  # type: ignore[arg-type]  # as a program without types would
        assert caught.value.error.code == RoleRequestFailedCode.BAD_ROLE
        assert (await dp.role(ControllerRole.MASTER, 6)).generation_id == 6


async def test_async_masks() -> None:
    """Only what is asked for is told; an expired TTL is not, unless so asked."""
    async with connected() as bench:
        dp = bench.datapath
        assert (await dp.get_async()).packet_in_mask == (0b011, 0)
        await dp.set_async(packet_in=(0, 0))
        await dp.apply(MISS)
        bench.switch.receive(1, FRAME)
        assert await bench.settle() == []
        await dp.apply(SetAsync((1, 0), (7, 7), (15, 0)))
        bench.switch.receive(1, FRAME)
        assert [type(message) for message in await bench.settle()] == [PacketIn]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (UnknownMessage(77, b""), BadRequestCode.BAD_TYPE),
        (UnknownExperimenter(1, 2), BadRequestCode.BAD_EXPERIMENTER),
        (FlowMod(buffer_id=5), BadRequestCode.BUFFER_UNKNOWN),
        (PacketOut(buffer_id=5), BadRequestCode.BUFFER_UNKNOWN),
    ],
)
async def test_unsupported(message: Message, code: BadRequestCode) -> None:
    """What the switch does not know it refuses, by the error's name."""
    async with connected() as bench:
        bench.datapath.send(message)
        (error,) = await bench.news()
        assert (error.type, error.code) == (ErrorType.BAD_REQUEST, code)
        assert error.data == message.encode()[:64]


async def test_news_that_is_not_wanted() -> None:
    """Ports and ends of flows are not told to a controller that does not want to know."""
    async with connected() as bench:
        await bench.datapath.set_async(port_status=(0, 0), flow_removed=(0, 0))
        await bench.datapath.apply(FlowMod(flags=FlowModFlags.SEND_FLOW_REM, hard_timeout=1))
        bench.switch.add_port(3)
        bench.switch.advance(2)
        assert await bench.settle() == []


async def test_metadata_is_told() -> None:
    """A packet for the controller comes with the metadata that it had, if any."""
    async with connected() as bench:
        miss = ApplyActions((Output(PortNo.CONTROLLER),))
        await bench.datapath.apply(
            FlowMod(instructions=(WriteMetadata(7), GotoTable(1))), FlowMod(table_id=1, instructions=(miss,))
        )
        bench.switch.receive(1, FRAME)
        (packet,) = await bench.settle()
        assert packet.match == Match(in_port=1, metadata=7)


async def test_unsupported_requests() -> None:
    """Statistics that it has not, of what is not there, are refused."""
    async with connected() as bench:
        wrong = {
            UnknownMultipartRequest(77): BadRequestCode.BAD_MULTIPART,
            PortStatsRequest(9): BadRequestCode.BAD_PORT,
            AggregateStatsRequest(table_id=99): BadRequestCode.BAD_TABLE_ID,
        }
        for request, code in wrong.items():
            with pytest.raises(RequestFailed) as caught:
                await bench.datapath.request(request)
            assert caught.value.error.code == code


async def test_reconnect() -> None:
    """When the controller goes the switch notices; it may connect again, and its flows are still there."""
    async with connected() as bench:
        assert bench.switch.connected
        await bench.datapath.apply(MISS)
        bench.datapath.close()
        await bench.switch.disconnected()
        assert not bench.switch.connected
        bench.switch.receive(1, FRAME)
        assert bench.switch.dropped == 1
        await bench.switch.close()
        await bench.switch.disconnected()
    async with serve(handler := Recorder(), "127.0.0.1", 0) as channel:
        await bench.switch.connect(*channel.address)
        datapath = await handler.until(handler.datapaths)
        assert (await datapath.request(AggregateStatsRequest())).flow_count == 1
        await bench.switch.close()


async def test_controller_that_does_not_read() -> None:
    """Packets for a controller that reads nothing are dropped, not kept."""
    async with connected() as bench:
        await bench.datapath.apply(MISS)
        bench.datapath.reading.hold(bench)
        for _ in range(2000):
            bench.switch.receive(1, FRAME + bytes(9000))
            if bench.switch.dropped:
                break
            await asyncio.sleep(0)
        assert bench.switch.dropped
        bench.datapath.reading.release(bench)
        await bench.datapath.barrier()


async def test_tls() -> None:
    """The switch connects with TLS too."""
    context = server_context(*authority().files("controller"))
    async with serve(handler := Recorder(), "127.0.0.1", 0, ssl=context) as channel:
        switch = EmulatedSwitch(1)
        await switch.connect(*channel.address, ssl=client_context(*authority().files("switch")))
        await (await handler.until(handler.datapaths)).barrier()
        await switch.close()


async def test_nobody_listens() -> None:
    """Connecting where nobody listens is an OSError."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = taken.getsockname()
    switch = EmulatedSwitch(1)
    with pytest.raises(ConnectionRefusedError):
        await switch.connect(*address)
    assert not switch.connected


async def test_fragments() -> None:
    """Where fragments are to be dropped they are, and other packets are not (7.3.2)."""
    fragment = ipv4(bytes(6), bytes(6), bytes(4), bytes(4), fragment=0x2000)
    async with connected() as bench:
        await bench.datapath.apply(FlowMod(instructions=(ApplyActions((Output(2),)),)))
        bench.switch.receive(1, fragment)
        await bench.datapath.apply(SetConfig(ConfigFlags.FRAG_DROP))
        bench.switch.receive(1, fragment)
        bench.switch.receive(1, FRAME)
        assert bench.switch.sent == [Sent(2, fragment), Sent(2, FRAME)]


async def test_shut_ports() -> None:
    """By a port that is down, or may not receive, nothing comes in; by one that may not forward nothing goes out."""
    async with connected() as bench:
        switch, dp = bench.switch, bench.datapath
        await dp.apply(FlowMod(instructions=(ApplyActions((Output(PortNo.ALL),)),)))
        for number, config in ((1, PortConfig.PORT_DOWN), (1, PortConfig.NO_RECV), (2, PortConfig.NO_FWD)):
            await dp.apply(PortMod(number, switch.ports[number].hw_addr, config=config, mask=config))
            switch.receive(1, FRAME)
            await dp.apply(PortMod(number, switch.ports[number].hw_addr, config=0, mask=config))
        assert switch.sent == []
        switch.receive(1, FRAME)
        assert switch.sent == [Sent(2, FRAME)]
