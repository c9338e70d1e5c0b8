"""Where the controller is, and who asks: flags, then the environment, then the defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import click

URL: Final = "DAOLI_CONTROLLER"
TOKEN_FILE: Final = "DAOLI_TOKEN_FILE"  # noqa: S105 - the name of a variable
TOKEN: Final = "DAOLI_TOKEN"  # noqa: S105 - the name of a variable
DEFAULT_URL: Final = "http://127.0.0.1:8653"
DEFAULT_TIMEOUT: Final = 10.0
"""Seconds; the controller takes five to give up on a datapath that does not confirm."""
UNIX: Final = "unix:"


@dataclass(frozen=True, slots=True)
class Settings:
    """How to reach the controller."""

    url: str = DEFAULT_URL
    """``http(s)://HOST[:PORT]`` or ``unix:PATH``."""
    token: str | None = None
    timeout: float = DEFAULT_TIMEOUT
    """Seconds without an answer after which the controller counts as away."""


def resolve(flags: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """Put the settings together. Raises `click.UsageError`, which names the setting."""
    source = "--controller" if flags.get("controller") else URL
    url = flags.get("controller") or environment.get(URL) or DEFAULT_URL
    return Settings(
        url=check_url(url, source),
        token=_token(flags.get("token_file"), environment),
        timeout=flags.get("timeout") or DEFAULT_TIMEOUT,
    )


def check_url(text: str, source: str) -> str:
    """Take ``http(s)://HOST[:PORT]``, ``HOST:PORT`` or ``unix:PATH``."""
    if text.startswith(UNIX):
        if not text.removeprefix(UNIX).removeprefix("//"):
            raise click.UsageError(f"{source}: {text!r} has no path; write unix:/run/daoli/api.sock")
        return UNIX + text.removeprefix(UNIX).removeprefix("//")
    url = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"[^!-~]", text):
        raise click.UsageError(f"{source}: {text!r} is not a URL such as {DEFAULT_URL}, nor unix:PATH")
    return url.rstrip("/")


def _token(file: str | None, environment: Mapping[str, str]) -> str | None:
    if file is None and environment.get(TOKEN):
        return _usable(environment[TOKEN], TOKEN)
    source = "--token-file" if file else TOKEN_FILE
    file = file or environment.get(TOKEN_FILE)
    if not file:
        return None
    try:
        text = Path(file).read_text(encoding="ascii")
    except OSError as error:
        raise click.UsageError(f"{source}: {file}: {error.strerror}") from error
    except (UnicodeDecodeError, ValueError) as error:
        raise click.UsageError(f"{source}: {file!r} holds no token") from error
    return _usable(text, f"{source}: {file}")


def _usable(text: str, source: str) -> str:
    token = text.strip()
    if not re.fullmatch(r"[!-~]+", token):
        raise click.UsageError(f"{source}: a token is one word of printable ASCII")
    return token
