"""Reading in slices: what comes out is what `decode` gives, after as many steps as the message is long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ofproto.examples import EXAMPLES

from daoli.ofproto import (
    DecodeError,
    FlowMonitorReply,
    FlowStats,
    FlowStatsReply,
    Message,
    PortStats,
    PortStatsReply,
    decode,
)
from daoli.ofproto.slices import SlicedDecoder

FLOWS = FlowStatsReply(tuple(FlowStats(cookie=n) for n in range(100)), flags=1, xid=7)
FLOW = len(FlowStats().wire.write(FlowStats())) + 2


def read(frame: bytes, size: int) -> tuple[Message, int]:
    """Read to the end; give the message and the number of steps."""
    decoder, steps = SlicedDecoder(frame), 1
    while (message := decoder.step(size)) is None:
        steps += 1
    return message, steps


def outcome(frame: bytes, size: int | None = None) -> Message | tuple[str, int]:
    """Give the message, or what is wrong and where."""
    try:
        return decode(frame) if size is None else read(frame, size)[0]
    except DecodeError as error:
        return str(error), error.offset


@pytest.mark.parametrize("message", EXAMPLES.values(), ids=lambda message: type(message).__name__)
def test_every_message(message: Message) -> None:
    """Every message comes out as `decode` gives it, whatever the slices are."""
    frame = message.encode()
    for size in (1, 64, 0xFFFF):
        assert read(frame, size)[0] == decode(frame)


def test_steps() -> None:
    """A step ends at the end of the item that the size is reached in, so a list takes steps as it is long."""
    frame = FLOWS.encode()
    for per_step in (1, 10, 33, 100):
        assert read(frame, per_step * FLOW) == (FLOWS, -(-100 // per_step))
    assert read(frame, FLOW + 1) == (FLOWS, 50)


@pytest.mark.parametrize(
    "message",
    [PortStatsReply((PortStats(),) * 5), EXAMPLES[FlowMonitorReply]],
    ids=lambda message: type(message).__name__,
)
def test_other_lists(message: Message) -> None:
    """The lists of other replies are read in steps too, experimenters' among them."""
    assert read(message.encode(), 1)[1] > 1


def test_empty() -> None:
    """An empty list is read in one step."""
    assert read(FlowStatsReply().encode(), 1) == (FlowStatsReply(), 1)


@given(st.data())
def test_damaged(data: st.DataObject) -> None:
    """Damaged bytes are the same error, at the same offset, as for `decode`; or the same message."""
    message = data.draw(st.sampled_from([FLOWS, *EXAMPLES.values()]))
    frame = bytearray(message.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(frame[: data.draw(st.integers(0, len(frame)))]) if data.draw(st.booleans()) else bytes(frame)
    assert outcome(cut, 64) == outcome(cut)
