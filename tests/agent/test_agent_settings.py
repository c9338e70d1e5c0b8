"""The agent's settings: what is refused with which words, and what follows from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from daoli.agent.settings import DOCTOR, PROGRAM, AgentSettings, as_joined
from daoli.sources import SettingError


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("controller", "192.0.2.1:8653", r"is not http\(s\)://HOST:PORT or unix:PATH"),
        ("controller", "http://192.0.2.1:8653/api", r"is not http\(s\)://HOST:PORT or unix:PATH"),
        ("controller", "http://192.0.2.1:port", "controller: "),
        ("controller", "unix:", "has no path"),
        ("openflow", "192.0.2.1:6653", "is not tcp:HOST:PORT or ssl:HOST:PORT"),
        ("openflow", "tcp:192.0.2.1", "is not HOST:PORT"),
        ("name", "-h1", "is not a name"),
        ("site", "a b", "is not a name"),
        ("address", "192.0.2", "is not an IPv4 address"),
        ("labels", "red", "is not KEY=VALUE"),
        ("uplink", "a-name-that-is-too-long", "is not an interface's name"),
        ("dpid", "0" * 16, "is not 16 hex digits, not all zero"),
        ("datapath_type", "dpdk", "is not one of auto, system, netdev"),
        ("log_level", "loud", "is none of debug, info, warning, error"),
        ("docker", "unix://\0", "has a zero byte"),
    ],
)
def test_refusals(name: str, value: str, words: str) -> None:
    """A setting that cannot be is refused with its name and why."""
    with pytest.raises(SettingError, match=words) as refusal:
        AgentSettings(**{name: value})
    assert str(refusal.value).startswith(name)


def test_one_uplink() -> None:
    """A NIC to share and an interface to give away are not named together."""
    with pytest.raises(SettingError, match="uplink_port: not together with uplink"):
        AgentSettings(uplink="eth0", uplink_port="eth1")


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://192.0.2.1:8653", ("192.0.2.1", 8653)),
        ("https://controller.example", ("controller.example", 443)),
        ("http://[2001:db8::1]:80/", ("2001:db8::1", 80)),
        ("unix:/run/daoli.sock", None),
    ],
)
def test_controller(url: str, endpoint: tuple[str, int] | None) -> None:
    """The controller's URL tells its host and port, a socket file none."""
    assert AgentSettings(controller=url).endpoint() == endpoint


def test_datapath_id(tmp_path: Path) -> None:
    """The datapath id follows from the machine id alone, unless it is given."""
    machine_id = tmp_path / "machine-id"
    machine_id.write_text("0123456789abcdef0123456789abcdef\n")
    made = AgentSettings().datapath_id(machine_id)
    assert made == AgentSettings(name="other").datapath_id(machine_id)
    assert made.startswith("0000")
    assert len(made) == 16
    assert AgentSettings(dpid="00000000000000AB").datapath_id(machine_id) == "00000000000000ab"
    machine_id.write_text("")
    with pytest.raises(SettingError, match=r"dpid: .* is empty: run systemd-machine-id-setup"):
        AgentSettings().datapath_id(machine_id)
    with pytest.raises(SettingError, match=r"dpid: .* cannot be read"):
        AgentSettings().datapath_id(tmp_path / "none")


def test_labels_and_name() -> None:
    """Labels are taken apart; without a name the host's own is taken."""
    assert AgentSettings(labels="rack=7, note=a=b").label_map() == {"rack": "7", "note": "a=b"}
    assert AgentSettings(name="h1").host_name == "h1"
    assert AgentSettings().host_name


def test_sources(tmp_path: Path) -> None:
    """The agent's settings come from its own variables, and what is to be done now from flags."""
    token = tmp_path / "token"
    token.write_text("secret\n")
    environment = {"DAOLI_AGENT_UPLINK": "eth3", "DAOLI_STATE": "/elsewhere"}
    settings, actions = PROGRAM.read(["--leave", "--token-file", str(token)], environment)
    assert (settings.uplink, settings.token()) == ("eth3", "secret")
    assert actions == {"leave"}
    assert DOCTOR.read([], environment)[0].uplink == "eth3"


def test_as_joined() -> None:
    """What is not set is taken from the notes of a host that has joined."""
    notes = {"controller": "http://192.0.2.9:8653", "token_file": "/etc/daoli/token", "host": "h1"}
    settings = as_joined(AgentSettings(token_file="/root/token"), notes)  # noqa: S106  a file's name
    assert (settings.controller, settings.token_file) == ("http://192.0.2.9:8653", "/root/token")
    assert as_joined(AgentSettings(), {}) == AgentSettings()
