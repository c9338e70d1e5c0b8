"""``daolictl lease``."""

from __future__ import annotations

from tests.cli.conftest import Run
from tests.cli.fake import FakeApi


def test_ls(api: FakeApi, run: Run) -> None:
    """Leases are listed, those of one host and network if asked."""
    lease = {"ipv4": "10.1.0.2", "network": "blue", "host": "h1", "mac": None, "subnet": "10.1.0.0/24", "gateway": "g"}
    api.says("GET", "/leases", {"leases": [lease]})
    assert run("lease", "ls", "--host", "h1", "--network", "blue").lines[1] == ["10.1.0.2", "blue", "h1", "-"]
    assert api.asked[0].path == "/leases?host=h1&network=blue"
