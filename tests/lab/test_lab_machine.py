"""Machines of namespaces, and commands inside them."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from daoli.lab import Lab, LabError, Place, wait_until
from daoli.lab.processes import children, marked

pytestmark = pytest.mark.e2e

IN_MACHINE = ["h1", "h1/c1", "controller", "fabric"]


@pytest.fixture(params=IN_MACHINE)
def place(shared_lab: Lab, request: pytest.FixtureRequest) -> Place:
    """Each kind of place in turn."""
    return shared_lab.place(request.param)


def processes(place: Place) -> str:
    """The command lines at a place."""
    return place.exec(["ps", "-eo", "stat,args"]).stdout


def links() -> set[str]:
    """The interfaces of the real machine."""
    shown = subprocess.run(["ip", "-j", "link"], capture_output=True, check=True)
    return {link["ifname"] for link in json.loads(shown.stdout)}


def test_own_namespaces(place: Place) -> None:
    """Each place has its own network, mount, host name, IPC and process namespaces."""
    for kind in ("net", "mnt", "uts", "ipc", "pid"):
        assert place.exec(["readlink", f"/proc/self/ns/{kind}"]).stdout.strip() != str(
            Path(f"/proc/self/ns/{kind}").readlink()
        )


def named_namespaces() -> set[int]:
    """Inodes of the namespaces that `ip netns` of the real machine knows."""
    folder = Path("/run/netns")
    return {path.stat().st_ino for path in folder.iterdir()} if folder.exists() else set()


def test_nothing_in_the_real_network(shared_lab: Lab) -> None:
    """A lab adds no interface and no named namespace to the real machine."""
    named = {f"{host.name}-{segment}" for host in shared_lab.hosts.values() for segment in ("mgmt", "wire")}
    named |= {"mgmt", "wire", "daoli"} | {e.port for host in shared_lab.hosts.values() for e in host.endpoints.values()}
    assert not named & links()
    inside = {
        int(place.exec(["stat", "-L", "-c", "%i", "/proc/self/ns/net"]).stdout) for place in shared_lab.places.values()
    }
    assert len(inside) == len(shared_lab.places)
    assert not inside & named_namespaces()


def test_lab_in_a_chroot(root: Path) -> None:
    """A lab built in a chroot stays there: commands see its root, and no name comes into the real /run/netns."""
    before = named_namespaces()
    (new := root / "new").mkdir()
    # The chroot is a view of the whole file system, in a mount namespace of its own.
    script = """
        mount --make-rprivate / && mount --rbind / "$1" && cd / && exec chroot "$1" sh -euc '
          cd "$2"
          "$1" -m daoli.lab up --hosts 1 --endpoints 1 --name caged --state-dir "$3"
          "$1" -m daoli.lab exec --name caged --state-dir "$3" h1/c1 -- ls -d /run/netns/c1 "$2"
          "$1" -m daoli.lab down --name caged --state-dir "$3"' sh "$2" "$3" "$4"
    """
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-euc", script, "sh", str(new), sys.executable, str(Path.cwd()), str(root)],
        capture_output=True,
        text=True,
        check=False,
    )
    new.rmdir()
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == {"/run/netns/c1", str(Path.cwd())}
    assert named_namespaces() == before


def test_lab_folder_is_visible(shared_lab: Lab, place: Place) -> None:
    """A file in the lab's folder, and in /tmp, is the same inside and outside."""
    for folder in (shared_lab.path, Path("/tmp")):  # noqa: S108  that it is shared is the point
        path = folder / f"daoli-{os.getpid()}"
        path.write_text("here")
        try:
            assert place.exec(["cat", str(path)]).stdout == "here"
        finally:
            path.unlink()


def test_run_is_private_but_for_the_lab(create: Callable[..., Lab], monkeypatch: pytest.MonkeyPatch) -> None:
    """With its folder below /run a lab is still seen inside, though all else there is private."""
    monkeypatch.setattr("daoli.lab.state.ROOT", Path("/run/daoli-lab-test"))
    with create(hosts=1, endpoints=1, state_dir=None) as lab:
        assert lab.path.is_relative_to("/run/daoli-lab-test")
        assert lab.hosts["h1"].exec(["ls", str(lab.path)]).stdout.split() == ["controller", "fabric", "h1", "lab.json"]
        assert lab.hosts["h1"].exec(["ls", "/run/daoli-lab-test"]).stdout.split() == [lab.name]
    assert not Path("/run/daoli-lab-test").exists()


def test_unix_socket_through_lab_folder(create: Callable[..., Lab], monkeypatch: pytest.MonkeyPatch) -> None:
    """A server on the controller's machine is reached from outside by a Unix socket in the lab's folder."""
    lab = create(hosts=1, endpoints=0)
    path = lab.path / "api"
    code = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen();"
        "print('on', flush=True); s.accept()[0].send(b'hello')"
    )
    with lab.controller.popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "on\n"
        with socket.socket(socket.AF_UNIX) as client:
            monkeypatch.chdir(path.parent)  # a test directory's name may be too long for a socket address
            client.connect("api")
            assert client.recv(9) == b"hello"


def test_host_name_and_cgroups(shared_lab: Lab) -> None:
    """A machine has its own host name, and sees the control groups, which Docker needs."""
    host = shared_lab.hosts["h2"]
    assert host.exec(["hostname"]).stdout == "h2\n"
    assert host.exec(["cat", "/etc/hostname"]).stdout == "h2\n"
    assert (
        host.exec(["ls", "/sys/fs/cgroup"]).stdout
        == subprocess.run(["ls", "/sys/fs/cgroup"], capture_output=True, text=True, check=True).stdout
    )


def test_orphans_are_reaped(shared_lab: Lab) -> None:
    """A daemon whose parent is gone leaves no zombie with the machine's pid 1 when it ends."""
    host = shared_lab.hosts["h1"]
    host.exec(["sh", "-c", "(setsid sleep 0.01 &)"])
    wait_until(lambda: "sleep 0.01" not in processes(host))
    orphans = host.exec(["ps", "-o", "stat", "--ppid", "1"]).stdout.split()
    assert not [state for state in orphans if state.startswith("Z")]


def test_exit_code_and_output(place: Place) -> None:
    """Output, errors, input and exit code are the command's."""
    done = place.exec(["sh", "-c", "cat; echo wrong >&2; exit 7"], input="text", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (7, "text", "wrong\n")


def test_check_raises_with_reason(place: Place) -> None:
    """A checked command that fails raises, and the exception carries what the command said."""
    with pytest.raises(subprocess.CalledProcessError) as failure:
        place.exec(["sh", "-c", "echo because >&2; exit 3"])
    assert failure.value.returncode == 3
    assert failure.value.__notes__ == ["because"]


def test_timeout_leaves_nothing(place: Place) -> None:
    """When the time is up, children, grandchildren and daemons of the command are gone."""
    script = "setsid sleep 86401 & (sleep 86402 &); trap '' TERM; echo said; sleep 86403"
    with pytest.raises(subprocess.TimeoutExpired) as late:
        place.exec(["sh", "-c", script], timeout=0.3)
    assert late.value.output == "said\n"
    assert "sleep 8640" not in processes(place)


def test_kill_at_once(place: Place) -> None:
    """A command can be killed before it has even begun."""
    process = place.popen(["sleep", "86404"])
    process.kill()
    assert process.returncode == -signal.SIGKILL
    assert "sleep 86404" not in processes(place)


def test_terminate(place: Place) -> None:
    """SIGTERM reaches the command, whose answer is the exit code; without an answer the code tells the signal."""
    script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.01; done"
    with place.popen(["sh", "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        assert process.wait(5) == 9
    with place.popen(["sleep", "86405"]) as process:
        process.terminate()
        assert process.wait(5) == -signal.SIGTERM


def test_with_block_kills(place: Place) -> None:
    """Leaving the block ends a server that still runs."""
    with place.popen(["sleep", "86406"]) as process:
        pass
    assert process.returncode == -signal.SIGKILL


def test_dies_with_nsenter(place: Place) -> None:
    """A command does not outlive its nsenter, whoever kills that one."""
    with place.popen(["sleep", "86407"]) as process:
        [command] = wait_until(lambda: children(process.pid))
        wait_until(lambda: "sleep 86407" in processes(place))
        os.kill(process.pid, signal.SIGKILL)
        process.wait(5)
        wait_until(lambda: not Path(f"/proc/{command}/exe").exists())


def test_working_directory(shared_lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command runs where the caller is, or in / where the machine has no such directory."""
    monkeypatch.chdir(tmp_path)
    assert shared_lab.controller.exec(["pwd"]).stdout == f"{tmp_path}\n"
    monkeypatch.chdir("/run")
    (hidden := Path("/run") / f"daoli-{os.getpid()}").mkdir()
    try:
        monkeypatch.chdir(hidden)
        assert shared_lab.controller.exec(["pwd"]).stdout == "/\n"
    finally:
        monkeypatch.chdir(tmp_path)
        hidden.rmdir()


def test_power_off_kills_all(create: Callable[..., Lab]) -> None:
    """Killing pid 1 ends everything in the machine, on its endpoints too, and leaves the other machines alone."""
    lab = create()
    host = lab.hosts["h1"]
    running = [lab.place(place).popen(["sleep", "86408"]) for place in ("h1", "h1/c1", "h1/c2")]
    with lab.hosts["h2"].popen(["sleep", "86408"]) as other:
        wait_until(lambda: processes(host).count("sleep 86408") == len(running))
        host.power_off()
        assert [process.wait(5) for process in running] == [-signal.SIGKILL] * 3
        assert not host.is_on
        assert other.poll() is None
    with pytest.raises(LabError, match="h1 is switched off"):
        host.exec(["true"])
    host.power_off()


def test_raw_power_cut(create: Callable[..., Lab]) -> None:
    """A machine whose pid 1 somebody killed counts as off, and boots again."""
    lab = create(hosts=1)
    host = lab.hosts["h1"]
    os.kill(host.pid_number, signal.SIGKILL)
    wait_until(lambda: not host.is_on)
    host.boot()
    assert host.status()["ovs"]


def test_boot_twice(shared_lab: Lab) -> None:
    """A machine that is on cannot be booted, and is not disturbed by the attempt."""
    pid = shared_lab.controller.pid
    with pytest.raises(LabError, match="controller is on already"):
        shared_lab.controller.boot()
    assert shared_lab.controller.pid == pid


def test_failed_boot_says_why(create: Callable[..., Lab], monkeypatch: pytest.MonkeyPatch) -> None:
    """When a machine cannot boot, the error holds what its pid 1 said, and nothing of it remains."""
    lab = create(hosts=1, endpoints=0)
    lab.controller.power_off()
    monkeypatch.setattr("daoli.lab.machine._INIT", "echo no disk found >&2; exit 1")
    with pytest.raises(LabError, match="controller did not boot: no disk found"):
        lab.controller.boot()
    assert {env["DAOLI_LAB_TOKEN"] for _, env in marked("DAOLI_LAB", str(lab.path))}
    assert not lab.controller.is_on
