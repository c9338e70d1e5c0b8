"""Two programs that know OpenFlow better than we do: ovs-ofctl and tshark. Each says in words what our bytes mean."""

import struct
import subprocess
from pathlib import Path

OPENFLOW_PORT = 6653
_MAC = bytes.fromhex("020000000001")


def ovs_print(data: bytes) -> str:
    """Say what Open vSwitch reads in a message; its complaints are in the text too."""
    done = subprocess.run(["ovs-ofctl", "ofp-print", data.hex()], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def ovs_flow(message: bytes) -> list[str]:
    """Give the flows of a reply as `dump-flows --no-stats` would."""
    command = ["ovs-ofctl", "ofp-print", message.hex()]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[1:]
    flows = []
    for line in lines:
        words = line.strip().split(", ")
        flows.append(", ".join(word for word in words if not word.startswith(("duration=", "n_packets=", "n_bytes="))))
    return flows


def ovs_texts(messages: list[bytes], folder: Path) -> list[str]:
    """Give what Open vSwitch says of each of many messages, whatever it thinks of them."""
    stream = folder / "messages"
    stream.write_bytes(b"".join(data + _MARK for data in messages))
    said = subprocess.run(["ovs-ofctl", "ofp-parse", str(stream)], capture_output=True, text=True, check=True).stdout
    texts = said.split(_MARK_SAID)
    assert len(texts) == len(messages) + 1
    return texts[:-1]


_MARK = bytes.fromhex("04150008feedbeef")
_MARK_SAID = "OFPT_BARRIER_REPLY (OF1.3) (xid=0xfeedbeef):\n"


def ovs_lines(message: bytes) -> list[str]:
    """Give what Open vSwitch says of a message behind its name and xid, line by line."""
    command = ["ovs-ofctl", "ofp-print", message.hex()]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line.strip() for line in said.partition("):")[2].splitlines() if line.strip()]


def tshark_print(messages: list[bytes], folder: Path) -> str:
    """Say what Wireshark reads in messages, each in a TCP segment of its own."""
    pcap = struct.pack("!IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0xFFFF, 1)
    sequence = 1
    for message in messages:
        tcp = struct.pack("!HHIIBBHHH", OPENFLOW_PORT, 40000, sequence, 1, 5 << 4, 0x18, 0xFFFF, 0, 0) + message
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, b"\n\0\0\1", b"\n\0\0\2") + tcp
        frame = _MAC + _MAC + b"\x08\x00" + ip
        pcap += struct.pack("!IIII", 0, 0, len(frame), len(frame)) + frame
        sequence += len(message)
    path = folder / "openflow.pcap"
    path.write_bytes(pcap)
    command = ["tshark", "-r", str(path), "-V", "-O", "openflow_v4", "-d", f"tcp.port=={OPENFLOW_PORT},openflow"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
