"""The controller's settings, read once: defaults, then the TOML file, then the environment, then the flags."""

from __future__ import annotations

import argparse
import math
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NoReturn

from daoli import __version__

PREFIX = "DAOLI_"
LOG_LEVELS = ("debug", "info", "warning", "error")


class SettingError(ValueError):
    """A setting that cannot be used; the text names it and says where it came from."""


def _setting(default: Any, metavar: str, text: str) -> Any:
    return field(default=default, metadata={"metavar": metavar, "help": text})


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that an operator may set. The help texts give unit and reason."""

    openflow_listen: str = _setting(
        "0.0.0.0:6653", "HOST:PORT", "where datapaths connect; on all addresses, since the hosts must reach it"
    )
    api_listen: str = _setting(
        "127.0.0.1:8653",
        "HOST:PORT",
        "where the REST API listens, or unix:PATH; an address that is not loopback needs a token",
    )
    api_token_file: str = _setting("", "FILE", "file that holds the bearer token which the API then asks for")
    state: str = _setting(
        "/var/lib/daoli", "DIR", "folder of the durable state; the word memory keeps nothing, for experiments"
    )
    log_level: str = _setting("info", "LEVEL", f"one of {', '.join(LOG_LEVELS)}")
    log_format: str = _setting("auto", "FORMAT", "console, json, or auto: console on a terminal")
    idle_timeout: int = _setting(
        30, "SECONDS", "an unused route goes after this time; the next packet then costs one visit to the controller"
    )
    punt_rate: float = _setting(
        500.0, "PER_SECOND", "packets a second that one container port may send to the controller; more is dropped"
    )
    punt_burst: float = _setting(1000.0, "PACKETS", "as --punt-rate, but at once")

    def __post_init__(self) -> None:
        """Refuse what cannot be; the text names the setting."""
        if self.log_level not in LOG_LEVELS:
            raise SettingError(f"log_level: {self.log_level!r} is none of {', '.join(LOG_LEVELS)}")
        if self.log_format not in ("auto", "console", "json"):
            raise SettingError(f"log_format: {self.log_format!r} is none of auto, console, json")
        if not 1 <= self.idle_timeout <= 0xFFFF:
            raise SettingError(f"idle_timeout: {self.idle_timeout} is not between 1 and 65535 seconds")
        for name in ("punt_rate", "punt_burst"):
            value = getattr(self, name)
            if not math.isfinite(value):
                raise SettingError(f"{name}: {value} is not a finite number")
            if value < 1:
                raise SettingError(f"{name}: {value:g} is less than 1")
        if not self.state:
            raise SettingError("state: is empty")
        for name in ("state", "api_listen", "api_token_file"):
            if "\0" in getattr(self, name):
                raise SettingError(f"{name}: has a zero byte, which no path has")
        parse_tcp(self.openflow_listen, "openflow_listen")

    def token(self) -> str | None:
        """Read the API's bearer token; None if there is to be none."""
        if not self.api_token_file:
            return None
        try:
            token = Path(self.api_token_file).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingError(f"api_token_file: {self.api_token_file}: {error}") from error
        if not token:
            raise SettingError(f"api_token_file: {self.api_token_file} is empty")
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


def read(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Settings:
    """Put the settings together. Raises `SettingError`; `--help` and `--version` end the program."""
    flags = vars(_parser().parse_args(arguments))
    config = flags.pop("config") or environment.get(PREFIX + "CONFIG")
    values: dict[str, Any] = {}
    if config:
        values |= _from_file(Path(config))
    for setting in fields(Settings):
        if (text := environment.get(PREFIX + setting.name.upper())) is not None:
            values[setting.name] = _convert(setting.name, text, f"in {PREFIX}{setting.name.upper()}")
        if (given := flags[setting.name]) is not None:
            values[setting.name] = _convert(setting.name, given, f"in --{setting.name.replace('_', '-')}")
    return Settings(**values)


_TYPES: dict[str, type] = {setting.name: type(setting.default) for setting in fields(Settings)}


def _from_file(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingError(f"config: {path}: {error}") from error
    unknown = sorted(set(table) - set(_TYPES))
    if unknown:
        raise SettingError(f"config: {path}: no setting is called {unknown[0]!r}; there are {', '.join(_TYPES)}")
    return {name: _convert(name, value, f"in {path}") for name, value in table.items()}


def _convert(name: str, value: Any, where: str) -> Any:
    wanted = _TYPES[name]
    if (
        isinstance(value, bool)
        or not isinstance(value, str | int | float)
        or (isinstance(value, float) and wanted is int)
    ):
        raise SettingError(f"{name}: {value!r} {where} is not {_WORDS[wanted]}")
    if wanted is str and not isinstance(value, str):
        raise SettingError(f"{name}: {value!r} {where} is not {_WORDS[wanted]}")
    try:
        return wanted(value)
    except ValueError as error:
        raise SettingError(f"{name}: {value!r} {where} is not {_WORDS[wanted]}") from error


_WORDS: dict[type, str] = {str: "text", int: "a whole number", float: "a number"}


class _Parser(argparse.ArgumentParser):
    """Refuses bad flags as all other settings are refused: in one line."""

    def error(self, message: str) -> NoReturn:
        raise SettingError(f"{message}; see --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m daoli.controller",
        allow_abbrev=False,
        description="The daoli controller: Open vSwitch bridges connect to it, containers on them reach each other.",
        epilog=(
            "Each setting may also stand in a TOML file (--config) under its name with underscores, or in the "
            f"environment as {PREFIX}NAME; flags win over the environment, that over the file. "
            "Exit code 2: a setting, the state folder or a port cannot be used. See README.md for the first steps."
        ),
    )
    parser.add_argument("--version", action="version", version=f"daoli {__version__}")
    parser.add_argument("--config", metavar="FILE", help="TOML file with settings")
    for setting in fields(Settings):
        parser.add_argument(
            f"--{setting.name.replace('_', '-')}",
            metavar=setting.metadata["metavar"],
            help=f"{setting.metadata['help']} (default: {setting.default or 'none'})",
        )
    return parser
