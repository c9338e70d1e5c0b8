"""What the README says is so."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
from contextlib import suppress
from pathlib import Path

from click.testing import CliRunner

from daoli.api.app import OPERATIONS
from daoli.cli.__main__ import daolictl
from daoli.datapath.emulated import EmulatedSwitch
from daoli.routing.static import static_flows

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_links_lead_somewhere() -> None:
    """Every relative link of the README and the documents leads to a file."""
    for document in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.relative_to(ROOT)}: {target}"


def test_number_of_static_flows_is_right() -> None:
    """The README's count of static flows is the pipeline's."""
    flows = static_flows(1, bytes(6), gateway=True, names=2)  # of a Docker host that has joined
    assert f"the same {len(flows)} static flows" in README


def test_make_targets_exist() -> None:
    """Each make command that the README shows is a target."""
    shown = set(re.findall(r"^make (\w+)", README, re.MULTILINE))
    assert shown
    assert shown <= set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_scripts_exist() -> None:
    """Each script that the README shows is there, and can be run."""
    shown = set(re.findall(r"\bscripts/\w+", README))
    assert shown
    assert all(os.access(ROOT / script, os.X_OK) for script in shown)


def test_daolictl_commands_exist() -> None:
    """Each command of daolictl that the README shows is one, with its flags."""
    lines = re.findall(r"^daolictl (.*?)(?:  +#|$)", README, re.MULTILINE)
    assert lines
    for line in lines:
        done = CliRunner().invoke(daolictl, [*line.split(), "--help"])
        assert done.exit_code == 0, (line, done.output)


async def test_example_program_floods() -> None:
    """The program that uses the OpenFlow stack by itself runs: a switch that connects is told to flood."""
    found = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert found
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = found[1].replace("6653", str(port))
    process = await asyncio.create_subprocess_exec(sys.executable, "-u", "-c", program, stdout=asyncio.subprocess.PIPE)
    assert process.stdout
    try:
        async with asyncio.timeout(30):
            switch = EmulatedSwitch(7, (1, 2, 3))
            while not switch.connected:
                with suppress(ConnectionRefusedError):
                    await switch.connect("127.0.0.1", port)
            assert b"Connected" in await process.stdout.readline()
        switch.receive(1, bytes(60))
        assert sorted(sent.port for sent in switch.sent) == [2, 3]
        await switch.close()
    finally:
        process.kill()
        await process.wait()


def test_every_operation_is_documented() -> None:
    """The page on the REST API lists each operation with its summary, in the order of the code."""
    listed = re.findall(r"^\| `([A-Z]+ /\S*)` \| (.+) \|$", (ROOT / "docs/api.md").read_text(), re.MULTILINE)
    assert listed == [(f"{operation.method} {operation.path}", operation.summary) for operation in OPERATIONS]
