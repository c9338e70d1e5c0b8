"""Microseconds per message: the canonical codec, and the shapes where a message has one; and the whole punt path.

python bench/codec.py [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import timeit
from collections.abc import Callable
from ipaddress import IPv4Network
from pathlib import Path

from rich.console import Console
from rich.table import Table

from daoli.ofproto import EchoRequest, Hello, Message, decode
from daoli.ofproto.connection import Connection
from daoli.ofproto.shapes import EMIT, PUNT, Emit, Punt, Shape
from daoli.routing import flows, model
from daoli.routing.router import Router, RouterSettings
from daoli.routing.view import PortInfo, View
from fleet import FIRST_PORT, UPLINK, Endpoint, make_endpoints, syn, uplink_mac

REPEATS = 7
MAC, OTHER_MAC = bytes.fromhex("02420a010001"), bytes.fromhex("02dd00010002")
A, B = bytes((10, 0, 1, 1)), bytes((10, 0, 2, 1))


def time_us(work: Callable[[], object], seconds: float = 0.05) -> float:
    """Give the median over repeats of the mean time of one call, in microseconds."""
    timer = timeit.Timer(work)
    count, took = timer.autorange()
    number = max(1, int(count * seconds / took))
    return statistics.median(timer.repeat(REPEATS, number)) / number * 1e6


def shaped() -> list[tuple[str, Shape[object], tuple[object, ...], Message]]:  # type: ignore[type-var]
    """List the shapes with an example each."""
    frame = syn(make_endpoints(1, 1)[0], make_endpoints(2, 1)[0])
    examples = [
        (PUNT, Punt(0, 0xFFFFFFFF, len(frame), 0, 0, 0, 7, frame)),
        (EMIT, Emit(0, 7, frame)),
        (flows.FORWARD, flows.Forward(0, 1, 30, 7, MAC, A, B, MAC, OTHER_MAC, 1)),
        (flows.ARRIVE, flows.Arrive(0, 1, 30, 1, MAC, A, B, OTHER_MAC, 7)),
        (flows.ENDED, flows.Ended(0, 1, 0, 30, 0, 30, 9, 900, 7, MAC, A, B)),
        (flows.DENY, flows.Deny(0, 1, 1, 7, MAC, A, B)),
        (flows.FORGET, flows.Forget(0, 1, flows.COOKIE_ALL)),
    ]
    return [(type(example).__name__, shape, tuple(example), example.message()) for shape, example in examples]  # type: ignore[misc,attr-defined]


def codec_rows() -> list[dict[str, float | str | None]]:
    """Time every example."""
    rows: list[dict[str, float | str | None]] = []
    for name, shape, values, message in shaped():
        data = message.encode()
        rows.append(
            {
                "message": f"{type(message).__name__} ({name})",
                "bytes": len(data),
                "encode": time_us(message.encode),
                "decode": time_us(lambda data=data: decode(data)),  # type: ignore[misc]
                "pack": time_us(lambda shape=shape, values=values: shape.pack(*values)),  # type: ignore[misc]
                "unpack": time_us(lambda shape=shape, data=data: shape.unpack(data, 0, len(data))),  # type: ignore[misc]
            }
        )
    for plain in (Hello.of((4,)), EchoRequest(b"12345678"), flows.static_flows(1, MAC)[4]):
        data = plain.encode()
        rows.append(
            {
                "message": type(plain).__name__,
                "bytes": len(data),
                "encode": time_us(plain.encode),
                "decode": time_us(lambda data=data: decode(data)),  # type: ignore[misc]
                "pack": None,
                "unpack": None,
            }
        )
    return rows


def world(endpoints: int) -> tuple[View, list[Endpoint], list[Endpoint]]:
    """Make two connected hosts with endpoints."""
    view = View()
    view.put_network(model.Network("n", IPv4Network("10.0.0.0/8"), bytes((10, 255, 255, 254))))
    fleet = []
    for dpid in (1, 2):
        mine = make_endpoints(dpid, endpoints)
        fleet.append(mine)
        view.put_host(model.Host(f"h{dpid}", dpid, bytes((192, 168, 0, dpid)), "up"))
        for e in mine:
            view.put_endpoint(model.Endpoint(f"h{dpid}-{e.port}", e.port, f"h{dpid}", "n", e.mac, e.ipv4, e.port))
        ports = [PortInfo(UPLINK, "up", uplink_mac(dpid)), *(PortInfo(e.port_no, e.port, e.mac) for e in mine)]
        view.set_ports(dpid, ports)
    return view, fleet[0], fleet[1]


def punt_path_us(count: int = 200) -> float:
    """Time one cross-host setup without sockets: bytes of a packet_in to the bytes of its five answers."""
    view, here, there = world(count)
    settings = RouterSettings(punt_rate=1e9, punt_burst=1e9)
    punts = b"".join(
        PUNT.pack(0, 0xFFFFFFFF, 94, 0, 0, 0, FIRST_PORT + i, syn(here[i], there[j]))
        for i in range(count)
        for j in range(50)
    )
    times = []
    for _ in range(REPEATS):
        router = Router(view, settings)
        connection = Connection(0.0, shapes=(PUNT, flows.ENDED))
        connection.receive_data(Hello.of((4,)).encode(), 0.0)
        connection.receive_data(bytes.fromhex("0406002000000001") + (1).to_bytes(8, "big") + bytes(16), 0.0)
        began = timeit.default_timer()
        for punt in connection.receive_data(punts, 0.0):
            assert len(router.punted(1, punt, 1.0).writes) == 3  # noqa: S101 (both ends' flows, the packet)
        times.append((timeit.default_timer() - began) / (count * 50) * 1e6)
    return statistics.median(times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    target = parser.parse_args().json
    rows = codec_rows()
    path = punt_path_us()
    console = Console(width=110)
    table = Table(title="codec: microseconds per message")
    for heading in ("message", "bytes", "encode", "decode", "pack", "unpack"):
        table.add_column(heading, justify="left" if heading == "message" else "right")
    for row in rows:
        table.add_row(*(f"{value:.2f}" if isinstance(value, float) else str(value or "") for value in row.values()))
    console.print(table)
    console.print(f"cross-host setup without sockets, packet_in bytes to five answers: {path:.1f} us")
    if target:
        Path(target).write_text(json.dumps({"codec": rows, "punt_path_us": path}, indent=2) + "\n")


if __name__ == "__main__":
    main()
