"""Where the controller is, and who asks."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from daoli.cli.settings import DEFAULT_TIMEOUT, DEFAULT_URL, Settings, check_url, resolve


def test_defaults() -> None:
    """Without flags and environment the controller is the one of this machine."""
    assert resolve({}, {}) == Settings(DEFAULT_URL, None, DEFAULT_TIMEOUT)


def test_flags_win() -> None:
    """A flag wins over the environment."""
    assert resolve({"controller": "h:1", "timeout": 2.0}, {"DAOLI_CONTROLLER": "http://x"}) == Settings(
        "http://h:1", None, 2.0
    )
    assert resolve({}, {"DAOLI_CONTROLLER": "http://x/"}).url == "http://x"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://c.example:8653/base/", "https://c.example:8653/base"),
        ("192.0.2.1:8653", "http://192.0.2.1:8653"),
        ("[2001:db8::1]:8653", "http://[2001:db8::1]:8653"),
        ("unix:/run/api.sock", "unix:/run/api.sock"),
        ("unix:///run/api.sock", "unix:/run/api.sock"),
    ],
)
def test_urls(text: str, url: str) -> None:
    """A URL, an address with port, and the path of a socket are understood."""
    assert check_url(text, "--controller") == url


@pytest.mark.parametrize(
    "text", ["", "ftp://x", "http://", "http://h:port", "http://h:0", "http://h\n", "unix:", "h h"]
)
def test_wrong_urls(text: str) -> None:
    """What is no URL is refused, and the setting named."""
    with pytest.raises(click.UsageError, match="--controller: "):
        check_url(text, "--controller")


def test_token_sources(tmp_path: Path) -> None:
    """The token's file may be named by flag or variable, or the token be in the environment; the flag wins."""
    file = tmp_path / "token"
    file.write_text("secret\n")
    found = [
        resolve({"token_file": str(file)}, {"DAOLI_TOKEN": "other"}),
        resolve({}, {"DAOLI_TOKEN_FILE": str(file)}),
        resolve({}, {"DAOLI_TOKEN_FILE": str(file), "DAOLI_TOKEN": "other"}),
    ]
    assert [settings.token for settings in found] == ["secret", "secret", "other"]


@pytest.mark.parametrize("content", [b"", b"two words", b"\xff", b"a\nb"])
def test_no_token_in_it(content: bytes, tmp_path: Path) -> None:
    """A file that holds no token is refused."""
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(click.UsageError, match="token"):
        resolve({"token_file": str(tmp_path / "token")}, {})


def test_missing_token_file(tmp_path: Path) -> None:
    """A file that is not there is refused by its name."""
    with pytest.raises(click.UsageError, match=r"DAOLI_TOKEN_FILE: .*gone: No such file"):
        resolve({}, {"DAOLI_TOKEN_FILE": str(tmp_path / "gone")})
