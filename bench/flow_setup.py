"""How fast a container's first packet becomes a pair of flows on each of two hosts.

A controller is started as its own process, as a user would; emulated datapaths (`fleet.py`) in this process send it
container packet_ins over TCP. A setup is timed from the write of its packet_in until its packet_out is read at the
destination's datapath, and must bring its four flow_mods.

Beside each round with one setup outstanding the same fleet asks a *bare* server, on the same event loop (uvloop): it
decides nothing and decodes nothing, but writes as many bytes to the same two connections, the packet among them. And a
plain echo of the packet_in on one connection is timed. The ratios hold on a noisy machine, where times do not.

    python bench/flow_setup.py [--rounds 5] [--quick] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import cast

import aiohttp
import uvloop
from rich.console import Console
from rich.table import Table

from daoli.ofproto import MessageType
from daoli.ofproto.shapes import EMIT, PUNT
from daoli.routing.flows import FORWARD
from fleet import Fleet, make_endpoints, syn

ENDPOINTS = 100
PUNT_DATA = len(PUNT.pack(*[0] * 7, b""))
"""Where the frame begins in a packet_in."""
FRAME_DPID = 14 + 16 + 2
"""Where a frame's destination address says which datapath it is for (`fleet.make_endpoints`)."""
NETWORK = {"name": "bench", "subnet": "10.0.0.0/8", "gateway": "10.255.255.254"}
_QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}


@dataclass(frozen=True, slots=True)
class Case:
    """One load: how many datapaths, and how many setups are unanswered at a time."""

    datapaths: int
    window: int
    total: bool
    setups: int

    @property
    def title(self) -> str:
        """Say it in words."""
        return f"{self.window} in all" if self.total else f"{self.window} per datapath"


CASES = (
    Case(2, 1, total=True, setups=3000),
    Case(2, 1, total=False, setups=6000),
    Case(2, 16, total=False, setups=8000),
    Case(16, 1, total=True, setups=3000),
    Case(16, 1, total=False, setups=20000),
    Case(16, 16, total=False, setups=40000),
)


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians over the rounds; times in microseconds. `spread` is the setups/s of the slowest and fastest round."""

    datapaths: int
    outstanding: str
    setups: int
    setups_per_second: float
    spread: tuple[float, float]
    p50: float
    p90: float
    p99: float
    p999: float
    flow_mods_per_setup: float
    cpu_us_per_setup: float
    """Processor time of the controller's process."""
    bare_p50: float | None = None
    """The bare server's p50 in the same minutes, where one setup at a time was outstanding."""
    ratio: float | None = None
    """Median of the rounds' ratios of p50 to the bare server's."""
    echo_p50: float | None = None


def quantile(values: Sequence[float], q: float) -> float:
    """Give the smallest value that is not exceeded by a fraction `q` of all, in microseconds."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * q))] * 1e6


@asynccontextmanager
async def controller() -> AsyncIterator[tuple[int, str, subprocess.Popen[bytes]]]:
    """Run a controller; give its OpenFlow port, the path of its API's socket, and the process."""
    with tempfile.TemporaryDirectory(prefix="daoli-bench-") as folder:
        api = f"{folder}/api.sock"
        log = Path(folder, "log")
        with log.open("wb") as output:
            command = [sys.executable, "-m", "daoli.controller", "--openflow-listen", "127.0.0.1:0"]
            command += ["--api-listen", f"unix:{api}", "--state", "memory", "--log-format", "json"]
            command += ["--punt-rate", "1e9", "--punt-burst", "1e9"]
            process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            yield await _openflow_port(process, log), api, process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


async def _openflow_port(process: subprocess.Popen[bytes], log: Path) -> int:
    """Wait until the controller says where it listens."""
    for _ in range(500):
        text = log.read_text()
        for line in text.splitlines():
            if '"listening"' in line:
                return int(json.loads(line)["openflow"].rpartition(":")[2])
        if process.poll() is not None:
            break
        await asyncio.sleep(0.02)
    raise RuntimeError(f"the controller did not start:\n{log.read_text()}")


async def post_inventory(api: str, datapaths: int) -> None:
    """Tell the controller of the fleet's hosts and endpoints."""
    async with aiohttp.ClientSession(
        "http://controller", connector=aiohttp.UnixConnector(api), raise_for_status=True
    ) as session:
        await session.post("/networks", json=NETWORK)
        for dpid in range(1, datapaths + 1):
            host = {"name": f"h{dpid}", "dpid": f"{dpid:016x}", "address": f"192.168.{dpid >> 8}.{dpid & 255}"}
            await session.post("/hosts", json={**host, "uplink": "up"})
            bodies = [
                {
                    "id": f"h{dpid}-{e.port}",
                    "network": "bench",
                    "mac": e.mac.hex(":"),
                    "ipv4": ".".join(map(str, e.ipv4)),
                    "port": e.port,
                }
                for e in make_endpoints(dpid, ENDPOINTS)
            ]
            await session.put(f"/hosts/h{dpid}/endpoints", json={"endpoints": bodies})


class _Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


class _Bare(asyncio.Protocol):
    """Writes what a controller would, as far as the number of bytes and the way of the packet go."""

    _flows = FORWARD.pack(0, 0, 0, 0, bytes(6), bytes(4), bytes(4), bytes(6), bytes(6), 0) * 2

    def __init__(self, peers: list[asyncio.Transport]) -> None:
        self._peers = peers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._peers.append(self._transport)

    def data_received(self, data: bytes) -> None:
        if data[1] != MessageType.PACKET_IN:
            return  # the fleet's hello
        frame = data[PUNT_DATA:]
        there = self._peers[frame[FRAME_DPID] - 1]
        there.write(self._flows + EMIT.pack(0, 0, frame))
        self._transport.write(self._flows)


async def serve(kind: str) -> None:
    """Be a server to compare with: say the port on standard output, and serve until killed."""
    peers: list[asyncio.Transport] = []
    server = await asyncio.get_running_loop().create_server(
        _Echo if kind == "echo" else lambda: _Bare(peers), "127.0.0.1", 0
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@asynccontextmanager
async def peer(kind: str) -> AsyncIterator[int]:
    """Run a server to compare with as its own process; give its port."""
    process = subprocess.Popen([sys.executable, __file__, "--serve", kind], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None  # noqa: S101 (asked for above)
        yield int(await asyncio.to_thread(process.stdout.readline))
    finally:
        process.kill()
        process.communicate()


async def time_echo(port: int, count: int) -> list[float]:
    """Send the bytes of a packet_in and wait for them to come back, one at a time."""
    a, b = make_endpoints(1, 1)[0], make_endpoints(2, 1)[0]
    frame = syn(a, b)
    data = PUNT.pack(0, 0xFFFFFFFF, len(frame), 0, 0, 0, a.port_no, frame)
    done = asyncio.get_running_loop().create_future()

    class Client(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast("asyncio.Transport", transport)
            self.got, self.times = 0, list[float]()
            self.send()

        def send(self) -> None:
            self.sent = time.perf_counter()
            self.transport.write(data)

        def data_received(self, received: bytes) -> None:
            self.got += len(received)
            if self.got < len(data):
                return
            self.got = 0
            self.times.append(time.perf_counter() - self.sent)
            if len(self.times) == count:
                self.transport.abort()
                done.set_result(self.times)
            else:
                self.send()

    await asyncio.get_running_loop().create_connection(Client, "127.0.0.1", port)
    async with asyncio.timeout(60):
        times: list[float] = await done
    return times


def _processor_time(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(case: Case, rounds: int, echo_port: int, console: Console) -> Figures:
    """Run one case against a fresh controller, one warm-up round and then the counted ones."""
    async with controller() as (port, api, process), peer("bare") as bare_port:
        await post_inventory(api, case.datapaths)
        fleet, bare = Fleet(case.datapaths, ENDPOINTS), Fleet(case.datapaths, ENDPOINTS, bare=True)
        await fleet.connect("127.0.0.1", port)
        if case.total:
            await bare.connect("127.0.0.1", bare_port)
        rates, echoes, bares, cpu = [], [], [], []
        quantiles: dict[str, list[float]] = {name: [] for name in _QUANTILES}
        flow_mods = 0
        for n in range(rounds + 1):
            if case.total:
                echoes.append(quantile(await time_echo(echo_port, case.setups), 0.5))
                bares.append(quantile((await bare.run(case.setups, 1, total_window=True)).latencies, 0.5))
            before = _processor_time(process.pid)
            result = await fleet.run(case.setups, case.window, total_window=case.total)
            spent = _processor_time(process.pid) - before
            flow_mods = fleet.flow_mods()
            await fleet.expire()
            if n == 0:
                continue
            rates.append(case.setups / (result.ended - result.started))
            cpu.append(spent / case.setups * 1e6)
            for name, q in _QUANTILES.items():
                quantiles[name].append(quantile(result.latencies, q))
            console.print(
                f"  {case.datapaths} datapaths, {case.title}, round {n}: "
                f"{rates[-1]:,.0f} setups/s, p50 {quantiles['p50'][-1]:.0f} us",
                style="dim",
            )
        fleet.close()
        if case.total:
            bare.close()
    median = {name: statistics.median(values) for name, values in quantiles.items()}
    ratios = [ours / theirs for ours, theirs in zip(quantiles["p50"], bares[1:], strict=False)]
    return Figures(
        datapaths=case.datapaths,
        outstanding=case.title,
        setups=case.setups,
        setups_per_second=statistics.median(rates),
        spread=(min(rates), max(rates)),
        p50=median["p50"],
        p90=median["p90"],
        p99=median["p99"],
        p999=median["p999"],
        flow_mods_per_setup=flow_mods / case.setups,
        cpu_us_per_setup=statistics.median(cpu),
        bare_p50=statistics.median(bares[1:]) if bares else None,
        ratio=statistics.median(ratios) if ratios else None,
        echo_p50=statistics.median(echoes[1:]) if echoes else None,
    )


def show(figures: Sequence[Figures], console: Console) -> None:
    """Print the table."""
    table = Table(title="flow setup: packet_in to packet_out at the destination (microseconds)")
    for heading in ("datapaths", "outstanding", "setups/s", "spread", "p50", "p90", "p99", "p99.9"):
        table.add_column(heading, justify="right")
    for heading in ("flow_mods", "cpu", "bare p50", "ratio", "echo p50"):
        table.add_column(heading, justify="right")
    for f in figures:
        table.add_row(
            str(f.datapaths),
            f.outstanding,
            f"{f.setups_per_second:,.0f}",
            f"{f.spread[0]:,.0f}-{f.spread[1]:,.0f}",
            *(f"{value:.0f}" for value in (f.p50, f.p90, f.p99, f.p999)),
            f"{f.flow_mods_per_setup:g}",
            f"{f.cpu_us_per_setup:.1f}",
            f"{f.bare_p50:.0f}" if f.bare_p50 else "",
            f"{f.ratio:.2f}" if f.ratio else "",
            f"{f.echo_p50:.0f}" if f.echo_p50 else "",
        )
    console.print(table)


async def main(arguments: argparse.Namespace) -> None:
    """Measure all cases and print them."""
    console = Console(stderr=True)
    cases = [Case(c.datapaths, c.window, c.total, c.setups // 10) for c in CASES] if arguments.quick else CASES
    figures = []
    async with peer("echo") as echo_port:
        for case in cases:
            console.print(f"{case.datapaths} datapaths of {ENDPOINTS} endpoints, {case.title} outstanding")
            figures.append(await measure(case, arguments.rounds, echo_port, console))
    show(figures, Console(width=150))
    if arguments.json:
        about = {"python": platform.python_version(), "uvloop": version("uvloop"), "machine": platform.machine()}
        document = {
            **about,
            "cpus": os.cpu_count(),
            "rounds": arguments.rounds,
            "figures": [asdict(f) for f in figures],
        }
        Path(arguments.json).write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="counted rounds of each case (default: 5)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the setups: to see that it works")
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    parser.add_argument("--serve", choices=("echo", "bare"), help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    uvloop.run(serve(parsed.serve) if parsed.serve else main(parsed))
