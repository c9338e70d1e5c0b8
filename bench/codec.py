"""CPU microseconds per message: the canonical codec, and the shapes where a message has one; and the whole punt path.

A reply of 1,000 flows is also read through real connections (`dump.py`), as the controller reads it.

python bench/codec.py [--json FILE]

Every class of message is timed by the tests' example of it. Three jobs are also given to os-ken, if it is installed
(`make bench` does), in the same process, turn by turn, so that what else the machine does falls on both alike.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from time import thread_time, time

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.ofproto.examples import EXAMPLES

from daoli.hosts.events import EventHub
from daoli.hosts.herald import Herald
from daoli.hosts.ledger import KEPT, Ledger
from daoli.ofproto import (
    ApplyActions,
    DecNwTtl,
    FlowMod,
    FlowStats,
    FlowStatsReply,
    Hello,
    Match,
    Message,
    Output,
    PacketIn,
    SetField,
    decode,
)
from daoli.ofproto.connection import Connection
from daoli.ofproto.shapes import EMIT, PUNT, Emit, Punt, Shape
from daoli.routing import flows, model, pipeline
from daoli.routing.router import Router, RouterSettings
from daoli.routing.view import PortInfo, View
from dump import ROUNDS as DUMP_ROUNDS
from dump import Dump, dumps
from fleet import FIRST_PORT, UPLINK, Endpoint, make_endpoints, syn, uplink_mac

try:
    import osken_peer as peer
except ModuleNotFoundError:
    peer = None  # type: ignore[assignment]  # None stands for the module that is not there

REPEATS = 7
ROUNDS = 25
"""Turns that each of those compared has."""
SLICE = 0.01
"""Seconds of one turn."""
FLOWS = 1000
MAX_PART = 0xFFFF
"""Bytes of a part of a multipart reply; Open vSwitch fills each to that (7.3.5)."""
MORE = 1
MAC, OTHER_MAC = bytes.fromhex("02420a010001"), bytes.fromhex("02dd00010002")
A, B = bytes((10, 0, 1, 1)), bytes((10, 0, 2, 1))


def time_us(work: Callable[[], object]) -> float:
    """Give the median over repeats of the mean time of one call, in microseconds."""
    return statistics.median(turn_us(work)[0] for _ in range(REPEATS))


def turn_us(work: Callable[[], object]) -> list[float]:
    """Give the mean time of one call over one turn."""
    count, began = 0, thread_time()
    while (took := thread_time() - began) < SLICE:
        for _ in range(50):
            work()
        count += 50
    return [took / count * 1e6]


def shaped() -> list[tuple[str, Shape[object], tuple[object, ...], Message]]:  # type: ignore[type-var]  # of any kind
    """List the shapes with an example each."""
    frame = syn(make_endpoints(1, 1)[0], make_endpoints(2, 1)[0])
    examples = [
        (PUNT, Punt(0, 0xFFFFFFFF, len(frame), 0, 0, 0, 7, frame)),
        (EMIT, Emit(0, 7, frame)),
        (flows.FORWARD, flows.Forward(0, 1, 30, 7, MAC, A, B, MAC, OTHER_MAC, 1)),
        (flows.ARRIVE, flows.Arrive(0, 1, 30, 1, MAC, A, B, OTHER_MAC, 7)),
        (flows.ENDED, flows.Ended(0, 1, 0, 30, 0, 30, 9, 900, 7, MAC, A, B)),
        (flows.DENY, flows.Deny(0, 1, 1, 7, MAC, A, B)),
        (flows.FORGET, flows.Forget(0, 1, pipeline.COOKIE_ALL)),
    ]
    return [(type(example).__name__, shape, tuple(example), example.message()) for shape, example in examples]  # type: ignore[misc,attr-defined]  # of any kind


def codec_rows() -> list[dict[str, float | str | None]]:
    """Time every shape's example, then that of every class of message."""
    rows: list[dict[str, float | str | None]] = []
    for name, shape, values, message in shaped():
        data = message.encode()
        rows.append(
            {
                **canonical(f"{type(message).__name__} ({name})", message),
                "pack": time_us(lambda shape=shape, values=values: shape.pack(*values)),  # type: ignore[misc]  # mypy infers no lambda with a default
                "unpack": time_us(lambda shape=shape, data=data: shape.unpack(data, 0, len(data))),  # type: ignore[misc]  # mypy infers no lambda with a default
            }
        )
    rows += [canonical(cls.__name__, EXAMPLES[cls]) for cls in sorted(EXAMPLES, key=lambda cls: cls.__name__)]
    return rows


def canonical(name: str, message: Message) -> dict[str, float | str | None]:
    """Time one message both ways."""
    data = message.encode()
    return {
        "message": name,
        "bytes": len(data),
        "encode": time_us(message.encode),
        "decode": time_us(lambda: decode(data)),
        "pack": None,
        "unpack": None,
    }


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


def punt_path_us(count: int = 200) -> tuple[float, float]:
    """Time one cross-host setup without sockets: a packet_in to the bytes of its five answers; and with a ledger."""
    view, here, there = world(count)
    punts = b"".join(
        PUNT.pack(0, 0xFFFFFFFF, 94, 0, 0, 0, FIRST_PORT + i, syn(here[i], there[j]))
        for i in range(count)
        for j in range(50)
    )
    gc.collect()
    gc.freeze()
    usual = gc.get_threshold()
    gc.set_threshold(50_000, 20, 50)  # as the controller has it: notes and routes live long
    rounds = [(setups_us(view, punts, kept=0), setups_us(view, punts, kept=KEPT)) for _ in range(REPEATS)]
    gc.set_threshold(*usual)
    gc.unfreeze()
    without, noted = zip(*rounds, strict=True)
    return statistics.median(without), statistics.median(noted)


def setups_us(view: View, punts: bytes, kept: int) -> float:
    """Time setups by a new router, `kept` of which the ledger keeps; the mean of one."""
    router = Router(view, RouterSettings(punt_rate=1e9, punt_burst=1e9))
    herald = Herald(EventHub(), Ledger(kept), router.routes, time)
    connection = Connection(0.0, shapes=(PUNT, flows.ENDED))
    connection.receive_data(Hello.of((4,)).encode(), 0.0)
    connection.receive_data(bytes.fromhex("0406002000000001") + (1).to_bytes(8, "big") + bytes(16), 0.0)
    setups, began = 0, thread_time()
    for punt in connection.receive_data(punts, 0.0):
        answer = router.punted(1, punt, 1.0)
        assert len(answer.writes) == 3  # noqa: S101 (both ends' flows, the packet)
        if herald.hearing and answer.opened is not None:
            herald.opened(answer.opened, punt, answer)
        setups += 1
    return (thread_time() - began) / setups * 1e6


# -- compared with os-ken ----------------------------------------------------------------------------------------------

ROUTED = (
    ApplyActions(
        (DecNwTtl(), SetField.of(eth_src="02:da:01:1e:00:01"), SetField.of(eth_dst="02:00:00:00:00:02"), Output(7))
    ),
)


def flow_mod(cookie: int) -> bytes:
    """Build the flow_mod of a routed pair, and give its bytes; compare `osken_peer.flow_mod`."""
    return FlowMod(
        cookie=cookie,
        idle_timeout=30,
        priority=100,
        flags=1,
        match=Match(
            in_port=3, eth_src="02:00:00:00:00:01", eth_type=0x0800, ipv4_src="10.1.0.10", ipv4_dst="10.1.0.20"
        ),
        instructions=(
            ApplyActions(
                (
                    DecNwTtl(),
                    SetField.of(eth_src="02:da:01:1e:00:01"),
                    SetField.of(eth_dst="02:00:00:00:00:02"),
                    Output(7),
                )
            ),
        ),
    ).encode()


def stats_parts() -> list[bytes]:
    """Give a reply of 1,000 flows in the parts that a switch makes of it: each as full as it can be."""
    flows = [
        FlowStats(
            duration_sec=n,
            priority=100,
            idle_timeout=30,
            flags=1,
            cookie=0xDA01 << 48 | n,
            packet_count=n,
            byte_count=100 * n,
            match=Match(
                in_port=3,
                eth_src="02:00:00:00:00:01",
                eth_type=0x0800,
                ipv4_src=f"10.1.{n >> 8}.{n & 0xFF}",
                ipv4_dst="10.1.0.20",
            ),
            instructions=ROUTED,
        )
        for n in range(FLOWS)
    ]
    size = len(FlowStatsReply((flows[0],)).encode()) - len(FlowStatsReply().encode())
    per_part = (MAX_PART - len(FlowStatsReply().encode())) // size
    parts = [FlowStatsReply(tuple(flows[at : at + per_part]), flags=MORE) for at in range(0, FLOWS, per_part)]
    parts[-1] = replace(parts[-1], flags=0)
    return [part.encode() for part in parts]


def check_peers(packet_in: bytes, parts: list[bytes]) -> None:
    """Insist that both do the same work: same bytes out, same things in."""
    ours, theirs = decode(packet_in), peer.decode(packet_in)
    if not isinstance(ours, PacketIn) or (theirs.match["in_port"], theirs.data) != (FIRST_PORT, ours.data):
        raise RuntimeError("packet_in: they read different things")
    if flow_mod(1) != peer.flow_mod(1):
        raise RuntimeError("flow_mod: they write different bytes")
    if sum(peer.flows_in(peer.decode(part)) for part in parts) != FLOWS:
        raise RuntimeError("stats reply: os-ken does not read all flows")


def stalls_us(read: Callable[[bytes], object], parts: Iterable[bytes]) -> list[float]:
    """Give how long each part keeps the loop."""
    stalls = []
    for part in parts:
        began = thread_time()
        read(part)
        stalls.append((thread_time() - began) * 1e6)
    return stalls


Turn = Callable[[], list[float]]


def jobs() -> dict[str, dict[str, Turn]]:
    """List the jobs, and who does them: a turn gives microseconds, of a call or of each part."""
    packet_in = PUNT.pack(0, 0xFFFFFFFF, 94, 0, 0, 0, FIRST_PORT, syn(make_endpoints(1, 1)[0], make_endpoints(2, 1)[0]))
    parts = stats_parts()
    forward = (0, 1, 30, 7, MAC, A, B, MAC, OTHER_MAC, 1)
    done: dict[str, dict[str, Turn]] = {
        f"packet_in of {len(packet_in)} bytes: decode": {
            "daoli": lambda: turn_us(lambda: decode(packet_in)),
            "daoli, shape": lambda: turn_us(lambda: PUNT.unpack(packet_in, 0, len(packet_in))),
        },
        f"flow_mod of {len(flow_mod(1))} bytes: build and encode": {
            "daoli": lambda: turn_us(lambda: flow_mod(1)),
            "daoli, shape": lambda: turn_us(lambda: flows.FORWARD.pack(*forward)),
        },
        f"stats reply of {FLOWS} flows in {len(parts)} parts: decode": {"daoli": lambda: stalls_us(decode, parts)},
    }
    if peer is not None:
        check_peers(packet_in, parts)
        theirs: tuple[Turn, ...] = (
            lambda: turn_us(lambda: peer.decode(packet_in)),
            lambda: turn_us(lambda: peer.flow_mod(1)),
            lambda: stalls_us(peer.decode, parts),
        )
        for who, turn in zip(done.values(), theirs, strict=True):
            who[f"os-ken {peer.VERSION}"] = turn
    return done


def compared() -> list[dict[str, float | str | None]]:
    """Let all do their turns, round by round; in every other round in the opposite order."""
    rows: list[dict[str, float | str | None]] = []
    gc.collect()
    gc.freeze()  # what is loaded by now is not to be walked on anybody's account
    for job, turns in jobs().items():
        totals: dict[str, list[float]] = {who: [] for who in turns}
        longest: dict[str, list[float]] = {who: [] for who in turns}
        for n in range(ROUNDS):
            for who in list(turns)[:: 1 if n % 2 else -1]:
                taken = turns[who]()
                totals[who].append(sum(taken))
                longest[who].append(max(taken))
        ours = statistics.median(totals["daoli"])
        for who, values in totals.items():
            low, middle, high = statistics.quantiles(values, n=4)
            stall = statistics.median(longest[who]) if "parts" in job else None
            rows.append(
                {"job": job, "by": who, "us": middle, "q1": low, "q3": high, "stall": stall, "ratio": middle / ours}
            )
    gc.unfreeze()
    return rows


def print_compared(console: Console, rows: list[dict[str, float | str | None]]) -> None:
    """Print who took how long."""
    table = Table(
        title=f"side by side: CPU microseconds, medians and quartiles of {ROUNDS} turns; stall: longest single part"
    )
    for heading in ("job", "by", "us", "quartiles", "stall", "times daoli"):
        table.add_column(heading, justify="left" if heading in ("job", "by") else "right")
    last = None
    for row in rows:
        said = "" if row["job"] == last else str(row["job"])
        stall = "" if row["stall"] is None else f"{row['stall']:.1f}"
        table.add_row(
            said, str(row["by"]), f"{row['us']:.1f}", f"{row['q1']:.1f} {row['q3']:.1f}", stall, f"{row['ratio']:.2f}"
        )
        last = row["job"]
    console.print(table)
    if peer is None:
        console.print("os-ken is not installed, so nothing is compared with it: scripts/setup bench")


def print_dumps(console: Console, rows: list[Dump]) -> None:
    """Print how long the loop was held."""
    table = Table(
        title=f"{FLOWS} flows read from each datapath through TCP: CPU microseconds, medians of {DUMP_ROUNDS} rounds"
    )
    for heading in ("datapaths at once", "in all", "longest turn of the loop", "worst of all rounds"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(str(row.datapaths), f"{row.total:,.0f}", f"{row.longest:,.0f}", f"{row.worst:,.0f}")
    console.print(table)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    target = parser.parse_args().json
    console = Console(width=120)
    side_by_side = compared()
    read = dumps(stats_parts(), FLOWS)
    rows = codec_rows()
    path, noted = punt_path_us()
    table = Table(title="codec: CPU microseconds per message")
    for heading in ("message", "bytes", "encode", "decode", "pack", "unpack"):
        table.add_column(heading, justify="left" if heading == "message" else "right")
    for row in rows:
        table.add_row(*(f"{value:.2f}" if isinstance(value, float) else str(value or "") for value in row.values()))
    console.print(table)
    print_compared(console, side_by_side)
    print_dumps(console, read)
    console.print(f"cross-host setup without sockets, packet_in bytes to five answers: {path:.1f} us")
    console.print(f"the same, and noted in the ledger's memory, as it is by default: {noted:.1f} us")
    if target:
        figures = {
            "codec": rows,
            "compared": side_by_side,
            "dumps": [row._asdict() for row in read],
            "punt_path_us": path,
            "punt_path_noted_us": noted,
        }
        Path(target).write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
