"""Settings: where they come from, which source wins, and what is refused with which words."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import pytest

from daoli import __version__
from daoli.settings import SettingError, Settings, parse_tcp, read

CHANGED: dict[str, Any] = {
    "openflow_listen": "127.0.0.1:7000",
    "api_listen": "127.0.0.1:7001",
    "api_token_file": "/etc/daoli/token",
    "state": "/srv/daoli",
    "pool": "10.96.0.0/12",
    "ledger": "/var/log/daoli.jsonl",
    "ledger_size": 64,
    "ledger_files": 3,
    "log_level": "debug",
    "log_format": "json",
    "idle_timeout": 60,
    "punt_rate": 10.5,
    "punt_burst": 20.0,
}
"""Another value than the default for each setting."""

NAMES = sorted(CHANGED)


def toml(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def in_toml(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def test_defaults() -> None:
    """Without a word everything has its default."""
    settings = read([], {})
    assert settings == Settings()
    assert settings.openflow_listen == "0.0.0.0:6653"
    assert settings.api_listen == "127.0.0.1:8653"
    assert settings.state == "/var/lib/daoli"
    assert settings.idle_timeout == 30
    assert settings.token() is None


def test_every_setting_is_tested() -> None:
    """The tests below know each setting."""
    assert sorted(setting.name for setting in fields(Settings)) == NAMES
    assert all(getattr(Settings(), name) != value for name, value in CHANGED.items())


def test_frozen() -> None:
    """Settings are read once and do not change."""
    with pytest.raises(FrozenInstanceError):
        Settings().state = "elsewhere"  # type: ignore[misc]


@pytest.mark.parametrize("name", NAMES)
def test_precedence(name: str, tmp_path: Path) -> None:
    """For each setting the file wins over the default, the environment over the file, the flag over both."""
    value = CHANGED[name]
    default = getattr(Settings(), name)
    file = ["--config", str(toml(tmp_path / "daoli.toml", f"{name} = {in_toml(value)}\n"))]
    variable = f"DAOLI_{name.upper()}"
    other = "/another/file" if default == "" else default

    def got(arguments: list[str], environment: dict[str, str]) -> Any:
        return getattr(read(arguments, environment), name)

    assert got(file, {}) == value
    assert type(got(file, {})) is type(default)
    assert got([], {variable: str(value)}) == value
    assert got([flag(name), str(value)], {}) == value
    assert got(file, {variable: str(other)}) == other
    assert got([*file, flag(name), str(other)], {}) == other
    assert got([flag(name), str(other)], {variable: str(value)}) == other
    assert got([*file, flag(name), str(other)], {variable: str(value)}) == other


def test_config_from_environment(tmp_path: Path) -> None:
    """The file may be named in the environment; a flag names another."""
    one = toml(tmp_path / "one.toml", "idle_timeout = 11\n")
    two = toml(tmp_path / "two.toml", "idle_timeout = 22\n")
    assert read([], {"DAOLI_CONFIG": str(one)}).idle_timeout == 11
    assert read(["--config", str(two)], {"DAOLI_CONFIG": str(one)}).idle_timeout == 22


def test_foreign_environment() -> None:
    """Variables that are no setting do not matter, so that later versions may share an environment with this one."""
    assert read([], {"PATH": "/bin", "DAOLI_TASTE": "sweet", "IDLE_TIMEOUT": "9"}) == Settings()


def test_whole_numbers_as_rates(tmp_path: Path) -> None:
    """A rate may be written as a whole number, in the file as elsewhere."""
    file = toml(tmp_path / "daoli.toml", "punt_rate = 10\n")
    assert read(["--config", str(file)], {}).punt_rate == 10.0


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("openflow_listen", "6653", "'6653' is not HOST:PORT"),
        ("openflow_listen", ":6653", "':6653' is not HOST:PORT"),
        ("openflow_listen", "", "'' is not HOST:PORT"),
        ("openflow_listen", "localhost:", "'localhost:' is not HOST:PORT"),
        ("openflow_listen", "localhost:65536", "'localhost:65536' is not HOST:PORT"),
        ("openflow_listen", "localhost:-1", "'localhost:-1' is not HOST:PORT"),
        ("openflow_listen", "localhost:six", "'localhost:six' is not HOST:PORT"),
        ("log_level", "loud", "'loud' is none of debug, info, warning, error"),
        ("log_level", "INFO", "'INFO' is none of debug, info, warning, error"),
        ("log_format", "xml", "'xml' is none of auto, console, json"),
        ("idle_timeout", "0", "0 is not between 1 and 65535 seconds"),
        ("idle_timeout", "65536", "65536 is not between 1 and 65535 seconds"),
        ("idle_timeout", "-5", "-5 is not between 1 and 65535 seconds"),
        ("idle_timeout", "1.5", "'1.5' in {where} is not a whole number"),
        ("idle_timeout", "soon", "'soon' in {where} is not a whole number"),
        ("idle_timeout", "", "'' in {where} is not a whole number"),
        ("punt_rate", "0.5", "0.5 is less than 1"),
        ("punt_rate", "-1", "-1 is less than 1"),
        ("punt_rate", "nan", "nan is not a finite number"),
        ("punt_burst", "inf", "inf is not a finite number"),
        ("punt_rate", "many", "'many' in {where} is not a number"),
        ("punt_burst", "0", "0 is less than 1"),
        ("pool", "", "'' is not a subnet: Address cannot be empty"),
        ("pool", "10.1.2.3/16", "'10.1.2.3/16' is not a subnet: 10.1.2.3/16 has host bits set"),
        ("pool", "10.0.0.0/7", "the prefix length of '10.0.0.0/7' is not from 8 to 24"),
        ("pool", "10.0.0.0/25", "the prefix length of '10.0.0.0/25' is not from 8 to 24"),
        ("ledger", "", "is empty"),
        ("ledger_size", "-1", "-1 is not between 0 and 1048576"),
        ("ledger_files", "1001", "1001 is not between 0 and 1000"),
        ("state", "", "is empty"),
        ("state", "a\0b", "has a zero byte, which no path has"),
        ("api_listen", "unix:\0", "has a zero byte, which no path has"),
    ],
)
@pytest.mark.parametrize("source", ["flag", "environment"])
def test_refused(name: str, value: str, words: str, source: str) -> None:
    """A value that cannot be is refused with the setting's name, from wherever it comes."""
    variable = f"DAOLI_{name.upper()}"
    where = flag(name) if source == "flag" else variable
    with pytest.raises(SettingError) as refusal:
        read([f"{flag(name)}={value}"], {}) if source == "flag" else read([], {variable: value})
    assert str(refusal.value) == f"{name}: {words.format(where=where)}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("idle_timeout = ", "Invalid value"),
        ("idle_timeout = 5\nidle_timeout = 6\n", "Cannot overwrite a value"),
        ("idle_time = 5\n", "no setting is called 'idle_time'; there are openflow_listen, "),
        ("[controller]\nidle_timeout = 5\n", "no setting is called 'controller'; there are "),
        ("config = 'other.toml'\n", "no setting is called 'config'"),
        ("idle_timeout = true\n", "idle_timeout: True in {path} is not a whole number"),
        ("idle_timeout = 5.0\n", "idle_timeout: 5.0 in {path} is not a whole number"),
        ("idle_timeout = [5]\n", r"idle_timeout: [5] in {path} is not a whole number"),
        ("state = 5\n", "state: 5 in {path} is not text"),
        ("log_level = 2020-01-01\n", "is not text"),
        ("punt_rate = 'many'\n", "punt_rate: 'many' in {path} is not a number"),
        ("punt_rate = false\n", "punt_rate: False in {path} is not a number"),
        ("idle_timeout = 0\n", "idle_timeout: 0 is not between 1 and 65535 seconds"),
    ],
)
def test_refused_file(text: str, words: str, tmp_path: Path) -> None:
    """A file that is wrong is refused: one line, with the file's name or the setting's."""
    path = toml(tmp_path / "daoli.toml", text)
    with pytest.raises(SettingError) as refusal:
        read(["--config", str(path)], {})
    assert words.format(path=path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_unreadable_file(tmp_path: Path) -> None:
    """A file that is missing, a folder or not text is refused with its name."""
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    for path in (tmp_path / "missing.toml", tmp_path, binary):
        with pytest.raises(SettingError, match=f"^config: {path}: "):
            read(["--config", str(path)], {})


def test_token(tmp_path: Path) -> None:
    """The token is the file's content without the white space around it."""
    file = tmp_path / "token"
    file.write_text("  secret\n")
    assert Settings(api_token_file=str(file)).token() == "secret"


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is empty"), (b" \n", "is empty"), ("Straße".encode(), "ascii"), (None, "No such file")],
)
def test_token_refused(content: bytes | None, words: str, tmp_path: Path) -> None:
    """A token file that is missing, empty or not ASCII is refused, without telling its content."""
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingError, match=f"^api_token_file: {file}.*{words}") as refusal:
        Settings(api_token_file=str(file)).token()
    assert "Straße" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:6653", ("127.0.0.1", 6653)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:65535", ("::1", 65535)),
        ("[::]:1", ("::", 1)),
    ],
)
def test_parse_tcp(text: str, address: tuple[str, int]) -> None:
    """Addresses are taken apart, IPv6 ones without their brackets."""
    assert parse_tcp(text, "x") == address


@pytest.mark.parametrize("text", ["::1:6653", "[::1:6653", "::1]:6653", "[]:1", "host:٣", "ho st:1", "host:1 "])
def test_parse_tcp_refused(text: str) -> None:
    """What is no address is refused with the setting's name."""
    with pytest.raises(SettingError, match=r"^x: .* is not HOST:PORT$"):
        parse_tcp(text, "x")


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    """The help mentions each flag and each default."""
    with pytest.raises(SystemExit) as end:
        read(["--help"], {})
    assert end.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for setting in fields(Settings):
        assert flag(setting.name) in text
        assert f"(default: {setting.default or 'none'})" in text
    for word in ("--config", "--version", "DAOLI_", "Exit code 2"):
        assert word in text


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """The version is told."""
    with pytest.raises(SystemExit) as end:
        read(["--version"], {})
    assert end.value.code == 0
    assert capsys.readouterr().out == f"daoli {__version__}\n"


@pytest.mark.parametrize("arguments", [["--colour", "red"], ["extra"], ["--idle-timeout"]])
def test_bad_flags(arguments: list[str]) -> None:
    """A flag that there is not, a stray word and a missing value are refused."""
    with pytest.raises(SettingError):
        read(arguments, {})


def test_abbreviated_flags() -> None:
    """A flag is written out: a later one with the same beginning must not change what a unit file means."""
    with pytest.raises(SettingError):
        read(["--idle", "5"], {})


@pytest.mark.parametrize(("text", "file"), [("memory", None), ("none", None), ("/x/y", Path("/x/y"))])
def test_ledger_file(text: str, file: Path | None) -> None:
    """Two words say that the ledger has no file."""
    assert Settings(ledger=text).ledger_file() == file
