"""What the fuzzer holds at length, held briefly: over its corpus, and over damage that is always the same."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.ofproto.strategies import CLASSES
from tests.ofproto.test_ofproto_message import HOSTILE

import daoli.ofproto.message
from daoli.ofproto import ApplyActions, DecodeError, EchoRequest, FlowMod, Hello, Message, Output, decode
from daoli.ofproto.wire import Reader
from fuzz import make_corpus, mutate, targets

ROOT = Path(__file__).parents[2]
CORPUS = {path.name: path.read_bytes() for path in sorted(make_corpus.CORPUS.iterdir())}
MUTANTS = 1200
"""Inputs, at about a thousand a second."""
MAX_LENGTH = 4096
"""As the fuzzer has it; a mutant of many mutants would only be slow."""


def mutants(count: int) -> list[bytes]:
    """Damage the corpus, each time in the same way."""
    inputs = list(CORPUS.values())
    made = []
    for seed in range(count):
        dice = random.Random(seed)
        made.append(mutate.mutate(dice.choice(inputs), dice, inputs)[:MAX_LENGTH])
    return made


# The corpus


def test_every_class_has_its_input() -> None:
    """Each class of message is in the corpus; if one is new, `python -m fuzz.make_corpus` writes its file."""
    assert {cls.__name__ for cls in CLASSES} - set(CORPUS) == set(), "run python -m fuzz.make_corpus"


def test_nothing_is_left_behind() -> None:
    """The corpus holds what the script writes, and inputs that once broke something."""
    kept = {name for name in CORPUS if not name.startswith(make_corpus.CRASH)}
    assert kept - set(make_corpus.corpus()) == set(), "run python -m fuzz.make_corpus"


def test_script_writes_what_decodes(tmp_path: Path) -> None:
    """The script writes every file anew, removes what is stale, and leaves old crashes alone."""
    for name in ("NoLongerThere", "crash-1"):
        (tmp_path / name).write_bytes(b"")
    command = [sys.executable, "-m", "fuzz.make_corpus", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert written == {**make_corpus.corpus(), "crash-1": b""}


@pytest.mark.parametrize("name", CORPUS)
def test_corpus(name: str) -> None:
    """Every promise holds for each input of the corpus, the cost included."""
    targets.check_everything(CORPUS[name])
    targets.check_cost(CORPUS[name])
    targets.check_memory(CORPUS[name])


# Damage


def test_mutants() -> None:
    """Every promise holds for damaged input."""
    for data in mutants(MUTANTS):
        targets.check_everything(data)


def test_mutants_cost_little() -> None:
    """Memory and time are bounded by the length, of a sample."""
    for data in mutants(MUTANTS)[::20]:
        targets.check_memory(data)
        targets.check_cost(data)


@pytest.mark.parametrize("name", HOSTILE)
def test_crowded_messages_cost_little(name: str) -> None:
    """Memory is bounded for messages that hold as many small things as they can."""
    targets.check_memory(HOSTILE[name])


def test_mutants_go_deep() -> None:
    """Damage reaches what is nested: some is read as another message, and refusals come from every clause of note."""
    read, clauses = 0, set()
    for data in mutants(1000):
        try:
            read += bool(decode(data))
        except DecodeError as error:
            clauses.add(error.clause)
    assert 100 < read < 700
    assert {"7.1.1", "7.2.3.1", "7.2.3.2", "7.2.3.7", "7.2.4", "7.2.5", "7.3.5", "7.3.5.2", "7.5.1"} <= clauses


def test_mutants_stay_in_bounds() -> None:
    """Any bytes can be damaged, also none and a piece of a header."""
    for size in range(20):
        for seed in range(200):
            dice = random.Random(seed)
            mutate.mutate(dice.randbytes(size), dice, [b"", bytes(5), FlowMod().encode()])


def test_header_is_mended() -> None:
    """What was damaged says its true length again."""
    data = bytearray(FlowMod().encode() + bytes(8))
    mutate.mend(data)
    assert int.from_bytes(data[2:4], "big") == len(data)


def test_lengths_are_found() -> None:
    """Where a match, an instruction and an action have their length is known, and changed with what is in them."""
    data = FlowMod(instructions=(ApplyActions((Output(1),)),)).encode()
    assert {50, 58, 66} <= set(mutate.lengths(data))
    longer = bytearray(data)
    mutate.repeat(longer, Always(64))
    mutate.mend(longer)
    assert decode(bytes(longer)) == FlowMod(instructions=(ApplyActions((Output(1), Output(1))),))


class Always(random.Random):
    """Dice that choose what begins at an offset, and otherwise the first thing."""

    def __init__(self, at: int) -> None:
        super().__init__(0)
        self.at = at

    def choice(self, seq):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        """Choose the length of what begins there, if it is offered."""
        return self.at + 2 if self.at + 2 in seq else seq[0]

    def random(self) -> float:
        """Give a half."""
        return 0.5


# What a broken promise looks like


def plant(monkeypatch: pytest.MonkeyPatch, bug: object) -> None:
    """Have the decoder do something else with every message."""
    monkeypatch.setattr(daoli.ofproto.message, "_decode", bug)


def crash(_: bytes) -> Message:
    raise KeyError("planted")


def refuse_nowhere(data: bytes) -> Message:
    raise DecodeError(len(data) + 1, "planted", "7.1")


def forget(_: bytes) -> Message:
    return EchoRequest(bytes(Reader(b"1", 0, 1).read()), xid=next(_count))


_count = iter(range(1 << 20))


def lose(_: bytes) -> Message:
    return Hello()


def spend(_: bytes) -> Message:
    until = time.process_time() + 2 * targets.CPU
    while time.process_time() < until:
        pass
    return EchoRequest(b"")


def hoard(_: bytes) -> Message:
    return EchoRequest(bytes(1 << 20)[:1])


@pytest.mark.parametrize("bug", [crash, refuse_nowhere, forget, lose], ids=lambda bug: bug.__name__)
def test_planted_bug_is_found(bug: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that raises something else, points nowhere, is not sure or loses bytes is found out at once."""
    plant(monkeypatch, bug)
    with pytest.raises((AssertionError, KeyError), match=r"planted|points nowhere|is not m|is lost"):
        targets.check_decode(Hello.of((4,)).encode())


def test_planted_slowness_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that takes too long is found out."""
    plant(monkeypatch, spend)
    with pytest.raises(AssertionError, match=r"takes \d+ ms"):
        targets.check_cost(Hello().encode())


def test_planted_greed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that takes more memory than the input explains is found out."""
    plant(monkeypatch, hoard)
    with pytest.raises(AssertionError, match="bytes for 8"):
        targets.check_memory(Hello().encode())
