"""Whole labs: built, opened, damaged, crashed, side by side, and taken down."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from daoli.lab import Host, Lab, LabError, UsageError
from daoli.lab.lab import names, remove, remove_all, remove_started_below
from daoli.lab.processes import marked

pytestmark = pytest.mark.e2e


def machines(root: Path, name: str) -> list[int]:
    """The lab's processes that carry its mark."""
    return [pid.pid for pid, _ in marked("DAOLI_LAB", str(root / name))]


def start_up(root: Path, name: str, hosts: int = 6) -> subprocess.Popen[str]:
    """Start building from another process, which says on stderr what is ready."""
    command = [sys.executable, "-m", "daoli.lab", "up", "--hosts", str(hosts), "--name", name, "--state-dir", str(root)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def wait_for(builder: subprocess.Popen[str], word: str) -> None:
    assert builder.stderr is not None
    assert any(word in line for line in builder.stderr)


def test_describe(shared_lab: Lab) -> None:
    """The description holds ready bodies for the controller's API, and all places."""
    found = json.loads(json.dumps(shared_lab.describe()))
    assert found["hosts"][1] == {"name": "h2", "dpid": "0000000000000002", "address": "10.254.0.2", "uplink": "eth1"}
    assert found["networks"] == [{"name": "dnet1", "subnet": "10.1.0.0/24", "gateway": "10.1.0.1"}]
    assert [set(body) for body in found["endpoints"]] == [{"id", "name", "host", "network", "mac", "ipv4", "port"}] * 4
    assert found["places"] == ["h1", "h1/c1", "h1/c2", "h2", "h2/c1", "h2/c2", "controller", "fabric"]
    assert found["path"] == str(shared_lab.path)


def test_places(shared_lab: Lab) -> None:
    """Every place that is listed can run a command; another is refused with the list."""
    for place in shared_lab.places.values():
        place.exec(["true"])
    with pytest.raises(UsageError, match=r"no place 'h3' in lab .*; there are: h1, h1/c1, h1/c2, h2, .*, fabric"):
        shared_lab.place("h3")
    with pytest.raises(UsageError, match="h1 is not an endpoint"):
        shared_lab.endpoint("h1")


def test_open(create: Callable[..., Lab], root: Path) -> None:
    """A second handle sees what the first one does, and the other way round."""
    lab = create("shared", hosts=1, endpoints=1)
    other = Lab.open("shared", root)
    assert other.plan == lab.plan
    other.hosts["h1"].add_endpoint("new")
    assert lab.endpoint("h1/new").exec(["cat", "/sys/class/net/lo/ifindex"]).stdout
    lab.hosts["h1"].power_off()
    assert other.status()["machines"]["h1"] == {"on": False, "ovs": False, "connected": False}
    other.hosts["h1"].boot()
    assert lab.status()["machines"]["h1"]["ovs"]
    other.down()
    assert lab.fabric.pid is None
    lab.down()


def test_open_missing(root: Path) -> None:
    """A lab that is not there cannot be opened."""
    with pytest.raises(UsageError, match="there is no lab nope; labs here: none"):
        Lab.open("nope", root)


def test_name_taken(create: Callable[..., Lab]) -> None:
    """A lab that is up is not built again, and not disturbed by the attempt."""
    lab = create("twice", hosts=1, endpoints=0)
    pid = lab.hosts["h1"].pid
    with pytest.raises(UsageError, match="lab twice is up already"):
        create("twice")
    assert lab.hosts["h1"].pid == pid


def test_side_by_side(create: Callable[..., Lab]) -> None:
    """Two labs have the same addresses and never meet; one goes without the other."""
    one, two = create(endpoints=1), create(hosts=1)
    assert one.name != two.name
    one.hosts["h2"].exec(["ping", "-c1", "-W2", "10.254.0.1"])
    assert two.hosts["h1"].exec(["ping", "-c1", "-W0.3", "10.254.0.2"], check=False).returncode
    one.down()
    two.controller.exec(["ping", "-c1", "-W2", "10.254.0.1"])
    assert two.hosts["h1"].status()["ovs"]


def test_down_twice(create: Callable[..., Lab], root: Path) -> None:
    """Taking down what is down is no error, and says that there was nothing."""
    lab = create("gone", hosts=1, endpoints=0)
    assert remove("gone", root)
    assert not remove("gone", root)
    lab.down()


@pytest.mark.parametrize("damage", ["garbage", "empty", "wrong", "no-state", "no-marker", "no-folder", "no-pids"])
def test_damaged_state(create: Callable[..., Lab], root: Path, damage: str) -> None:
    """Whatever happened to the state folder, down removes the machines and what is left of the folder."""
    lab = create("hurt", hosts=1)
    state = lab.path / "lab.json"
    if damage == "no-folder":
        shutil.rmtree(lab.path)
    elif damage == "no-pids":
        for path in lab.path.glob("*/pid"):
            path.write_bytes(b"\xff1:x")
    elif damage in {"no-state", "no-marker"}:
        (state if damage == "no-state" else lab.path / ".daoli-lab").unlink()
    else:
        state.write_text({"garbage": "{{{", "empty": "", "wrong": '{"plan": {"hosts": 7}, "mark": []}'}[damage])
    if damage in {"garbage", "empty", "wrong", "no-state", "no-folder"}:
        with pytest.raises(UsageError, match="lab hurt is incomplete or damaged; remove it with: down --name hurt"):
            Lab.open("hurt", root)
    assert names(root) == ["hurt"]
    assert remove("hurt", root)
    assert machines(root, "hurt") == []
    assert not (root / "hurt").exists()


def test_damaged_endpoints(create: Callable[..., Lab]) -> None:
    """A damaged list of endpoints is an error that names the file."""
    lab = create(hosts=1, endpoints=0)
    (lab.path / "h1/endpoints.json").write_text("[{}]")
    with pytest.raises(LabError, match=r"h1/endpoints.json is damaged"):
        lab.places  # noqa: B018  the property reads


def test_foreign_folder_stays(root: Path) -> None:
    """Neither up nor down touches a folder that is not a lab's."""
    (root / "home").mkdir()
    (root / "home/diary").write_text("dear")
    for attempt in (lambda: remove("home", root), lambda: Lab.create("home", state_dir=root)):
        with pytest.raises(UsageError, match="not the folder of a lab"):
            attempt()
    assert (root / "home/diary").read_text() == "dear"
    shutil.rmtree(root / "home")


@pytest.mark.parametrize("word", ["fabric", "h1"])
def test_killed_build(root: Path, word: str) -> None:
    """After a build that was killed with SIGKILL, down removes all of it, and up builds anew."""
    for again in (lambda: remove("half", root), lambda: Lab.create("half", hosts=1, endpoints=1, state_dir=root)):
        with start_up(root, "half") as builder:
            wait_for(builder, word)
            builder.kill()
        assert machines(root, "half")
        again()
    assert len(Lab.open("half", root).status()["machines"]) == 3
    assert remove("half", root)
    assert machines(root, "half") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_build(root: Path, number: int) -> None:
    """A build that is interrupted removes what it had begun, and exits as the signal says."""
    with start_up(root, "stop") as builder:
        wait_for(builder, "controller")
        builder.send_signal(number)
    assert builder.returncode == 128 + number
    assert machines(root, "stop") == []
    assert not (root / "stop").exists()


def test_down_during_build(root: Path) -> None:
    """Taking down a lab that is being built ends both."""
    with start_up(root, "race") as builder:
        wait_for(builder, "controller")
        assert remove("race", root)
    assert builder.returncode in {0, 1}  # 0: it was done already
    assert machines(root, "race") == []
    assert not (root / "race").exists()


def test_failed_build(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When one host fails nothing of the lab remains, and the reason is told."""

    def fail(host: Host) -> None:
        if host.name == "h2":
            raise LabError("no switch today")

    monkeypatch.setattr(Host, "ovs_start", fail)
    with pytest.raises(LabError, match="no switch today"):
        Lab.create("fails", hosts=3, state_dir=root)
    assert machines(root, "fails") == []
    assert not (root / "fails").exists()


def test_dead_fabric_is_a_remnant(create: Callable[..., Lab]) -> None:
    """A lab without its fabric has crashed: up cleans and builds it anew, and says so."""
    lab = create("crashed", hosts=1, endpoints=0)
    lab.fabric.power_off()
    said: list[tuple[str, str]] = []
    anew = create("crashed", hosts=2, endpoints=0, progress=lambda place, what: said.append((place, what)))
    assert said[0] == ("crashed", "removed what an earlier lab left")
    assert sorted(place for place, what in said if what == "ready") == ["controller", "fabric", "h1", "h2"]
    assert anew.hosts["h2"].is_on


def test_all(create: Callable[..., Lab], root: Path) -> None:
    """All labs of a root go together, damaged ones too; those of another root stay."""
    create("a", hosts=1, endpoints=0)
    shutil.rmtree(create("b", hosts=1, endpoints=0).path)
    (elsewhere := root / "elsewhere").mkdir()
    other = create("a", hosts=1, endpoints=0, state_dir=elsewhere)
    assert names(root) == ["a", "b"]
    assert remove_all(root) == ["a", "b"]
    assert names(root) == []
    assert other.fabric.is_on
    other.down()
    elsewhere.rmdir()


def test_started_below(root: Path) -> None:
    """A lab is known to be built below the processes that its builder descended from, also when that one is dead."""
    with start_up(root, "child", hosts=1) as builder:
        wait_for(builder, "is up")
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as stranger:
        assert names(root, started_below=os.getpid()) == ["child"]
        assert names(root, started_below=stranger.pid) == []
        assert names(root, started_below=builder.pid) == []
    (root / "child/.daoli-lab").unlink()
    assert remove_all(root, started_below=os.getpid()) == ["child"]


def test_started_below_in_any_root(root: Path) -> None:
    """What a process built is found in whatever folder it is, so that a killed test run leaves no lab."""
    words = [sys.executable, "-m", "daoli.lab", "up", "--name", "stray", "--state-dir", str(root)]
    script = '"$@"; echo done; cat'
    with subprocess.Popen(
        ["sh", "-c", script, "sh", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as killed:
        assert killed.stdout
        assert killed.stdout.readline() == "done\n"
        assert machines(root, "stray")
        assert remove_started_below(killed.pid) == ["stray"]
        assert machines(root, "stray") == []
        assert not (root / "stray").exists()


def test_context_manager(root: Path) -> None:
    """The lab goes at the end of the block, also when that ends by an exception."""

    def fail(lab: Lab) -> None:
        assert lab.fabric.is_on
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), Lab.create("brief", hosts=1, endpoints=0, state_dir=root) as lab:
        fail(lab)
    assert machines(root, "brief") == []
    assert not (root / "brief").exists()
