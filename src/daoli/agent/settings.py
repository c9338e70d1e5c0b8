"""The agent's settings, read once, and what follows from them on this very machine."""

from __future__ import annotations

import hashlib
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from daoli.hosts.spec import PORT_NAME_LENGTH
from daoli.settings import check_logging, parse_tcp, read_token
from daoli.sources import Program, SettingError, setting

PREFIX: Final = "DAOLI_AGENT_"
MACHINE_ID: Final = Path("/etc/machine-id")
OPENFLOW_PORT: Final = 6653
_UNIX: Final = "unix:"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_INTERFACE: Final = re.compile(rf"[^\s/:]{{1,{PORT_NAME_LENGTH}}}")
_FORMS: Final = (
    ("name", _NAME, "a name: letters, digits, '_', '.', '-'"),
    ("site", _NAME, "a name: letters, digits, '_', '.', '-'"),
    ("uplink", _INTERFACE, "an interface's name"),
    ("uplink_port", _INTERFACE, "an interface's name"),
    ("dpid", re.compile(r"(?!0{16})[0-9A-Fa-f]{16}"), "16 hex digits, not all zero"),
    ("datapath_type", re.compile("auto|system|netdev"), "one of auto, system, netdev"),
    ("openflow", re.compile(r"(tcp|ssl):\S+"), "tcp:HOST:PORT or ssl:HOST:PORT"),
)
_FILES: Final = ("token_file", "state_dir", "docker", "plugin_socket", "status_socket")


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """Everything that an operator may set of a Docker host. The help texts give unit and reason."""

    controller: str = setting(
        "", "URL", "the controller's REST API: http://HOST:PORT, https://HOST:PORT or unix:PATH; must be given"
    )
    token_file: str = setting("", "FILE", "file that holds the bearer token which the controller asks for")
    openflow: str = setting(
        "",
        "TARGET",
        "where Open vSwitch finds the controller, such as tcp:192.0.2.1:6653; by default the controller's host, "
        "at the port that it tells",
    )
    name: str = setting("", "NAME", "this host's name in the fabric; by default its host name")
    site: str = setting("", "NAME", "where this host stands, for people")
    address: str = setting(
        "",
        "ADDRESS",
        "this host's own IPv4 address, which traceroute shows; by default that of the route to the controller",
    )
    labels: str = setting("", "KEY=VALUE,…", "what else is to be known of this host")
    uplink: str = setting(
        "", "NIC", "the NIC that leads to the other hosts; it keeps its addresses. By default that to the controller"
    )
    uplink_port: str = setting(
        "", "INTERFACE", "instead of --uplink: an interface without address that is given to the bridge whole"
    )
    dpid: str = setting("", "HEX", "the bridge's datapath id, 16 hex digits; by default one made of the machine id")
    datapath_type: str = setting(
        "auto", "TYPE", "system (the kernel's), netdev (in user space), or auto: system where the kernel has it"
    )
    docker: str = setting("unix:///run/docker.sock", "URL", "this host's Docker engine")
    plugin_socket: str = setting("/run/docker/plugins/daoli.sock", "PATH", "where Docker finds the driver")
    status_socket: str = setting("/run/daoli/agent.sock", "PATH", "where daoli doctor asks the agent how it is")
    state_dir: str = setting("/var/lib/daoli-agent", "DIR", "folder of what the agent must remember")
    log_level: str = setting("info", "LEVEL", "one of debug, info, warning, error")
    log_format: str = setting("auto", "FORMAT", "console, json, or auto: console on a terminal")

    def __post_init__(self) -> None:
        """Refuse what cannot be; the text names the setting."""
        check_logging(self.log_level, self.log_format)
        for name, form, what in _FORMS:
            value = getattr(self, name)
            if value and not form.fullmatch(value):
                raise SettingError(f"{name}: {value!r} is not {what}")
        for name in _FILES:
            if "\0" in getattr(self, name):
                raise SettingError(f"{name}: has a zero byte, which no path has")
        if self.uplink and self.uplink_port:
            raise SettingError("uplink_port: not together with uplink; one of the two leads to the other hosts")
        if self.controller:
            self.endpoint()
        if self.openflow:
            parse_tcp(self.openflow.partition(":")[2], "openflow")
        if self.address:
            self._check_address()
        self.label_map()

    def _check_address(self) -> None:
        try:
            IPv4Address(self.address)
        except AddressValueError as error:
            raise SettingError(f"address: {self.address!r} is not an IPv4 address") from error

    def endpoint(self) -> tuple[str, int] | None:
        """Give the controller's host and port; None if it is asked by a socket file."""
        if self.controller.startswith(_UNIX):
            if len(self.controller) == len(_UNIX):
                raise SettingError(f"controller: {self.controller!r} has no path; write unix:/run/daoli.sock")
            return None
        try:
            parts = urlsplit(self.controller)
            host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError as error:
            raise SettingError(f"controller: {self.controller!r}: {error}") from error
        if parts.scheme not in ("http", "https") or not host or parts.path.rstrip("/") or parts.query:
            raise SettingError(f"controller: {self.controller!r} is not http(s)://HOST:PORT or unix:PATH")
        return host, port

    def token(self) -> str | None:
        """Read the bearer token; None if there is to be none."""
        return read_token(self.token_file, "token_file")

    def label_map(self) -> dict[str, str]:
        """Take the labels apart."""
        labels = {}
        for part in filter(None, (entry.strip() for entry in self.labels.split(","))):
            key, equals, value = part.partition("=")
            if not key or not equals:
                raise SettingError(f"labels: {part!r} is not KEY=VALUE")
            labels[key] = value
        return labels

    @property
    def host_name(self) -> str:
        """This host's name in the fabric."""
        return self.name or socket.gethostname()

    def datapath_id(self, machine_id: Path = MACHINE_ID) -> str:
        """Give the bridge's datapath id: it outlives the bridge, the agent and a change of names."""
        if self.dpid:
            return self.dpid.lower()
        try:
            identity = machine_id.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingError(f"dpid: {machine_id} cannot be read, so that it must be given: {error}") from error
        if not identity:
            raise SettingError(f"dpid: {machine_id} is empty: run systemd-machine-id-setup, or give a dpid")
        return "0000" + hashlib.sha256(f"daoli {identity}".encode()).hexdigest()[:12]


KEPT: Final = ("controller", "token_file", "docker")
"""Settings of a host that has joined which are noted, so that leaving and the doctor need not be told."""


def as_joined(settings: AgentSettings, joined: Mapping[str, Any]) -> AgentSettings:
    """Take from the notes what is not set."""
    untouched = AgentSettings()
    kept = {name: joined[name] for name in KEPT if name in joined}
    return replace(settings, **{n: value for n, value in kept.items() if getattr(settings, n) == getattr(untouched, n)})


PROGRAM: Final = Program(
    settings=AgentSettings,
    name="daoli agent",
    prefix=PREFIX,
    description="Makes this Docker host part of a daoli fabric, and keeps it so.",
    epilog="Exit code 2: something is missing on this host, or a setting cannot be used. See docs/agent.md.",
    actions={
        "leave": "take this host out of the fabric: undo all that joining did, and only that",
        "force": "with --leave: also while containers are on the fabric's networks",
    },
)
DOCTOR: Final = Program(
    settings=AgentSettings,
    name="daoli doctor",
    prefix=PREFIX,
    description="Checks each link of the chain from a container here to one on another host.",
    epilog=(
        "Settings that are not given are those of the agent that runs here. -o json prints JSON. "
        "Exit code 1: there is a problem."
    ),
)
