"""The controller's settings, read once: defaults, then the TOML file, then the environment, then the flags."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Final

from daoli.hosts.pool import DEFAULT_POOL, SUBNET_PREFIX
from daoli.hosts.spec import SHORTEST_PREFIX
from daoli.sources import Program, SettingError, setting

__all__ = ["SettingError", "Settings", "parse_tcp", "read"]

PREFIX = "DAOLI_"
MOST_MEBIBYTES = 1 << 20
MOST_FILES = 1000
LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that an operator may set. The help texts give unit and reason."""

    openflow_listen: str = setting(
        "0.0.0.0:6653", "HOST:PORT", "where datapaths connect; on all addresses, since the hosts must reach it"
    )
    api_listen: str = setting(
        "127.0.0.1:8653",
        "HOST:PORT",
        "where the REST API listens, or unix:PATH; an address that is not loopback needs a token",
    )
    api_token_file: str = setting("", "FILE", "file that holds the bearer token which the API then asks for")
    state: str = setting(
        "/var/lib/daoli", "DIR", "folder of the durable state; the word memory keeps nothing, for experiments"
    )
    pool: str = setting(
        str(DEFAULT_POOL),
        "SUBNET",
        "networks that are made without a subnet get a free /24 of this one",
    )
    ledger: str = setting(
        "memory",
        "FILE",
        "where routes opened, refused and closed are noted in lines of JSON, the last 10000 of which are read at the "
        "start; the word memory keeps so many in memory only, none nothing",
    )
    ledger_size: int = setting(
        0, "MEBIBYTES", "at this size the ledger's file is closed, and a new one begun; 0: never"
    )
    ledger_files: int = setting(9, "NUMBER", "how many closed ones are kept, as FILE.1 to FILE.NUMBER")
    log_level: str = setting("info", "LEVEL", f"one of {', '.join(LOG_LEVELS)}")
    log_format: str = setting("auto", "FORMAT", "console, json, or auto: console on a terminal")
    idle_timeout: int = setting(
        30, "SECONDS", "an unused route goes after this time; the next packet then costs one visit to the controller"
    )
    punt_rate: float = setting(
        500.0, "PER_SECOND", "packets a second that one container port may send to the controller; more is dropped"
    )
    punt_burst: float = setting(1000.0, "PACKETS", "as --punt-rate, but at once")

    def __post_init__(self) -> None:
        """Refuse what cannot be; the text names the setting."""
        check_logging(self.log_level, self.log_format)
        if not 1 <= self.idle_timeout <= 0xFFFF:
            raise SettingError(f"idle_timeout: {self.idle_timeout} is not between 1 and 65535 seconds")
        self._check_numbers()
        for name in ("state", "ledger"):
            if not getattr(self, name):
                raise SettingError(f"{name}: is empty")
        for name, most in (("ledger_size", MOST_MEBIBYTES), ("ledger_files", MOST_FILES)):
            if not 0 <= (number := getattr(self, name)) <= most:
                raise SettingError(f"{name}: {number} is not between 0 and {most}")
        for name in ("state", "api_listen", "api_token_file", "ledger"):
            if "\0" in getattr(self, name):
                raise SettingError(f"{name}: has a zero byte, which no path has")
        parse_tcp(self.openflow_listen, "openflow_listen")
        self.subnet_pool()

    def _check_numbers(self) -> None:
        for name in ("punt_rate", "punt_burst"):
            value = getattr(self, name)
            if not math.isfinite(value):
                raise SettingError(f"{name}: {value} is not a finite number")
            if value < 1:
                raise SettingError(f"{name}: {value:g} is less than 1")

    def ledger_file(self) -> Path | None:
        """Tell where the ledger's file is to be; None if there is to be none."""
        return None if self.ledger in ("memory", "none") else Path(self.ledger)

    def subnet_pool(self) -> IPv4Network:
        """Parse the pool."""
        try:
            pool = IPv4Network(self.pool)
        except ValueError as error:
            raise SettingError(f"pool: {self.pool!r} is not a subnet: {error}") from error
        if not SHORTEST_PREFIX <= pool.prefixlen <= SUBNET_PREFIX:
            raise SettingError(
                f"pool: the prefix length of {self.pool!r} is not from {SHORTEST_PREFIX} to {SUBNET_PREFIX}"
            )
        return pool

    def token(self) -> str | None:
        """Read the API's bearer token; None if there is to be none."""
        return read_token(self.api_token_file, "api_token_file")


def check_logging(level: str, style: str) -> None:
    """Refuse what the log cannot be."""
    if level not in LOG_LEVELS:
        raise SettingError(f"log_level: {level!r} is none of {', '.join(LOG_LEVELS)}")
    if style not in ("auto", "console", "json"):
        raise SettingError(f"log_format: {style!r} is none of auto, console, json")


def read_token(file: str, name: str) -> str | None:
    """Read a bearer token; None if no file is named."""
    if not file:
        return None
    try:
        token = Path(file).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"{name}: {file}: {error}") from error
    if not token:
        raise SettingError(f"{name}: {file} is empty")
    return token


def parse_tcp(text: str, name: str) -> tuple[str, int]:
    """Take ``HOST:PORT`` or ``[V6]:PORT`` apart."""
    host, _, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    bare = host[1:-1] if bracketed else host
    good_host = bare and (":" in bare) == bracketed and not any(char.isspace() or char in "[]" for char in bare)
    if not good_host or not port.isascii() or not port.isdecimal() or int(port) > 0xFFFF:
        raise SettingError(f"{name}: {text!r} is not HOST:PORT")
    return bare, int(port)


PROGRAM: Final = Program(
    settings=Settings,
    name="python -m daoli.controller",
    prefix=PREFIX,
    description="The daoli controller: Open vSwitch bridges connect to it, containers on them reach each other.",
    epilog=("Exit code 2: a setting, the state folder or a port cannot be used. See README.md for the first steps."),
)


def read(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Settings:
    """Put the settings together. Raises `SettingError`; `--help` and `--version` end the program."""
    return PROGRAM.read(arguments, environment)[0]
