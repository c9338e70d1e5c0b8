"""``daolictl host``."""

from __future__ import annotations

from tests.cli.conftest import Run
from tests.cli.fake import FakeApi, host


def test_ls(api: FakeApi, run: Run) -> None:
    """Hosts are listed with their state and problems; datapaths of no host are noted beside the list."""
    hosts = [host("h1"), host("h2", ("no datapath",), connected=False)]
    stray = {"dpid": "00000000000000ff", "peer": "192.0.2.9:5", "connected_seconds": 1.0}
    api.says("GET", "/hosts", {"hosts": hosts, "unregistered": [stray]})
    said = run("host", "ls")
    assert said.lines[1:] == [
        ["h1", "192.0.2.1", "connected", "2h", "1", "2", "-"],
        ["h2", "192.0.2.1", "away", "-", "1", "2", "no", "datapath"],
    ]
    assert "datapath 00000000000000ff at 192.0.2.9:5 is connected, but belongs to no host" in said.err
    assert run("host", "ls", "-o", "name").err == ""


def test_show(api: FakeApi, run: Run) -> None:
    """A host is shown with its ports."""
    api.says("GET", "/hosts/h1", host("h1", gateway=True, mtu=9000))
    lines = run("host", "show", "h1").lines
    assert ["Ports:", "dlup=1"] in lines
    assert ["Mtu:", "9000"] in lines
    assert ["Gateway:", "yes"] in lines


def test_rm(api: FakeApi, run: Run) -> None:
    """Removing tells what was cut and who could not confirm; one that is refused keeps no other from it."""
    api.says("DELETE", "/hosts/h1", {"endpoints": ["e1"], "cut": [{"id": 1}], "unconfirmed": ["h2"], "revision": 1})
    api.refuses("DELETE", "/hosts/h0", 404, "there is no host h0")
    said = run("host", "rm", "h0", "h1")
    assert said.code == 1
    assert said.out == (
        "host h1 removed, with 1 endpoint\n"
        "1 route cut\n"
        "not confirmed by h2; their flows go when they are connected again\n"
    )
    assert said.err == "daolictl: there is no host h0\n  daolictl host ls lists what there is\n"
