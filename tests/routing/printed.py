"""Flows as an operator reads them, and as Open vSwitch's programs read ours."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

from daoli.ofproto import FlowMod, flow_text


def text(flow: FlowMod) -> str:
    """Give a flow as `ovs-ofctl dump-flows --no-stats` does."""
    return flow_text(
        flow.table_id,
        flow.priority,
        flow.cookie,
        flow.idle_timeout,
        flow.hard_timeout,
        flow.flags,
        flow.match,
        flow.instructions,
    )


def as_ovs_prints(packed: bytes) -> str:
    """Let Open vSwitch say what it reads in a flow_mod."""
    done = subprocess.run(["ovs-ofctl", "ofp-print", packed.hex()], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.partition(": ")[2].removeprefix("ADD ").strip()


def normal(line: str) -> tuple[set[str], str]:
    """Take a flow's text apart, since Open vSwitch writes a flow_mod and a dumped flow in different order."""
    head, actions = line.split(" actions=")
    for ours, theirs in (("cookie:", "cookie="), ("idle:", "idle_timeout="), ("hard:", "hard_timeout=")):
        head = head.replace(ours, theirs)
    words = set(head.replace(",", " ").replace("table:", "table=").split())
    return words - {"table=0", "priority=0"}, actions


def check_accepted(file: Path, texts: Iterable[str]) -> None:
    """Have `ovs-ofctl` take texts as flows, by a file of that name."""
    lines = list(texts)
    file.write_text("".join(f"{line.replace(', send_flow_rem ', ', send_flow_rem,')}\n" for line in lines))
    command = ["ovs-ofctl", "-O", "OpenFlow13", "parse-flows", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("OFPT_FLOW_MOD") == len(lines)
