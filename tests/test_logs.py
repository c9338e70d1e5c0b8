"""What the log of a program looks like."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

import pytest
import structlog

from daoli.logs import configure_logging


class Settings(NamedTuple):
    """How to log."""

    log_level: str
    log_format: str


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leave the log to other tests as it was."""
    yield
    structlog.reset_defaults()


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Off a terminal each event is one JSON object, with its level and time, on standard error."""
    configure_logging(Settings("info", "auto"))
    structlog.get_logger("json").info("joined", host="h1")
    event = json.loads(capsys.readouterr().err)
    assert (event["event"], event["level"], event["host"]) == ("joined", "info", "h1")
    assert event["timestamp"].endswith("Z")


def test_level(capsys: pytest.CaptureFixture[str]) -> None:
    """What is below the level is not said."""
    configure_logging(Settings("warning", "console"))
    log = structlog.get_logger("level")
    log.info("joined")
    log.warning("left")
    said = capsys.readouterr().err
    assert "left" in said
    assert "joined" not in said
