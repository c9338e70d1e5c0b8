"""Write the corpus: one file for each class of message, and some that have all actions, instructions or fields.

python -m fuzz.make_corpus [DIRECTORY]

All of it is read from the registries and the tests' examples, so that a new message, action or field is there when
this has run again. Files that begin with `crash-` are inputs that once broke a promise; they are left alone.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from fuzz.targets import HANDSHAKE
from tests.ofproto.examples import EXAMPLES

from daoli.ofproto import FIELDS, ApplyActions, BarrierReply, DecodeError, FlowMod, Match, Oxm, PacketIn, decode
from daoli.ofproto.actions import ACTION
from daoli.ofproto.instructions import INSTRUCTION
from daoli.ofproto.tlv import Tlv
from daoli.ofproto.wire import Reader

CORPUS: Final = Path(__file__).parent / "corpus"
CRASH: Final = "crash-"
_GROUP: Final = 8
"""Actions or fields in one message: a small input is a better beginning than a big one."""
_LARGEST: Final = 72


def least(tlv: Tlv, key: bytes) -> Any:
    """Give the shortest structure of that key whose other bytes are zeros, if there is one."""
    for size in range(8, _LARGEST, 8):
        data = struct.pack("!2sH", key[:2], size) + key[2:]
        data = data.ljust(size, b"\0")
        try:
            return tlv.read(Reader(data, 0, len(data)))
        except (DecodeError, ValueError):
            continue
    return None


def every(tlv: Tlv) -> list[Any]:
    """List the shortest structure of each class."""
    return [value for key in sorted(tlv.classes) if (value := least(tlv, key)) is not None]


def every_field() -> Iterator[Oxm]:
    """Give each match field, and again with a mask where it may have one."""
    for field in FIELDS.values():
        who = field.experimenter.to_bytes(4, "big") if field.experimenter else b""
        for header, payload in (
            (field.header, who + bytes(field.width)),
            (field.masked_header, who + bytes(2 * field.width)),
        ):
            if header == field.header or field.maskable:
                yield Oxm(header & ~0xFF | len(payload), payload)


def corpus() -> dict[str, bytes]:
    """Give the name and the bytes of each file."""
    made = {cls.__name__: message.encode() for cls, message in EXAMPLES.items()}
    actions, fields = every(ACTION), list(every_field())
    for at in range(0, len(actions), _GROUP):
        made[f"actions-{at:03}"] = FlowMod(instructions=(ApplyActions(tuple(actions[at : at + _GROUP])),)).encode()
    for at in range(0, len(fields), _GROUP):
        made[f"fields-{at:03}"] = PacketIn(match=Match.of(fields[at : at + _GROUP])).encode()
    made["instructions"] = FlowMod(instructions=tuple(every(INSTRUCTION))).encode()
    made["stream-handshake"] = HANDSHAKE + EXAMPLES[PacketIn].encode()
    made["stream-answers"] = BarrierReply(xid=1).encode() + EXAMPLES[PacketIn].encode() + BarrierReply(xid=2).encode()
    return made


def main() -> None:
    """Write the files, and remove those of classes that are gone."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else CORPUS
    folder.mkdir(parents=True, exist_ok=True)
    made = corpus()
    for path in folder.iterdir():
        if path.name not in made and not path.name.startswith(CRASH):
            path.unlink()
    for name, data in made.items():
        decode(data) if not name.startswith("stream-") else None
        (folder / name).write_bytes(data)
    print(f"{len(made)} files, {sum(map(len, made.values()))} bytes in {folder.name}/")


if __name__ == "__main__":
    main()
