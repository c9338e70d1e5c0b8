"""What the README says is so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from daoli.api.app import OPERATIONS
from daoli.routing.flows import static_flows

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_links_lead_somewhere() -> None:
    """Every relative link of the README and the documents leads to a file."""
    for document in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.relative_to(ROOT)}: {target}"


def test_number_of_static_flows_is_right() -> None:
    """The README's count of static flows is the pipeline's."""
    assert f"the same {len(static_flows(1, bytes(6)))} static flows" in README


def test_make_targets_exist() -> None:
    """Each make command that the README shows is a target."""
    shown = set(re.findall(r"^make (\w+)", README, re.MULTILINE))
    assert shown
    assert shown <= set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_example_program_listens() -> None:
    """The program that uses the OpenFlow stack by itself runs: it listens, and a switch's hello is answered."""
    found = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert found
    program = (
        found[1]
        .replace('"127.0.0.1", 6653', '"127.0.0.1", 0')
        .replace(
            "    await asyncio.Event().wait()",
            "    reader, writer = await asyncio.open_connection(*channel.address)\n"
            "    print((await reader.readexactly(8)).hex())\n    writer.close()\n    await channel.close()",
        )
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.startswith("04000010"), done.stderr


def test_every_operation_is_documented() -> None:
    """The page on the REST API lists each operation with its summary, in the order of the code."""
    listed = re.findall(r"^\| `([A-Z]+ /\S*)` \| (.+) \|$", (ROOT / "docs/api.md").read_text(), re.MULTILINE)
    assert listed == [(f"{operation.method} {operation.path}", operation.summary) for operation in OPERATIONS]
