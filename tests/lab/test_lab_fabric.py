"""The Ethernet between machines."""

import json
from collections.abc import Callable

import pytest

from daoli.lab import Lab

pytestmark = pytest.mark.e2e


def test_management_reaches_all(shared_lab: Lab) -> None:
    """Hosts and the controller reach each other on the management segment."""
    shared_lab.controller.exec(["ping", "-c1", "-W2", "10.254.0.2"])
    shared_lab.hosts["h1"].exec(["ping", "-c1", "-W2", "10.254.0.250"])
    shared_lab.hosts["h1"].exec(["ping", "-c1", "-W2", "10.254.0.2"])


def test_segments_are_apart(shared_lab: Lab) -> None:
    """Each NIC is on the segment of its role, and the segments share none."""
    shown = json.loads(shared_lab.fabric.exec(["bridge", "-j", "link"]).stdout)
    assert {(port["ifname"], port["master"]) for port in shown} == {
        ("h1-mgmt", "mgmt"),
        ("h1-wire", "wire"),
        ("h2-mgmt", "mgmt"),
        ("h2-wire", "wire"),
        ("controller-mgmt", "mgmt"),
    }
    assert {port["state"] for port in shown} == {"forwarding"}


def test_uplink(shared_lab: Lab) -> None:
    """The uplink has its planned MAC, no address of either family, and is up."""
    [link] = json.loads(shared_lab.hosts["h2"].exec(["ip", "-j", "address", "show", "eth1"]).stdout)
    assert link["address"] == "02:dd:00:01:00:02"
    assert link["addr_info"] == []
    assert "UP" in link["flags"]


def test_one_answer_per_arp_request(shared_lab: Lab) -> None:
    """A host answers an ARP request for its address once, from eth0, and not at all for another's."""
    command = ["arping", "-c1", "-w1", "-I", "eth0"]
    said = shared_lab.controller.exec([*command, "10.254.0.1"]).stdout.lower()
    assert said.count("02:dd:00:02:00:01") == 1
    assert "02:dd:00:02:00:02" not in said
    assert shared_lab.controller.exec([*command, "10.254.0.77"], check=False).returncode


def test_power_cycle_of_controller(create: Callable[..., Lab]) -> None:
    """The controller's machine gets its cable back when it boots again."""
    lab = create(hosts=1, endpoints=0)
    lab.controller.power_off()
    lab.controller.boot()
    lab.controller.exec(["ping", "-c1", "-W2", "10.254.0.1"])
