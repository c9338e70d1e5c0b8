"""The end of a ledger's file, as a controller that starts finds it: what the last one noted is not forgotten.

It is read from the end, a bounded piece of it, by a thread: nothing waits in the event loop. A line that is no entry,
since a crash cut it off or somebody wrote into the file, is skipped and counted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import TypeAdapter
from pydantic_core import from_json

from daoli.hosts.facts import KINDS, Entry, Recalled
from daoli.routing.packet import PROTOCOLS

DROPPED: Final = "dropped"
"""The kind of a line that only says how many entries the file lacks."""
_MOST: Final = 1 << 25
"""Bytes that are read at most, several times what as many entries as memory keeps are likely to take."""
_PIECE: Final = 1 << 16
_LONGEST: Final = 1 << 14
"""Bytes of a line that may be an entry; names and reasons are bounded."""
_ENTRY: Final = TypeAdapter(Entry)


class Past(NamedTuple):
    """What was noted before, the oldest first."""

    notes: list[Recalled]
    damaged: int = 0
    """Lines among them that could not be read."""


def recall(path: Path, files: int, most: int) -> Past:
    """Read the newest entries of a ledger's file, and of those that were closed before it; may raise OSError.

    `files` is how many of these there may be, FILE.1 being the newest, and `most` how many entries are wanted.
    """
    notes: list[Recalled] = []
    damaged, size = 0, 0
    for line in _newest_first(path, files):
        size += len(line) + 1
        if len(notes) == most or size > _MOST:
            break
        try:
            if (note := _note(line)) is not None:
                notes.append(note)
        except ValueError:
            damaged += 1
    return Past(notes[::-1], damaged)


def _newest_first(path: Path, files: int) -> Iterator[bytes]:
    for number in range(files + 1):
        named = path.with_name(f"{path.name}.{number}") if number else path
        if not named.exists():
            return
        yield from _lines_backwards(named)


def _lines_backwards(path: Path) -> Iterator[bytes]:
    """Give a file's lines, the last first; of one that is too long to be an entry only some of its bytes."""
    with path.open("rb") as file:
        at = file.seek(0, os.SEEK_END)
        rest = b""
        while at:
            start = max(0, at - _PIECE)
            file.seek(start)
            first, *whole = (file.read(at - start) + rest).split(b"\n")
            yield from filter(None, reversed(whole))
            at, rest = start, first[:_LONGEST]
        if rest:
            yield rest


def _note(line: bytes) -> Recalled | None:
    """Read a line; None if it is no entry, ValueError if it is damaged."""
    found = from_json(line)
    if isinstance(found, dict) and found.get("kind") == DROPPED:
        return None
    entry = _ENTRY.validate_json(line, strict=True)
    when = datetime.fromisoformat(entry.time)
    if entry.kind not in KINDS.values() or when.tzinfo is None:
        raise ValueError("no entry of a ledger")
    for address in filter(None, (entry.source_address, entry.destination_address)):
        IPv4Address(address)
    if entry.protocol not in (None, *PROTOCOLS.values()) and not 0 <= int(entry.protocol or "") <= 0xFF:
        raise ValueError("no protocol")
    return Recalled(when.timestamp(), entry)
