"""The whole codec against bytes that Open vSwitch wrote: kept in the corpus, and recorded anew."""

from collections import Counter
from pathlib import Path

import pytest
from tests.ofproto.recorder import Frame, flows, kind, read, record

from daoli.lab import Lab
from daoli.ofproto import (
    Error,
    FlowMod,
    FlowRemoved,
    Message,
    MessageType,
    MultipartType,
    PortStatus,
    UnknownMessage,
    UnknownMultipartReply,
    UnknownMultipartRequest,
    decode,
)

FRAMES = read()

UNANSWERED = {MultipartType.EXPERIMENTER}
"""What Open vSwitch has nothing of in the specification's part."""


def check(frame: Frame) -> Message:
    """Insist that a recorded message is read by its class, and written as the same bytes."""
    message = decode(frame.data)
    if frame.cause != "mistakes":
        unknown = (UnknownMessage, UnknownMultipartReply, UnknownMultipartRequest)
        assert not isinstance(message, unknown), frame
    assert message.encode() == frame.data, frame.cause
    assert str(message)
    return message


def check_variety(frames: list[Frame]) -> None:
    """Insist that the recording has all it should: every request, every answer, flows, errors and news."""
    kinds = {kind(frame) for frame in frames}
    answers = {part for type_, part, _ in kinds if type_ == MessageType.MULTIPART_REPLY}
    questions = {part for type_, part, _ in kinds if type_ == MessageType.MULTIPART_REQUEST}
    assert set(MultipartType) - UNANSWERED - {part for part in answers if part is not None} == set()
    assert set(MultipartType) - UNANSWERED - {part for part in questions if part is not None} == set()
    sent = {type_ for type_, _, from_switch in kinds if from_switch}
    assert sent >= {
        MessageType.ERROR,
        MessageType.PACKET_IN,
        MessageType.FLOW_REMOVED,
        MessageType.PORT_STATUS,
        MessageType.QUEUE_GET_CONFIG_REPLY,
    }
    messages = [decode(frame.data) for frame in frames]
    assert sum(isinstance(message, FlowMod) for message in messages) >= 200
    assert {message.reason for message in messages if isinstance(message, FlowRemoved)} == {0, 1, 2, 3}
    assert {message.reason for message in messages if isinstance(message, PortStatus)} >= {0, 1, 2}
    errors = Counter((message.type, message.code) for message in messages if isinstance(message, Error))
    assert len(errors) >= 14


@pytest.mark.parametrize("cause", dict.fromkeys(frame.cause for frame in FRAMES))
def test_corpus(cause: str) -> None:
    """What Open vSwitch wrote is read, and written as it was."""
    for frame in FRAMES:
        if frame.cause == cause:
            check(frame)


def test_corpus_has_all() -> None:
    """The corpus has two hundred flows, each request and its answer, errors and news."""
    assert len(flows()) >= 200
    check_variety(FRAMES)


@pytest.mark.e2e
def test_recorded_now(tmp_path: Path) -> None:
    """The Open vSwitch of this machine writes what the codec reads, and would write so itself."""
    with Lab.create(hosts=1, endpoints=2, controller="") as lab:
        frames = record(lab.hosts["h1"], tmp_path)
    for frame in frames:
        check(frame)
    check_variety(frames)
