"""Fuzz the decoder and the connection, led by coverage: any bytes, no exception but a DecodeError.

python -m fuzz.fuzz_decode [libFuzzer's options] [CORPUS …]

`make fuzz` runs it for ten minutes (`make fuzz SECONDS=60` for one) over the corpus of the tree. What libFuzzer finds
worth keeping goes to build/fuzz/corpus, an input that breaks a promise to build/fuzz/crash-…: put that one into
fuzz/corpus under its name, and the tests replay it from then on.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Final

import atheris

CORPUS: Final = Path(__file__).parent / "corpus"
SLOWDOWN: Final = 8.0
"""What counting coverage makes of the CPU bound; the tests hold it without."""
BLIND: Final = 0.25
"""Share of mutations that are left to libFuzzer, which knows the constants that comparisons saw."""
SAMPLED: Final = 64
"""One input of so many has its memory traced, which takes ten times as long."""

with atheris.instrument_imports(include=["daoli"]):
    from fuzz import mutate, targets

_samples = random.Random(0)
_others: list[bytes] = []


def test_one_input(data: bytes) -> None:
    """Check all promises of one input."""
    targets.check_everything(data)
    targets.check_cost(data, SLOWDOWN)
    if _samples.randrange(SAMPLED) == 0:
        targets.check_memory(data)


def mutated(data: bytes, max_size: int, seed: int) -> bytes:
    """Damage an input as one who knows OpenFlow would, or as libFuzzer does."""
    dice = random.Random(seed)
    if not data or dice.random() < BLIND:
        blind = bytearray(atheris.Mutate(data, max_size))
        if dice.random() > BLIND:
            mutate.mend(blind)
        return bytes(blind)
    return mutate.mutate(data, dice, _others)[:max_size]


def main() -> None:
    """Hand over to libFuzzer, which ends the process."""
    _others.extend(path.read_bytes() for path in sorted(CORPUS.iterdir()))
    atheris.Setup(sys.argv, test_one_input, custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
