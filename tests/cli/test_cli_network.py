"""``daolictl network``."""

from __future__ import annotations

from tests.cli.conftest import Run
from tests.cli.fake import FakeApi, network


def test_create_with_everything(api: FakeApi, run: Run) -> None:
    """All that a network may have is asked for as it was said."""
    api.says("POST", "/networks", network("db"), 201)
    words = "--subnet 10.1.0.0/24 --gateway 10.1.0.9 --range 10.1.0.128/25 --reserved 10.1.0.5 --reserved 10.1.0.6"
    run("network", "create", "db", *words.split(), "--internal", "--label", "tier=db", "--label", "flag")
    assert api.asked[0].body == {
        "name": "db",
        "subnet": "10.1.0.0/24",
        "gateway": "10.1.0.9",
        "range": "10.1.0.128/25",
        "reserved": ["10.1.0.5", "10.1.0.6"],
        "internal": True,
        "labels": {"tier": "db", "flag": ""},
    }


def test_create_with_nothing(api: FakeApi, run: Run) -> None:
    """A name is enough, and one that is there already is no error."""
    api.says("POST", "/networks", network("db"), 200)
    assert run("network", "create", "db").out == "network db was there already: 10.1.0.0/24, gateway 10.1.0.1\n"
    assert api.asked[0].body == {"name": "db", "internal": False, "labels": {}, "reserved": []}


def test_bad_label(run: Run) -> None:
    """A label without a key is a wrong use."""
    said = run("network", "create", "db", "--label", "=x")
    assert said.code == 2
    assert "'=x' is not KEY=VALUE" in said.err


def test_rm(api: FakeApi, run: Run) -> None:
    """A network in use is not removed, and who uses it is told; others are."""
    api.refuses("DELETE", "/networks/blue", 409, "network blue has endpoints: web on h1")
    api.says("DELETE", "/networks/red", {"cut": [], "unconfirmed": [], "revision": 2})
    said = run("network", "rm", "blue", "red")
    assert said == (1, "network red removed\n", "daolictl: network blue has endpoints: web on h1\n")
