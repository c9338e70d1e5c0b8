"""What the lab needs of the real machine, said before anything is built."""

import os
import shutil

from daoli.lab.errors import UsageError
from daoli.lab.machine import build_environment

PACKAGES = {
    "openvswitch-switch": ("ovs-vswitchd", "ovsdb-server", "ovsdb-tool", "ovs-vsctl", "ovs-ofctl", "ovs-appctl"),
    "iproute2": ("ip",),
    "ethtool": ("ethtool",),
    "util-linux": ("unshare", "nsenter", "setsid", "setpriv"),
    "mount": ("mount",),
    "hostname": ("hostname",),
}
"""Debian package -> its programs that the lab runs."""

DOCKER_PACKAGES = {
    "docker.io": ("dockerd", "docker"),
    "containerd": ("containerd",),
    "runc": ("runc",),
    "iptables": ("iptables",),
    "nftables": ("nft",),
    "conntrack": ("conntrack",),
    "busybox-static": ("busybox",),
    "iperf3": ("iperf3",),
}
"""The same for labs of Docker hosts."""


def check_root() -> None:
    """Refuse when we may not make namespaces."""
    if os.geteuid() != 0:
        raise UsageError("the lab makes network namespaces: run it as root")


def check_programs(path: str | None = None, *, docker: bool = False) -> None:
    """Refuse when programs are missing, and say which packages have them."""
    where = build_environment()["PATH"] if path is None else path
    packages = {**PACKAGES, **(DOCKER_PACKAGES if docker else {})}
    missing = [
        package for package, programs in packages.items() if not all(shutil.which(p, path=where) for p in programs)
    ]
    if missing:
        raise UsageError(f"programs are missing; install them with: apt-get install -y {' '.join(missing)}")
