"""Records what ovs-ofctl and ovs-vswitchd say to each other: the standard part of OpenFlow 1.3, byte by byte.

`python -m tests.ofproto.recorder` (root) builds a lab and writes the corpus anew.
"""

import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain, product
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from types import TracebackType
from typing import NamedTuple, Self

from daoli.lab import Host, Lab
from daoli.ofproto import (
    ApplyActions,
    BarrierRequest,
    DecNwTtl,
    EchoRequest,
    FeaturesRequest,
    FlowMod,
    FlowModFlags,
    GetAsyncRequest,
    GetConfigRequest,
    GotoTable,
    Group,
    GroupFeaturesRequest,
    GroupMod,
    Hello,
    Match,
    Message,
    MeterFeaturesRequest,
    MeterMod,
    Output,
    PacketOut,
    PortNo,
    QueueGetConfigRequest,
    QueueStatsRequest,
    RoleRequest,
    SetAsync,
    SetConfig,
    TableFeaturesRequest,
    TableMod,
    UnknownMessage,
    UnknownMultipartRequest,
)

CORPUS = Path(__file__).parent / "corpus" / "standard.hex"
LARGE = 4096
"""Bytes above which a message is kept only if there is no smaller one of its kind."""

_M1, _M2 = "02:00:00:00:00:01", "02:00:00:00:00:02"

MATCHES = (
    "",
    "in_port=1",
    "in_port=LOCAL",
    f"dl_src={_M1}",
    f"dl_dst={_M2}",
    "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00",
    f"dl_src={_M1}/ff:ff:ff:00:00:00,dl_dst={_M2}",
    "dl_type=0x88cc",
    "dl_vlan=5",
    "dl_vlan=5,dl_vlan_pcp=3",
    "vlan_tci=0x1000/0x1000",
    "vlan_tci=0",
    "metadata=5",
    "metadata=5/0xff",
    "tun_id=7",
    "tun_id=7/0xff",
    "arp",
    "arp,arp_op=1",
    "arp,arp_spa=10.0.0.1,arp_tpa=10.0.0.0/8",
    f"arp,arp_sha={_M1},arp_tha={_M2}",
    f"arp,arp_op=2,arp_sha={_M1}/ff:ff:00:00:00:00",
    "rarp",
    "ip",
    "ip,nw_src=10.0.0.1",
    "ip,nw_src=10.0.0.0/24,nw_dst=10.1.0.0/255.255.0.255",
    "ip,nw_proto=47",
    "ip,ip_dscp=10",
    "ip,nw_tos=40,nw_ecn=2",
    "tcp",
    "tcp,tp_src=80",
    "tcp,tp_dst=443",
    "tcp,tp_dst=0x10/0xfff0",
    "udp,tp_src=53,tp_dst=5353",
    "udp,udp_dst=0x1000/0xf000",
    "sctp,tp_src=1,tp_dst=2",
    "icmp",
    "icmp,icmp_type=8,icmp_code=0",
    "ipv6",
    "ipv6,ipv6_src=fe80::1,ipv6_dst=fe80::/64",
    "ipv6,ipv6_dst=::1/ffff::ffff",
    "ipv6,ipv6_label=0x12345",
    "ipv6,ipv6_label=0x12300/0xfff00",
    "ipv6,ip_dscp=8,nw_ecn=1",
    "tcp6,tp_dst=80",
    "udp6,tp_src=53",
    "sctp6,tp_dst=9",
    "icmp6,icmp_type=128,icmp_code=0",
    "icmp6,icmp_type=135,nd_target=fe80::1",
    f"icmp6,icmp_type=135,nd_target=fe80::/64,nd_sll={_M1}",
    f"icmp6,icmp_type=136,nd_target=fe80::1,nd_tll={_M2}",
    "mpls",
    "mpls,mpls_label=100",
    "mpls,mpls_label=100,mpls_tc=3,mpls_bos=1",
    "mplsm,mpls_bos=0",
    f"in_port=1,dl_src={_M1},dl_dst={_M2},tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=1,tp_dst=2",
    f"in_port=1,dl_vlan=7,dl_src={_M1},udp6,ipv6_src=::1,ipv6_dst=::2,tp_src=1,tp_dst=2",
)
"""Matches on the specification's fields, each of them that Open vSwitch has in at least one."""

ACTIONS = (
    ("", "drop"),
    ("", "output:1"),
    ("", "controller"),
    ("", "controller:128"),
    ("", "in_port"),
    ("", "normal"),
    ("", "flood"),
    ("", "all"),
    ("", "local"),
    ("", "table=1,output:1"),
    ("", "group:1"),
    ("", "set_queue:3,output:1"),
    ("", "set_queue:3,output:1,output:2"),
    ("", "push_vlan:0x8100,set_field:4101->vlan_vid,output:1"),
    ("", "push_vlan:0x88a8,set_field:4101->vlan_vid,set_field:3->vlan_pcp,output:1"),
    ("dl_vlan=5", "pop_vlan,output:1"),
    ("dl_vlan=5", "set_field:4102->vlan_vid,output:1"),
    ("ip", "push_mpls:0x8847,set_field:7->mpls_label,output:1"),
    ("ip", "push_mpls:0x8848,output:1"),
    ("mpls", "pop_mpls:0x0800,output:1"),
    ("mpls", "set_field:5->mpls_label,set_field:3->mpls_tc,output:1"),
    ("mpls", "dec_mpls_ttl,output:1"),
    ("mpls", "set_mpls_ttl(3),output:1"),
    ("ip", "dec_ttl,output:1"),
    ("ipv6", "dec_ttl,output:1"),
    ("ip", "mod_nw_ttl:64,output:1"),
    ("", f"set_field:{_M1}->eth_src,output:1"),
    ("", f"set_field:{_M2}->eth_dst,output:1"),
    ("", "set_field:7->tun_id,output:1"),
    ("", "set_field:7->metadata,goto_table:1"),
    ("ip", "set_field:10.0.0.1->ip_src,set_field:10.0.0.2->ip_dst,output:1"),
    ("ip", "set_field:10->ip_dscp,set_field:1->nw_ecn,output:1"),
    ("tcp", "set_field:1->tcp_src,set_field:2->tcp_dst,output:1"),
    ("udp", "set_field:1->udp_src,set_field:2->udp_dst,output:1"),
    ("sctp", "set_field:1->sctp_src,set_field:2->sctp_dst,output:1"),
    ("icmp", "set_field:3->icmp_type,set_field:4->icmp_code,output:1"),
    ("arp", "set_field:2->arp_op,set_field:10.0.0.1->arp_spa,set_field:10.0.0.2->arp_tpa,output:1"),
    ("arp", f"set_field:{_M1}->arp_sha,set_field:{_M2}->arp_tha,in_port"),
    ("ipv6", "set_field:fe80::1->ipv6_src,set_field:fe80::2->ipv6_dst,output:1"),
    ("ipv6", "set_field:0x12345->ipv6_label,output:1"),
    ("icmp6", "set_field:1->icmpv6_type,set_field:2->icmpv6_code,output:1"),
    ("icmp6,icmp_type=135", f"set_field:fe80::1->nd_target,set_field:{_M1}->nd_sll,output:1"),
    ("icmp6,icmp_type=136", f"set_field:{_M2}->nd_tll,output:1"),
    ("", "goto_table:1"),
    ("", "goto_table:253"),
    ("", "output:1,goto_table:2"),
    ("", "write_metadata:0x5,goto_table:1"),
    ("", "write_metadata:0x5/0xff,goto_table:1"),
    ("", "write_actions(output:1)"),
    ("ip", "write_actions(dec_ttl,output:1)"),
    ("", "write_actions(group:1)"),
    ("", "clear_actions"),
    ("", "clear_actions,goto_table:1"),
    ("", "meter:1,output:1"),
    ("", "meter:1,output:1,clear_actions,write_actions(output:2),write_metadata:1/3,goto_table:4"),
)
"""Matches that are needed, and actions and instructions."""

OPTIONS = (
    "cookie=0xda01",
    "idle_timeout=30",
    "hard_timeout=600",
    "idle_timeout=30,hard_timeout=600,send_flow_rem",
    "check_overlap,priority=77",
    "reset_counts",
    "no_packet_counts,no_byte_counts",
    "priority=0",
    "priority=65535",
    "table=7",
    "importance=0",
)


def flows() -> list[str]:
    """Give flows as ovs-ofctl reads them, all of them different."""
    said = [f"{match},actions=output:1" for match in MATCHES]
    said += [f"{match},actions={actions}" for match, actions in ACTIONS if not actions.startswith("table=")]
    said += [f"{option},ip,nw_src=10.7.0.{place},actions=output:1" for place, option in enumerate(OPTIONS)]
    some = ("dl_vlan=9", "tcp,tp_dst=22", "arp,arp_op=1", "ipv6,ipv6_dst=fe80::9", "icmp,icmp_type=3")
    for place, (match, (needs, actions)) in enumerate(product(some, ACTIONS[1:10] + ACTIONS[13:15] + ACTIONS[43:53])):
        if not needs:
            said.append(f"priority={1000 + place},cookie={place:#x},{match},actions={actions.replace(':1', ':5')}")
    return list(dict.fromkeys(flow.lstrip(",") for flow in said))


GROUPS = (
    "group_id=1,type=all,bucket=output:1",
    "group_id=2,type=all,bucket=output:1,bucket=output:2",
    "group_id=3,type=select,bucket=weight:10,actions=output:1,bucket=weight:20,actions=output:2",
    "group_id=4,type=indirect,bucket=output:1",
    "group_id=5,type=ff,bucket=watch_port:1,output:1,bucket=watch_group:1,output:2",
    f"group_id=6,type=all,bucket=set_field:{_M1}->eth_src,dec_ttl,output:1,bucket=group:1",
    "group_id=7,type=all",
)

METERS = (
    "meter=1,kbps,band=type=drop,rate=1000",
    "meter=2,pktps,burst,stats,band=type=drop,rate=100,burst_size=10",
    "meter=3,kbps,burst,band=type=drop,rate=1000,burst_size=5",
)

COMMANDS = (
    ("show",),
    ("dump-desc",),
    ("dump-tables",),
    ("dump-table-features",),
    ("dump-flows",),
    ("dump-flows", "table=3,tcp"),
    ("dump-flows", "cookie=0x1/0xff,out_port=1"),
    ("dump-flows", "out_group=1"),
    ("dump-aggregate",),
    ("dump-aggregate", "table=3"),
    ("dump-ports",),
    ("dump-ports", "1"),
    ("dump-ports-desc",),
    ("queue-stats",),
    ("queue-stats", "1", "7"),
    ("queue-get-config", "1"),
    ("dump-groups",),
    ("dump-group-stats",),
    ("dump-group-stats", "group_id=3"),
    ("dump-group-features",),
    ("dump-meters",),
    ("dump-meter", "meter=2"),
    ("meter-stats",),
    ("meter-stats", "meter=1"),
    ("meter-features",),
    ("mod-group", GROUPS[1].replace("output:2", "output:3")),
    ("--may-create", "mod-group", "group_id=9,type=all,bucket=output:1"),
    ("mod-meter", METERS[1].replace("rate=100", "rate=200")),
    ("mod-port", "1", "no-flood"),
    ("mod-port", "1", "no-packet-in"),
    ("mod-port", "1", "packet-in"),
    ("mod-port", "1", "flood"),
    ("mod-port", "2", "down"),
    ("mod-port", "2", "up"),
    ("get-frags",),
    ("set-frags", "drop"),
    ("set-frags", "normal"),
    ("mod-flows", "tcp,actions=output:2"),
    ("--strict", "mod-flows", "priority=1001,actions=output:2"),
    ("packet-out", f"in_port=local,packet={'02' * 6}{'04' * 6}0800{'00' * 46},actions=dec_ttl,output:1"),
    ("probe",),
    ("del-flows", "table=3,arp"),
    ("--strict", "del-flows", "priority=1002"),
    ("del-flows", "cookie=0x1/-1"),
    ("del-groups", "group_id=2"),
    ("del-meters", "meter=3"),
    ("del-flows",),
    ("del-groups",),
    ("del-meters",),
)
"""What ovs-ofctl is run with, after the flows, groups and meters are there."""


class Frame(NamedTuple):
    """One message: what led to it, whether the switch sent it, and its bytes."""

    cause: str
    from_switch: bool
    data: bytes


class Recorder:
    """A Unix socket in front of a switch's: passes on both directions, and keeps every message."""

    def __init__(self, switch: Path, folder: Path) -> None:
        self.path = folder / "proxy"
        self.frames: list[Frame] = []
        self.cause = ""
        self._switch = switch
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(self.path))
        self._server.listen()
        self._links: list[socket.socket] = []
        self._threads = [Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, _: TracebackType | None) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for thread in self._threads:
            thread.join(10)
        for link in self._links:
            link.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            switch = socket.socket(socket.AF_UNIX)
            switch.connect(str(self._switch))
            self._links += client, switch
            for ends, from_switch in (((client, switch), False), ((switch, client), True)):
                self._threads.append(Thread(target=self._pass_on, args=(*ends, from_switch), daemon=True))
                self._threads[-1].start()

    def _pass_on(self, source: socket.socket, target: socket.socket, from_switch: bool) -> None:
        left = b""
        with suppress(OSError):
            while more := source.recv(1 << 16):
                left += more
                while len(left) >= 8 and len(left) >= (size := int.from_bytes(left[2:4], "big")):
                    self.frames.append(Frame(self.cause, from_switch, left[:size]))
                    left = left[size:]
                target.sendall(more)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def run(self, *words: str, stdin: str = "") -> None:
        """Run an ovs-ofctl command against the switch."""
        self.cause = " ".join(words)
        at = next(place for place, word in enumerate(words) if not word.startswith("--")) + 1
        command = ["ovs-ofctl", "-O", "OpenFlow13", *words[:at], f"unix:{self.path}", *words[at:]]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=30)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")

    def talk(self, cause: str, messages: Iterable[Message], wait: float = 0.0) -> None:
        """Send messages as a controller does, then wait for the barrier's reply, and for what comes after it."""
        self.cause = cause
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(10)
            link.connect(str(self.path))
            for message in chain((Hello.of((4,)),), messages, (BarrierRequest(xid=0xBA),)):
                link.sendall(message.encode())
            received = b""
            while bytes.fromhex("04150008000000ba") not in received:
                received += link.recv(1 << 16)
            link.settimeout(wait or 0.01)
            with suppress(TimeoutError):
                while link.recv(1 << 16):
                    pass


def _mistakes() -> Iterator[Message]:
    """Give requests that a switch refuses, each for a reason of its own."""
    yield FlowMod(match=Match.of(Match(eth_type=0x0800, ip_proto=6, tcp_dst=1).oxms[2:]), xid=1)
    yield FlowMod(instructions=(GotoTable(0),), xid=2)
    yield FlowMod(instructions=(ApplyActions((Group(77),)),), xid=3)
    yield FlowMod(instructions=(ApplyActions((Output(0xFFFFFF50),)),), xid=4)
    yield FlowMod(command=9, xid=5)
    yield FlowMod(table_id=255, xid=6)
    yield GroupMod(command=1, group_id=88, xid=7)
    yield GroupMod(type=9, group_id=89, xid=8)
    yield MeterMod(command=1, meter_id=99, xid=9)
    yield MeterMod(command=7, meter_id=99, xid=10)
    yield PacketOut(in_port=0xFFFFFF50, data=bytes(20), xid=11)
    yield UnknownMessage(99, b"body", xid=12)
    yield UnknownMultipartRequest(99, b"body", xid=13)
    yield RoleRequest(9, xid=14)
    yield RoleRequest(2, generation_id=5, xid=15)
    yield RoleRequest(2, generation_id=4, xid=16)
    yield QueueStatsRequest(0xFFFF00, 1, xid=17)
    yield QueueGetConfigRequest(0xFFFF00, xid=18)
    yield SetConfig(flags=0xFF, xid=19)
    yield TableMod(254, 3, xid=20)


def record(host: Host, folder: Path) -> list[Frame]:
    """Have ovs-ofctl and a controller say all there is to a host's switch, and give every message once."""
    with Recorder(host.root("/run/openvswitch/daoli.mgmt"), folder) as recorder:
        recorder.run("del-flows")
        for group in GROUPS:
            recorder.run("add-group", group)
        for meter in METERS:
            recorder.run("add-meter", meter)
        recorder.run("add-flows", "-", stdin="\n".join(flows()))
        for words in COMMANDS:
            recorder.run(*words)
        recorder.talk(
            "questions",
            (
                FeaturesRequest(xid=1),
                GetConfigRequest(xid=2),
                GetAsyncRequest(xid=3),
                SetAsync((7, 7), (7, 7), (15, 15), xid=4),
                GetAsyncRequest(xid=5),
                RoleRequest(0, xid=6),
                RoleRequest(2, generation_id=1, xid=7),
                RoleRequest(3, generation_id=2, xid=8),
                RoleRequest(1, xid=9),
                EchoRequest(b"echo", xid=10),
                GroupFeaturesRequest(xid=11),
                MeterFeaturesRequest(xid=12),
                QueueStatsRequest(xid=13),
                TableFeaturesRequest(xid=14),
            ),
        )
        recorder.talk("mistakes", _mistakes())
        removed = FlowModFlags.SEND_FLOW_REM
        recorder.talk("news", _news(host, removed), wait=1.5)
        recorder.cause = "the end"
        return distinct(recorder.frames)


def _news(host: Host, flags: int) -> Iterator[Message]:
    """Have packets sent to the controller, flows end in each way, and a port come, change and go."""
    frame = bytes.fromhex("020000000002 020000000001 0800 45000024000100000111a5c70a01000a0a01000b04d2000900100000")
    frame += bytes(8)
    yield SetConfig(miss_send_len=0xFFFF, xid=1)
    yield SetAsync((7, 7), (7, 7), (15, 15), xid=2)
    apply = (ApplyActions((Output(PortNo.CONTROLLER),)),)
    yield FlowMod(cookie=0xDA01, priority=0, instructions=apply, xid=3)
    yield PacketOut(in_port=1, actions=(Output(PortNo.TABLE),), data=frame, xid=4)
    yield PacketOut(in_port=1, actions=(Output(PortNo.CONTROLLER, 32),), data=frame, xid=5)
    yield PacketOut(in_port=1, actions=(DecNwTtl(), Output(1)), data=frame, xid=6)
    yield FlowMod(cookie=1, flags=flags, match=Match(in_port=1), xid=7)
    yield FlowMod(cookie=2, flags=flags, match=Match(in_port=2, eth_type=0x0800, ipv4_dst="10.0.0.0/8"), xid=8)
    yield FlowMod(cookie=3, flags=flags, hard_timeout=1, match=Match(in_port=3), xid=9)
    yield FlowMod(cookie=4, flags=flags, idle_timeout=1, match=Match(in_port=4), xid=10)
    yield GroupMod(group_id=5, xid=11)
    yield FlowMod(cookie=5, flags=flags, match=Match(in_port=5), instructions=(ApplyActions((Group(5),)),), xid=12)
    yield FlowMod(command=3, cookie=1, cookie_mask=0xFF, xid=13)
    yield GroupMod(command=2, group_id=5, xid=14)
    yield BarrierRequest(xid=15)
    host.exec(["ovs-vsctl", "add-port", "daoli", "news", "--", "set", "interface", "news", "type=internal"])
    host.exec(["ovs-ofctl", "-O", "OpenFlow13", "mod-port", "daoli", "news", "no-receive"])
    host.exec(["ovs-vsctl", "del-port", "daoli", "news"])
    yield BarrierRequest(xid=16)


def kind(frame: Frame) -> tuple[int, int | None, bool]:
    """Say what a message is: its type, the multipart type, and its sender."""
    part = int.from_bytes(frame.data[8:10], "big") if frame.data[1] in (18, 19) else None
    return frame.data[1], part, frame.from_switch


def distinct(frames: Iterable[Frame]) -> list[Frame]:
    """Give the messages that differ in more than their xid; ovs-ofctl asks for the tables' features all the time."""
    return list({frame.data[:4] + frame.data[8:]: frame for frame in reversed(list(frames))}.values())[::-1]


def write(frames: list[Frame]) -> None:
    """Write the corpus; of large messages only the smallest of its kind."""
    smallest: dict[object, Frame] = {}
    for frame in frames:
        key = kind(frame)
        if key not in smallest or len(frame.data) < len(smallest[key].data):
            smallest[key] = frame
    lines = ["# Recorded by tests/ofproto/recorder.py; > is to the switch, < from it."]
    cause = ""
    for frame in frames:
        if len(frame.data) > LARGE and frame is not smallest[kind(frame)]:
            continue
        if frame.cause != cause:
            cause = frame.cause
            lines.append(f"# {cause}")
        lines.append(f"{'<' if frame.from_switch else '>'} {frame.data.hex()}")
    CORPUS.parent.mkdir(exist_ok=True)
    CORPUS.write_text("\n".join(lines) + "\n")


def read() -> list[Frame]:
    """Read the corpus."""
    frames, cause = [], ""
    for line in CORPUS.read_text().splitlines():
        mark, _, rest = line.partition(" ")
        if mark == "#":
            cause = rest
        else:
            frames.append(Frame(cause, mark == "<", bytes.fromhex(rest)))
    return frames


if __name__ == "__main__":
    begun = time.monotonic()
    with Lab.create(hosts=1, endpoints=2, controller="") as lab, TemporaryDirectory() as place:
        write(record(lab.hosts["h1"], Path(place)))
    print(f"{CORPUS}: {len(read())} messages in {time.monotonic() - begun:.1f} s")  # noqa: T201
