"""Where settings come from: a dataclass's defaults, then a TOML file, then the environment, then the flags."""

from __future__ import annotations

import argparse
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, NoReturn, Protocol, TypeVar

from daoli import __version__


class SettingError(ValueError):
    """A setting that cannot be used; the text names it and says where it came from."""


class _Settings(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


S = TypeVar("S", bound=_Settings)

_WORDS: Final[Mapping[type, str]] = {str: "text", int: "a whole number", float: "a number"}


def setting(default: Any, metavar: str, text: str) -> Any:
    """Declare a field of a settings class: text, a whole number or a number, as its default is."""
    return field(default=default, metadata={"metavar": metavar, "help": text})


@dataclass(frozen=True, slots=True)
class Program(Generic[S]):
    """A program's command line, made of its settings class."""

    settings: type[S]
    name: str
    """As the user types it."""
    prefix: str
    """Of the environment's variables, with its underscore."""
    description: str
    epilog: str
    actions: Mapping[str, str] = field(default_factory=dict)
    """Flags that are no settings, since they say what is to be done this time; with their help texts."""

    def read(self, arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> tuple[S, frozenset[str]]:
        """Put the settings together, and tell which actions are asked for.

        Raises `SettingError`; `--help` and `--version` end the program.
        """
        flags = vars(self._parser().parse_args(arguments))
        config = flags.pop("config") or environment.get(f"{self.prefix}CONFIG")
        values: dict[str, Any] = {}
        if config:
            values |= self._from_file(Path(config))
        for name, wanted in self._types().items():
            variable = self.prefix + name.upper()
            if (text := environment.get(variable)) is not None:
                values[name] = _convert(name, wanted, text, f"in {variable}")
            if (given := flags[name]) is not None:
                values[name] = _convert(name, wanted, given, f"in {_flag(name)}")
        return self.settings(**values), frozenset(action for action in self.actions if flags[action])

    def _types(self) -> dict[str, type]:
        return {entry.name: type(entry.default) for entry in fields(self.settings)}

    def _from_file(self, path: Path) -> dict[str, Any]:
        types = self._types()
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingError(f"config: {path}: {error}") from error
        unknown = sorted(set(table) - set(types))
        if unknown:
            raise SettingError(f"config: {path}: no setting is called {unknown[0]!r}; there are {', '.join(types)}")
        return {name: _convert(name, types[name], value, f"in {path}") for name, value in table.items()}

    def _parser(self) -> argparse.ArgumentParser:
        parser = _Parser(
            prog=self.name,
            allow_abbrev=False,
            description=self.description,
            epilog=(
                "Each setting may also stand in a TOML file (--config) under its name with underscores, or in the "
                f"environment as {self.prefix}NAME; flags win over the environment, that over the file. {self.epilog}"
            ),
        )
        parser.add_argument("--version", action="version", version=f"daoli {__version__}")
        parser.add_argument("--config", metavar="FILE", help="TOML file with settings")
        for entry in fields(self.settings):
            parser.add_argument(
                _flag(entry.name),
                metavar=entry.metadata["metavar"],
                help=f"{entry.metadata['help']} (default: {entry.default or 'none'})",
            )
        for action, text in self.actions.items():
            parser.add_argument(_flag(action), action="store_true", help=text)
        return parser


class _Parser(argparse.ArgumentParser):
    """Refuses bad flags as all other settings are refused: in one line."""

    def error(self, message: str) -> NoReturn:
        raise SettingError(f"{message}; see --help")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _convert(name: str, wanted: type, value: Any, where: str) -> Any:
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
