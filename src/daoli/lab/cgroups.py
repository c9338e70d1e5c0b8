"""The control groups of a lab's containers: outside of every namespace of the lab, so they must be removed by name."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")

REMOVE_TIMEOUT = 5.0
"""Seconds for the kernel to notice that the members of a group are dead."""


def parent(lab: Path) -> str:
    """The group below which all groups of a lab are, in each hierarchy: labs of one name in two folders differ."""
    return f"/daoli-lab-{hashlib.sha256(str(lab).encode()).hexdigest()[:12]}"


def _groups(name: str, root: Path) -> Iterator[Path]:
    """The group of that name in the unified hierarchy and in each of version 1."""
    with suppress(FileNotFoundError):
        yield from (path for top in (root, *root.iterdir()) if (path := top / name.lstrip("/")).is_dir())


def _remove_tree(group: Path) -> None:
    for path in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
        with suppress(OSError):  # its members are dying, or somebody else was faster
            path.rmdir()
    with suppress(OSError):
        group.rmdir()


def remove(name: str, root: Path = ROOT) -> bool:
    """Remove a group and all below it, once nothing runs in them; say whether nothing is left."""
    deadline = time.monotonic() + REMOVE_TIMEOUT
    while groups := list(_groups(name, root)):
        for group in groups:
            _remove_tree(group)
        if not list(_groups(name, root)):
            break
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
