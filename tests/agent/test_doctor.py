"""What the doctor finds, and how it says it."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from rich.console import Console

from daoli.agent import doctor
from daoli.agent.bridge import Wanted
from daoli.agent.doctor import Finding, Patient
from daoli.agent.links import Link, LinkError
from daoli.agent.preflight import Unfit
from daoli.agent.serve import serving
from daoli.agent.settings import AgentSettings
from daoli.agent.state import State

WANTED = Wanted("0000966abab1b28c", "netdev", "tcp:192.0.2.9:6653", "eth0", whole=False, address="192.0.2.1")
PATIENT = Patient(AgentSettings(), None, {"wanted": asdict(WANTED), "host": "h1"})
NIC = Link("eth0", "02:00:00:00:00:01", 1500, up=True)
UPLINK = Link("dlup", WANTED.uplink_mac, 1500, up=True, kind="macvlan", parent="eth0", mode="private")
LOCAL = Link("daoli", WANTED.local_mac, 1500, up=True)


async def collect(findings: AsyncIterator[Finding]) -> list[tuple[str, str]]:
    return [(found.level, found.text) async for found in findings]


def on_host(monkeypatch: pytest.MonkeyPatch, *found: Link) -> None:
    async def links() -> dict[str, Link]:
        return {link.name: link for link in found}

    monkeypatch.setattr("daoli.agent.links.links", links)


async def test_a_good_uplink(monkeypatch: pytest.MonkeyPatch) -> None:
    """An uplink as the agent makes it is two lines that are ok."""
    on_host(monkeypatch, NIC, UPLINK, LOCAL, Link("dl1", "", 1500, up=True))
    assert [level for level, _ in await collect(doctor.check_uplink(PATIENT))] == ["ok", "ok"]


async def test_bad_uplinks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong MAC, another MTU, and containers with a larger one are problems."""
    macvlan = Link("dlup", "06:00:00:00:00:09", 1400, up=True, kind="macvlan", parent="eth0", mode="private")
    on_host(monkeypatch, NIC, macvlan, LOCAL, Link("dl1", "", 9000, up=True))
    said = await collect(doctor.check_uplink(PATIENT))
    assert {level for level, _ in said} == {"problem"}
    text = " ".join(text for _, text in said)
    for words in ("dlup has MAC 06:00:00:00:00:09", "dlup has MTU 1400, eth0 has 1500", "(1500): dl1"):
        assert words in text
    on_host(monkeypatch, NIC)
    assert await collect(doctor.check_uplink(PATIENT)) == [("problem", "dlup does not exist")]
    on_host(monkeypatch, UPLINK)
    assert await collect(doctor.check_uplink(PATIENT)) == [("problem", "eth0 does not exist")]


@pytest.mark.parametrize(
    ("resolv", "config", "level"),
    [
        ("nameserver 127.0.0.53\n", None, "problem"),
        ("nameserver ::1\noptions edns0\n", None, "problem"),
        ("nameserver 127.0.0.53\n", '{"dns": ["192.0.2.53"]}', "ok"),
        ("nameserver 127.0.0.1\nnameserver 192.0.2.53\n", "not json", "ok"),
        ("# none\n", None, "ok"),
    ],
)
async def test_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resolv: str, config: str | None, level: str
) -> None:
    """A host that has only a loopback resolver hides names from the bridge, unless Docker has another one."""
    (tmp_path / "resolv.conf").write_text(resolv)
    if config is not None:
        (tmp_path / "daemon.json").write_text(config)
    monkeypatch.setattr(doctor, "RESOLV_CONF", tmp_path / "resolv.conf")
    monkeypatch.setattr(doctor, "DOCKER_CONFIG", tmp_path / "daemon.json")
    assert [found for found, _ in await collect(doctor.check_names(PATIENT))] == [level]


@pytest.mark.parametrize(
    ("skew", "level", "words"),
    [(None, "ok", "same"), (4.0, "ok", "same"), (90.0, "warning", "90 s behind"), (-7.0, "warning", "7 s ahead of")],
)
def test_clock(skew: float | None, level: str, words: str) -> None:
    """Clocks that are apart are a warning that says which way."""
    found = doctor._check_clock(skew)
    assert found.level == level
    assert words in found.text


def test_identity() -> None:
    """The controller must know this host, and no other one as it."""
    entry = {"name": "h1", "dpid": WANTED.dpid, "address": "192.0.2.1", "status": {"peer": None, "problems": []}}
    assert [found.level for found in doctor._check_hosts(PATIENT, [entry])] == ["ok"]
    sick = entry | {"status": {"peer": None, "problems": ["no uplink"]}}
    assert [found.text for found in doctor._check_hosts(PATIENT, [sick])] == ["no uplink"]
    assert "knows no host h1" in doctor._check_hosts(PATIENT, [])[0].text
    copy = entry | {"name": "copy", "address": "192.0.2.8"}
    assert "the same /etc/machine-id" in doctor._check_hosts(PATIENT, [copy])[0].text
    assert doctor._check_hosts(Patient(AgentSettings(), None, {}), [entry]) == []


OURS = "-A FORWARD -j DAOLI-FORWARD"


@pytest.mark.parametrize(
    ("chain", "rules", "level"),
    [
        ({"family": "ip", "table": "filter", "name": "FORWARD", "policy": "accept"}, "", "ok"),
        ({"family": "ip", "table": "filter", "name": "FORWARD", "policy": "drop"}, OURS, "ok"),
        ({"family": "ip", "table": "filter", "name": "FORWARD", "policy": "drop"}, "", "problem"),
        ({"family": "inet", "table": "firewalld", "name": "fwd", "policy": "drop"}, OURS, "problem"),
    ],
)
async def test_firewall(monkeypatch: pytest.MonkeyPatch, chain: dict[str, str], rules: str, level: str) -> None:
    """A firewall that drops what is forwarded is a problem, unless it lets the bridge pass."""

    async def run(*_: str) -> str:
        return json.dumps({"nftables": [{"metainfo": {}}, {"chain": chain | {"hook": "forward"}}]})

    async def attempt(*_: str) -> tuple[str, str, int]:
        return rules, "", 0

    monkeypatch.setattr(doctor, "run", run)
    monkeypatch.setattr(doctor, "attempt", attempt)
    assert [found for found, _ in await collect(doctor.check_firewall(PATIENT))] == [level]


@pytest.mark.parametrize(
    ("forward", "user", "found"),
    [
        (
            ["-A FORWARD -s 10.1.0.0/16 -j DROP", "-A FORWARD -j DOCKER-USER", OURS],
            [],
            "-A FORWARD -s 10.1.0.0/16 -j DROP",
        ),
        (
            ["-A FORWARD -j DOCKER-USER", OURS],
            ["-A DOCKER-USER -o daoli -j REJECT"],
            "-A DOCKER-USER -o daoli -j REJECT",
        ),
        (["-A FORWARD -j DOCKER-USER", OURS, "-A FORWARD -s 10.1.0.0/16 -j DROP"], [], None),
        (["-A FORWARD -d 10.9.0.0/24 -j DROP", "-A FORWARD ! -s 10.1.0.0/24 -j DROP"], [], None),
        (["-A FORWARD -i eth9 -j DROP"], [], None),
    ],
)
async def test_rules_that_drop(
    monkeypatch: pytest.MonkeyPatch, forward: list[str], user: list[str], found: str | None
) -> None:
    """A rule before the agent's own that drops what is of our subnets or our bridge is found, and no other."""

    async def attempt(*words: str) -> tuple[str, str, int]:
        return "\n".join(forward if words[-1] == "FORWARD" else user), "", 0

    async def routes(_: str) -> dict[str, str]:
        return {"10.1.0.0/24": "192.0.2.1"}

    monkeypatch.setattr(doctor, "attempt", attempt)
    monkeypatch.setattr("daoli.agent.links.routes", routes)
    assert await doctor._dropping_rule() == found


def test_ports_that_are_not_open() -> None:
    """A port whose name another link has now is a problem."""
    found = {"dlup": UPLINK, "dl1": replace(UPLINK, name="dl1", promiscuous=True)}
    said = doctor._check_open({"dlup", "dl1", "dl-gone"}, found)
    assert [finding.text for finding in said] == ["dlup is not the interface that Open vSwitch has open"]


def test_datapath_id_of_another_host() -> None:
    """A bridge that has another host's datapath id is a problem that names the host."""
    hosts = [{"name": "h1", "dpid": "00000000000000a1"}, {"name": "h2", "dpid": "00000000000000a2"}]
    said = doctor._check_dpid(PATIENT, hosts, "00000000000000a2")
    assert [finding.text for finding in said] == ["the bridge has the datapath id of host h2"]
    assert doctor._check_dpid(PATIENT, hosts, "00000000000000a1") == []


async def test_agent() -> None:
    """What the agent finds wrong is told; without one it is said whether the host has joined."""
    status: dict[str, Any] = {"host": "h1", "revision": 3, "problems": ["eth0 is down"], "wanted": asdict(WANTED)}
    said = await collect(doctor.check_agent(Patient(AgentSettings(), status, {})))
    assert said == [("ok", "runs, host h1, revision 3"), ("problem", "eth0 is down")]
    assert "has joined as h1, but no agent runs" in (await collect(doctor.check_agent(PATIENT)))[0][1]
    assert "has not joined" in (await collect(doctor.check_agent(Patient(AgentSettings(), None, {}))))[0][1]


async def test_controller_away() -> None:
    """A controller that cannot be reached, or is not known, is said."""
    unknown = await collect(doctor.check_controller(PATIENT))
    assert unknown == [("warning", "it is not known where the controller is")]
    away = Patient(AgentSettings(controller="http://127.0.0.1:9"), None, {})
    assert "cannot be reached" in (await collect(doctor.check_controller(away)))[0][1]


async def test_admission(tmp_path: Path) -> None:
    """The agent's settings are the doctor's, unless others are given; without an agent its notes tell."""
    state = State(tmp_path, {"controller": "http://192.0.2.9:8653", "host": "h1"})
    state.save()
    settings = AgentSettings(state_dir=str(tmp_path), status_socket=str(tmp_path / "agent.sock"))
    patient = await doctor.admit(settings)
    assert (patient.settings.controller, patient.host, patient.wanted) == ("http://192.0.2.9:8653", "h1", None)
    kept = asdict(settings) | {"controller": "http://192.0.2.8:8653", "uplink": "eth3"}

    async def status(_: web.Request) -> web.StreamResponse:
        return web.json_response({"settings": kept, "host": "h2", "wanted": asdict(WANTED)})

    app = web.Application()
    app.router.add_get("/status", status)
    async with serving(app, tmp_path / "agent.sock"):
        patient = await doctor.admit(settings)
    assert (patient.settings.controller, patient.settings.uplink, patient.host) == (kept["controller"], "eth3", "h2")
    assert patient.wanted == WANTED


async def test_a_check_that_fails_is_a_finding() -> None:
    """What a check found before it failed stays, and why it failed is said."""

    async def broken(_: Patient) -> AsyncIterator[Finding]:
        yield Finding("x", "ok", "first")
        raise LinkError("ip is gone")

    async def unfit(_: Patient) -> AsyncIterator[Finding]:
        for _ in ():
            yield Finding("x", "ok", "")
        raise Unfit(["a", "b"])

    assert [found.text for found in await doctor._make("x", broken, PATIENT)] == [
        "first",
        "cannot be checked: ip is gone",
    ]
    assert [found.text for found in await doctor._make("x", unfit, PATIENT)] == ["a", "b"]


def test_lines() -> None:
    """Each finding is a line; what to do stands below those that are not right."""
    out = io.StringIO()
    findings = [Finding("clock", "ok", "the same"), Finding("mtu", "problem", "dlup [1400]", "ip link set")]
    doctor.show(findings, Console(file=out, width=200))
    assert out.getvalue().splitlines() == [
        "✓ clock  the same",
        "✗ mtu    dlup [1400]",
        "         → ip link set",
        "1 ok, 0 warnings, 1 problems",
    ]


def test_command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code tells whether there is a problem; -o json is for programs; bad flags are refused."""
    findings = [Finding("clock", "warning", "late")]

    async def examine(_: AgentSettings) -> list[Finding]:
        return findings

    monkeypatch.setattr(doctor, "examine", examine)
    assert doctor.main(["-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == [asdict(findings[0])]
    findings.append(Finding("mtu", "problem", "small"))
    assert doctor.main([]) == 1
    assert "1 problems" in capsys.readouterr().out
    assert doctor.main(["--dpid", "x"]) == 2
    assert "daoli doctor: dpid" in capsys.readouterr().err
