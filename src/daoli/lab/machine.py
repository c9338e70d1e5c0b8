"""A virtual machine of namespaces: net, mount, uts, ipc and pid, on the real machine's root file system.

Pid 1 inside holds everything: when it is killed the kernel kills the rest, which is what pulling the power cord does.
Nothing is named in the real machine's network namespace or under its /run/netns; the state folder is all there is.
"""

import hashlib
import os
import select
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from daoli.lab.errors import LabError
from daoli.lab.processes import Pid, Process, kill, run

LAB_MARK = "DAOLI_LAB"
"""In the environment of each machine's pid 1 and of the unshare that waits for it: the lab's state folder."""

STEP_TIMEOUT = 60.0
"""Seconds for one step of building; a step takes some 10 ms, unless 200 hosts are built on two cores."""

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Run as pid 1 by sh: NAME, LAB FOLDER, KIND. The last command is pid 1 from then on: it ignores SIGCHLD, so that the
# kernel reaps the orphans that it is given. First it reads the outer /proc: its pid is the one seen from outside.
_INIT = """
set -eu
read -r pid rest </proc/self/stat
name=$1 lab=$2 own=$2/$1 kind=$3
mount -n -t proc proc /proc
# A new sysfs shows this namespace's NICs; the cgroup mounts, which Docker wants, move over from the old one.
mount -n --rbind /sys/fs/cgroup "$own/mount"
mount -n -t sysfs sysfs /sys
mount -n --move "$own/mount" /sys/fs/cgroup
# A private /run, with the lab's folder at its usual place.
mount -n -t tmpfs -o mode=755 tmpfs "$own/mount"
mkdir -p "$own/mount/lock" "$own/mount/openvswitch" "$own/mount/docker/plugins" "$own/mount/wireguard"
case $lab in
  /run/*) mkdir -p "$own/mount${lab#/run}"; mount -n --bind "$lab" "$own/mount${lab#/run}" ;;
esac
mount -n --move "$own/mount" /run
if [ "$kind" = docker ]; then
  mkdir -p /etc/docker /var/lib/docker /var/lib/daoli-agent
  [ -e /etc/machine-id ] || : >/etc/machine-id
  # Another client of Docker may come first in PATH, and be too new for Debian's engine.
  if [ -x /usr/bin/docker ] && [ -e /usr/local/bin/docker ]; then
    mount -n --bind /usr/bin/docker /usr/local/bin/docker
  fi
fi
for path in /etc/openvswitch /var/log/openvswitch /etc/docker /var/lib/docker /var/lib/daoli-agent \
    /etc/resolv.conf /etc/hostname /etc/machine-id; do
  [ ! -e "$path" ] || mount -n --bind "$own/disk$path" "$path"
done
hostname "$name"
ip link set lo up
if [ "$kind" = docker ]; then
  # As a host that was just installed; the rest is the kernel's defaults.
  echo 0 >/proc/sys/net/ipv4/ip_forward
else
  # Two NICs: each answers ARP only for its own address. No IPv6: its chatter would be punted to the controller.
  echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore
  echo 2 >/proc/sys/net/ipv4/conf/all/arp_announce
  for scope in all default; do
    [ ! -e /proc/sys/net/ipv6/conf/$scope/disable_ipv6 ] || echo 1 >/proc/sys/net/ipv6/conf/$scope/disable_ipv6
  done
fi
echo "$pid"
cd /
exec env --ignore-signal=CHLD sleep infinity </dev/null >/dev/null 2>&1
"""

_FOLDERS = (
    *("mount", "disk/etc/openvswitch", "disk/var/log/openvswitch"),
    *("disk/etc/docker", "disk/var/lib/docker", "disk/var/lib/daoli-agent"),
)


def build_environment() -> dict[str, str]:
    """The caller's environment, with the folders of system programs and without translated messages."""
    return {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}", "LC_ALL": "C.UTF-8"}


class Place(ABC):
    """Where commands can run."""

    @abstractmethod
    def entrance(self) -> list[str]:
        """Return nsenter's command line; LabError when the machine is off."""

    @abstractmethod
    def sees(self, path: Path) -> bool:
        """Whether a path of the real machine exists at this place."""

    def popen(self, command: Sequence[str], *, cwd: str | None = None, **options: Any) -> Process:
        """Start a command; the options are Popen's.

        It runs in the caller's working directory where this place has it, else in /.
        """
        here = Path(cwd or Path.cwd())
        return Process([*self.entrance(), f"--wdns={here if cwd or self.sees(here) else '/'}"], command, **options)

    def exec(
        self,
        command: Sequence[str],
        *,
        check: bool = True,
        timeout: float | None = None,
        input: str | None = None,  # noqa: A002  subprocess.run calls it so
        **options: Any,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command, collect its output and errors; when the timeout passes all that it started is killed.

        With ``check`` a failure raises CalledProcessError, whose notes hold what the command said.
        """
        options.setdefault("stdin", subprocess.DEVNULL if input is None else subprocess.PIPE)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        done = run(self.popen(command, **options), command, input, timeout)
        if check and done.returncode:
            failure = subprocess.CalledProcessError(done.returncode, list(command), done.stdout, done.stderr)
            failure.add_note((done.stderr or done.stdout or "").strip())
            raise failure
        return done

    def script(self, text: str, *arguments: str, what: str) -> str:
        """Run a shell script as one step of building; LabError says which step failed, and why."""
        done = self.exec(
            ["sh", "-euc", text, "sh", *arguments],
            check=False,
            timeout=STEP_TIMEOUT,
            cwd="/",
            env=build_environment(),
        )
        if done.returncode:
            raise LabError(f"{what} failed: {' / '.join((done.stderr or done.stdout).split(chr(10))).strip(' /')}")
        return done.stdout


class Machine(Place):
    """One virtual machine; its disk is a folder of the lab's state and outlives power cycles."""

    kind = "plain"
    """``docker`` for a machine that is to be as Debian's installer leaves it, but for a Docker engine's folders."""

    resolver = "# a lab has no name server"
    """What /etc/resolv.conf says."""

    def __init__(self, name: str, lab: Path, mark: Mapping[str, str]) -> None:
        """``mark`` goes into the environment of its pid 1."""
        self.name = name
        self.lab_path = lab
        self.path = lab / name
        self.mark = mark

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} of {self.lab_path.name}>"

    @property
    def pid(self) -> Pid | None:
        """Its pid 1 as the real machine sees it; None while it is off."""
        try:
            pid = Pid.parse((self.path / "pid").read_text())
        except (FileNotFoundError, UnicodeDecodeError):
            return None
        return pid if pid and pid.alive else None

    @property
    def is_on(self) -> bool:
        """Whether its pid 1 runs."""
        return self.pid is not None

    @property
    def pid_number(self) -> int:
        """The number of its pid 1; LabError while it is off."""
        pid = self.pid
        if pid is None:
            raise LabError(f"{self.name} is switched off")
        return pid.pid

    @property
    def machine_id(self) -> str:
        """What /etc/machine-id holds: 32 hex digits, unlike any other machine's of the lab."""
        return hashlib.sha256(f"daoli.lab {self.name}".encode()).hexdigest()[:32]

    def entrance(self) -> list[str]:
        """Enter all its namespaces; its root too, which is another one where the lab was built in a chroot."""
        return ["nsenter", f"--target={self.pid_number}", "--net", "--mount", "--uts", "--ipc", "--pid", "--root"]

    def root(self, path: str) -> Path:
        """A file of the machine, as the real machine can open it."""
        return Path(f"/proc/{self.pid_number}/root{path}")

    def sees(self, path: Path) -> bool:
        """Whether the path exists inside."""
        return self.root(str(path)).is_dir()

    def boot(self) -> None:
        """Make the namespaces and pid 1, and leave loopback up; LabError when it is on already."""
        if self.is_on:
            raise LabError(f"{self.name} is on already")
        for folder in _FOLDERS:
            (self.path / folder).mkdir(parents=True, exist_ok=True)
        (self.path / "disk/etc/hostname").write_text(f"{self.name}\n")
        (self.path / "disk/etc/machine-id").write_text(f"{self.machine_id}\n")
        (self.path / "disk/etc/resolv.conf").write_text(f"{self.resolver}\n")
        with (self.path / "boot.log").open("wb") as log:
            # setsid --fork gives unshare away to the real pid 1, so that the lab outlives us and leaves us no zombies.
            starter = subprocess.Popen(
                [
                    *("setsid", "--fork", "unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork"),
                    *("--propagation=private", "--kill-child=KILL", "sh", "-c", _INIT, "sh"),
                    *(self.name, str(self.lab_path), self.kind),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                cwd="/",
                env={"PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8", **self.mark},
            )
        with starter:
            assert starter.stdout is not None  # noqa: S101  because of PIPE above
            said = _read_line(starter.stdout.fileno(), STEP_TIMEOUT)
        pid = Pid.of(int(said)) if said.isdecimal() else None
        if pid is None:
            raise LabError(f"{self.name} did not boot: {(self.path / 'boot.log').read_text().strip() or 'no answer'}")
        (self.path / "pid").write_text(f"{pid}\n")

    def power_off(self) -> None:
        """Pull the power cord: everything inside dies at once; nothing happens when it is off."""
        if pid := self.pid:
            kill([pid])
        (self.path / "pid").unlink(missing_ok=True)


def _read_line(file: int, timeout: float) -> str:
    """What is written up to the first newline or the end; empty when nothing comes in time."""
    data = b""
    while not data.endswith(b"\n"):
        poll = select.poll()
        poll.register(file, select.POLLIN)
        if not poll.poll(timeout * 1000) or not (chunk := os.read(file, 64)):
            break
        data += chunk
    return data.decode().strip()
