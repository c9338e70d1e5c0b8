"""A policy as a file, on real switches: what it cuts, what it would have refused."""

from __future__ import annotations

from typing import Any

import pytest
from tests.e2e.rig import Rig, reaches

pytestmark = pytest.mark.e2e


def test_apply_and_replay(rig: Rig) -> None:
    """A trial names the live route that the policy then cuts; the ledger's conversation would be refused."""
    one, other = rig.pair()
    assert reaches(one, other.ip)
    route = rig.route(one, other)
    assert route is not None
    policy: dict[str, Any] = {"rules": [{"id": "no", "action": "deny", "destination": {"endpoint": other.id}}]}
    replayed = rig.controller.post("/policy/replay", policy).body
    mine = [found for found in replayed["conversations"] if found["destination"] == other.id]
    assert [(found["was"], found["allowed"], found["rule"]) for found in mine] == [(True, False, "no")]
    tried = rig.controller.put("/policy?dry_run=true", policy).body
    assert [cut["id"] for cut in tried["cut"]] == [route["id"]]
    assert reaches(one, other.ip)
    done = rig.controller.put("/policy", policy).body
    assert [cut["id"] for cut in done["cut"]] == [route["id"]]
    assert not reaches(one, other.ip)
    (refused,) = rig.get(f"/ledger?denied=true&source={one.id}")["entries"]
    assert (refused["rule"], refused["verdict"]) == ("no", "denied")
    rig.controller.put("/policy", {})
    assert reaches(one, other.ip)
