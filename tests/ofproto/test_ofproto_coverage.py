"""The table of what is covered."""

from collections import Counter

import pytest

from daoli.ofproto.coverage import Row, extensions, missing, specification, table
from daoli.ofproto.fields import FIELDS
from daoli.ofproto.message import MESSAGES


def test_nothing_is_missing() -> None:
    """All 30 messages, 15 multipart types, and every kind of what they hold has a class."""
    rows = list(specification())
    assert missing(rows) == []
    assert Counter(row.group for row in rows) == {
        "messages": 30,
        "multipart requests": 15,
        "multipart replies": 15,
        "instructions": 7,
        "actions": 17,
        "hello elements": 1,
        "queue properties": 3,
        "meter bands": 3,
        "table properties": 16,
        "match fields": 40,
        "errors": 15,
    }
    assert len(set(rows)) == len(rows)


def test_what_is_missing_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message or a field without a class is in the table, and said to be missing."""
    monkeypatch.delitem(MESSAGES, 29)
    monkeypatch.setattr("daoli.ofproto.coverage.FIELDS", {"in_port": FIELDS["in_port"]})
    gone = missing(specification())
    assert gone[0] == Row("messages", "OFPT_METER_MOD", "", "")
    assert len(gone) == 40
    assert "| OFPT_METER_MOD | **nothing** |  |" in table(gone)


def test_extensions() -> None:
    """What experimenters define is listed by who and which."""
    rows = list(extensions())
    assert Row("experimenter actions", "0x00002320/6", "RegMove", "7.2.5") in rows
    assert missing(rows) == []
    assert len(set(rows)) == len(rows)


def test_table() -> None:
    """A table is Markdown, with a section for each group."""
    text = table(specification())
    assert text.startswith(
        "## Messages\n\n| name | read by | clause |\n|---|---|---|\n| OFPT_HELLO | `Hello` | 7.5.1 |"
    )
    assert "\n\n## Multipart requests\n" in text
    assert "| OFPAT_OUTPUT | `Output` | 7.2.5 |" in text
