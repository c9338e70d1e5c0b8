"""Experimenter messages: those with a class, and those without."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from daoli.ofproto import (
    BarrierReply,
    DecodeError,
    EncodeError,
    ExperimenterMessage,
    ExperimenterMultipart,
    Message,
    UnknownExperimenter,
    UnknownExperimenterReply,
    UnknownExperimenterRequest,
    decode,
    experimenter_message,
    experimenter_reply,
    experimenter_request,
)
from daoli.ofproto.experimenter import EXPERIMENTER_MESSAGES, EXPERIMENTER_REPLIES, EXPERIMENTER_REQUESTS
from daoli.ofproto.wire import U16

WHO = 0xDA011E

BYTES: dict[Message, str] = {
    UnknownExperimenter(1, 2, b"rest"): "04040014 00000000 00000001 00000002 72657374",
    UnknownExperimenterRequest(1, 2, b"rest"): "0412001c 00000000 ffff 0000 00000000 00000001 00000002 72657374",
    UnknownExperimenterReply(1, 2, flags=1): "04130018 00000000 ffff 0001 00000000 00000001 00000002",
}


@pytest.fixture
def classes() -> Iterator[tuple[Any, ...]]:
    """Declare a message, a request and a reply of an experimenter's, and take them back."""

    @experimenter_message(WHO, 1, "7.5.4")
    @dataclass(frozen=True, slots=True)
    class Ask(ExperimenterMessage):
        number: U16

    @experimenter_request(WHO, 1, "7.5.4")
    @dataclass(frozen=True, slots=True)
    class AskStats(ExperimenterMultipart):
        number: U16

    @experimenter_reply(WHO, 1, "7.5.4")
    @dataclass(frozen=True, slots=True)
    class Stats(ExperimenterMultipart):
        number: U16

    yield Ask, AskStats, Stats
    for registry in (EXPERIMENTER_MESSAGES, EXPERIMENTER_REQUESTS, EXPERIMENTER_REPLIES):
        del registry[WHO, 1]


@pytest.mark.parametrize("message", BYTES, ids=lambda message: type(message).__name__)
def test_bytes(message: Message) -> None:
    """What has no class is laid out as in 7.5.4 and 7.3.5.15."""
    data = bytes.fromhex(BYTES[message])
    assert message.encode() == data
    assert decode(data) == message


def test_classes(classes: tuple[Any, ...]) -> None:
    """A declared class is read and written by id and type, others of the same id are not."""
    heads = "", "ffff000100000000", "ffff000100000000"
    for cls, kind, head, more in zip(classes, (4, 18, 19), heads, ({}, {"flags": 1}, {"flags": 1}), strict=True):
        message = cls(7, xid=5, **more)
        body = bytes.fromhex(head) + bytes.fromhex("00da011e 00000001 0007")
        data = bytes([4, kind, 0, 8 + len(body), 0, 0, 0, 5]) + body
        assert message.encode() == data
        assert decode(data) == message
        assert type(decode(data[:-3] + b"\2\0\7")).__name__.startswith("UnknownExperimenter")
        assert cls.__name__ in str(message)


@pytest.mark.usefixtures("classes")
def test_declared_once() -> None:
    """Two classes for one id and type are refused when the second is declared."""
    with pytest.raises(TypeError, match="0xda011e/1 is both Ask and BarrierReply"):
        experimenter_message(WHO, 1, "7.5.4")(BarrierReply)  # type: ignore[type-var]
    with pytest.raises(TypeError, match="0xda011e/1 is both Stats and BarrierReply"):
        experimenter_reply(WHO, 1, "7.5.4")(BarrierReply)  # type: ignore[type-var]


@pytest.mark.parametrize("message", BYTES, ids=lambda message: type(message).__name__)
def test_cut_short(message: Message) -> None:
    """A message without its id and type is refused."""
    head = 8 if isinstance(message, UnknownExperimenter) else 16
    data = bytearray(message.encode()[: head + 7])
    data[2:4] = len(data).to_bytes(2, "big")
    with pytest.raises(DecodeError, match="an experimenter's head needs 8 bytes, 7 are left"):
        decode(bytes(data))


def test_misfit() -> None:
    """A number that does not fit is named."""
    with pytest.raises(EncodeError, match=r"UnknownExperimenter\.exp_type"):
        UnknownExperimenter(1, -1).encode()


def test_text() -> None:
    """What is unknown is shown by its numbers."""
    assert str(UnknownExperimenter(1, 2, b"hi")) == "EXPERIMENTER 0x1/2 (xid=0x0): data=6869"
    assert str(UnknownExperimenterReply(1, 2)) == "MULTIPART_REPLY EXPERIMENTER 0x1/2 (xid=0x0): data="
