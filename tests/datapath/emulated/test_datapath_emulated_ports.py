"""Ports: descriptions, what may be changed of them, counters and queues."""

from __future__ import annotations

import pytest

from daoli.datapath.emulated import Refused
from daoli.datapath.emulated.ports import Ports
from daoli.ofproto import (
    BadRequestCode,
    MaxRate,
    Port,
    PortConfig,
    PortMod,
    PortModFailedCode,
    PortNo,
    PortReason,
    PortState,
    Queue,
    QueueNo,
    QueueOpFailedCode,
)

ONE = Port(1, b"\2" * 6, "one", supported=3)
DOWN = PortConfig.PORT_DOWN


def made() -> Ports:
    """Port 1 with two queues, and port 2."""
    return Ports((ONE, 2), {1: (Queue(8), Queue(7, properties=(MaxRate(500),)))})


def test_liveness() -> None:
    """A port is live, and open, unless it is put down or has no link; one that may not forward is live alone."""
    ports = made()
    assert (ports.is_live(1), ports.is_live(9), set(ports.open), list(ports)) == (True, False, {1, 2}, [1, 2])
    assert ports[1].state == PortState.LIVE
    ports.plug(Port(1, state=PortState.LINK_DOWN), 0.0)
    assert (ports.is_live(1), set(ports.open), ports[1].state) == (False, {2}, PortState.LINK_DOWN.value)
    ports.plug(Port(1, config=PortConfig.NO_FWD), 0.0)
    assert (ports.is_live(1), set(ports.open)) == (True, {2})


def test_port_mod() -> None:
    """Only the masked bits change; what changes is told, and nothing else is."""
    ports = made()
    (news,) = ports.change(PortMod(1, ONE.hw_addr, config=DOWN | PortConfig.NO_FWD, mask=DOWN, advertise=1))
    assert (news.reason, news.port.config, news.port.advertised) == (PortReason.MODIFY, DOWN, 1)
    assert ports.change(PortMod(1, ONE.hw_addr, config=DOWN, mask=DOWN)) == []


@pytest.mark.parametrize(
    ("mod", "code"),
    [
        (PortMod(9), PortModFailedCode.BAD_PORT),
        (PortMod(1), PortModFailedCode.BAD_HW_ADDR),
        (PortMod(1, ONE.hw_addr, mask=1 << 9), PortModFailedCode.BAD_CONFIG),
        (PortMod(1, ONE.hw_addr, advertise=4), PortModFailedCode.BAD_ADVERTISE),
    ],
)
def test_bad_port_mod(mod: PortMod, code: PortModFailedCode) -> None:
    """A port_mod for another port than it says, or of what there is not, is refused."""
    with pytest.raises(Refused) as caught:
        made().change(mod)
    assert caught.value.code == code


def test_kept() -> None:
    """Descriptions can be put back as they were."""
    ports = made()
    restore = ports.keep()
    ports.change(PortMod(1, ONE.hw_addr, config=DOWN, mask=DOWN))
    restore()
    assert (ports[1].config, set(ports.open)) == (0, {1, 2})


def test_counters() -> None:
    """What leaves is counted by port, and by queue where the port has one of that number."""
    ports = made()
    for queue in (None, 7, 9):
        ports.count_sent(1, 100, queue)
    (stats,) = ports.stats(1, 2.0)
    assert (stats.tx_packets, stats.tx_bytes, stats.duration_sec) == (3, 300, 2)
    assert [stats.port_no for stats in ports.stats(PortNo.ANY, 2.0)] == [1, 2]
    counted = [(q.port_no, q.queue_id, q.tx_packets) for q in ports.queue_stats(PortNo.ANY, QueueNo.ALL, 2.0)]
    assert counted == [(1, 7, 1), (1, 8, 0)]
    assert [entry.queue for entry in ports.queues(1)] == [Queue(7, 1, (MaxRate(500),)), Queue(8, 1)]
    assert ports.queue_stats(2, QueueNo.ALL, 0.0) == []


def test_no_such_port_or_queue() -> None:
    """What is not there has no counters, which is said."""
    ports = made()
    codes = []
    for ask in (
        lambda: ports.stats(9, 0.0),
        lambda: ports.queues(9),
        lambda: ports.queue_stats(1, 9, 0.0),
    ):
        with pytest.raises(Refused) as caught:
            ask()
        codes.append(caught.value.code)
    assert codes == [BadRequestCode.BAD_PORT, QueueOpFailedCode.BAD_PORT, QueueOpFailedCode.BAD_QUEUE]


def test_unplug() -> None:
    """A port that is pulled out is gone, and told; one that is not there is a KeyError."""
    ports = made()
    assert ports.unplug(2).reason == PortReason.DELETE
    assert (len(ports), set(ports.open)) == (1, {1})
    with pytest.raises(KeyError):
        ports.unplug(2)
