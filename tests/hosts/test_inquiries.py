"""What agents are asked about probes, and what becomes of their answers."""

from __future__ import annotations

from typing import Any

import pytest

from daoli.hosts.errors import NotFound
from daoli.hosts.inquiries import Inquiries
from daoli.hosts.inquiry import Inquiry, Sought, Word

SOUGHT = Sought(source="10.1.0.2", destination="198.51.100.7", protocol="tcp", token="00ff" * 4, token_at=32)
WATCHING, LEFT = Word(outcome="watching"), Word(outcome="left", interface="eth0")


class Heard:
    """Inquiries, and who hears of them."""

    def __init__(self) -> None:
        self.inquiries = Inquiries()
        self.notes: list[dict[str, Any]] = []
        self.inquiries.subscribe(self.notes.append)

    @property
    def last(self) -> Inquiry:
        return Inquiry.model_validate(self.notes[-1]["inquiry"])


async def test_agent_answers() -> None:
    """The agent of the host is asked, watches, and says what it saw; then nothing more is to be told."""
    heard = Heard()
    async with heard.inquiries.ask("h1", SOUGHT) as asked:
        assert (heard.last.host, heard.last.packet) == ("h1", SOUGHT)
        heard.inquiries.take("h1", heard.last.id, WATCHING)
        assert await asked.watching(0)
        assert not asked.over
        heard.inquiries.take("h1", heard.last.id, LEFT)
        heard.inquiries.take("h1", heard.last.id, Word(outcome="absent"))
        assert await asked.word(0) == LEFT
    assert len(heard.notes) == 1


async def test_nobody_answers() -> None:
    """Nobody waits for ever, and who wakes up late hears that it is over."""
    heard = Heard()
    async with heard.inquiries.ask("h1", SOUGHT) as asked:
        assert not await asked.watching(0)
        assert await asked.word(0) is None
        begun = heard.last
    assert heard.last == begun.model_copy(update={"packet": None})


async def test_answer_at_once() -> None:
    """An agent that cannot look says so without watching first."""
    heard = Heard()
    async with heard.inquiries.ask("h1", SOUGHT) as asked:
        heard.inquiries.take("h1", heard.last.id, Word(outcome="failed"))
        assert await asked.watching(0)
        assert await asked.word(0) == Word(outcome="failed")


async def test_nobody_waits() -> None:
    """An answer to another host's inquiry, or to one that is over, is refused."""
    heard = Heard()
    async with heard.inquiries.ask("h1", SOUGHT):
        with pytest.raises(NotFound, match="host h2"):
            heard.inquiries.take("h2", heard.last.id, LEFT)
    with pytest.raises(NotFound):
        heard.inquiries.take("h1", heard.last.id, LEFT)
