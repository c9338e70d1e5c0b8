"""``daolictl ledger``."""

from __future__ import annotations

from typing import Any

from tests.cli.conftest import Run
from tests.cli.fake import FakeApi

REFUSED: dict[str, Any] = {
    "kind": "packet.refused",
    "time": "2030-01-01T00:00:00.000Z",
    "verdict": "denied",
    "reason": "different networks",
    "source": "e1",
    "source_name": "web",
    "destination": None,
    "destination_address": "198.51.100.7",
    "protocol": "tcp",
    "destination_port": 80,
}


def test_ledger(api: FakeApi, run: Run) -> None:
    """Entries are listed as they were asked for; what the file lacks is noted."""
    api.says("GET", "/ledger", {"entries": [REFUSED], "begins": None, "dropped": 2})
    said = run("ledger", "--since", "10m", "--denied", "--source", "web", "--limit", "5")
    assert said.lines[1] == "2030-01-01T00:00:00.000Z refused web 198.51.100.7 tcp/80 denied - - - -".split()  # noqa: SIM905 - as it is read
    assert said.err == "the ledger's file lacks 2 entries, which could not be written\n"
    assert api.asked[0].path == "/ledger?since=10m&source=web&limit=5&denied=true"


def test_wide(api: FakeApi, run: Run) -> None:
    """All columns have the reason."""
    api.says("GET", "/ledger", {"entries": [REFUSED], "begins": None, "dropped": 0})
    assert "different networks" in run("ledger", "-o", "wide").out
