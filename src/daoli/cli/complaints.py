"""What went wrong, in words: the controller's own, and what may help."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

import click

from daoli import __version__
from daoli.cli.client import Refused
from daoli.cli.near import meant
from daoli.cli.output import printable
from daoli.cli.session import Done, Failure
from daoli.cli.settings import TOKEN, TOKEN_FILE

LISTS: Final = MappingProxyType(
    {
        "hosts": "host",
        "networks": "network",
        "endpoints": "endpoint",
        "moves": "container",
        "publish": "container",
        "explain": "endpoint",
        "trace": "endpoint",
        "groups": "group",
        "rules": "rule",
    }
)
"""First step of a path -> whose ``ls`` shows what there is, where something was not found."""


def complain(text: str) -> None:
    """Say what went wrong, on stderr, the first line with the program's name."""
    first, *rest = text.splitlines()
    click.echo(f"daolictl: {printable(first)}", err=True)
    for line in rest:
        click.echo(f"  {printable(line)}", err=True)


def explained(refusal: Refused) -> str:
    """Say a refusal: what is wrong, each field at fault, and what may help."""
    said = str(refusal)
    lines = [said]
    for error in refusal.errors:
        field, detail = str(error.get("field")), str(error.get("detail"))
        if detail not in said:
            lines.append(f"{field}: {detail}")
        elif f"{field}: " not in said:
            lines.append(f"at fault: {field}")
    near = meant(refusal)
    return "\n".join([*lines, *([near] if near else []), *_advice(refusal)])


def _advice(refusal: Refused) -> list[str]:
    if refusal.status == HTTPStatus.UNAUTHORIZED:
        return [f"name the token's file with --token-file or {TOKEN_FILE}, or put the token into {TOKEN}"]
    if refusal.status == HTTPStatus.SERVICE_UNAVAILABLE:
        return ["try again; daolictl doctor tells more"]
    if refusal.status == HTTPStatus.NOT_FOUND and refusal.kind == "about:blank":
        return [f"this daolictl is {__version__}; daolictl status tells the controller's version"]
    if refusal.status == HTTPStatus.NOT_FOUND:
        noun = (
            "host" if refusal.field == "via" else LISTS.get(refusal.path.strip("/").partition("/")[0].partition("?")[0])
        )
        return [f"daolictl {noun} ls lists what there is"] if noun else []
    return []


def each(names: Iterable[str], act: Callable[[str], None]) -> None:
    """Do something to each, as docker does: one that is refused keeps no other from it; `Done` if any was."""
    refused = False
    for name in names:
        try:
            act(name)
        except (Refused, Failure) as failure:
            complain(explained(failure) if isinstance(failure, Refused) else str(failure))
            refused = True
    if refused:
        raise Done
