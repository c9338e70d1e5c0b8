"""Things by what people call them: a whole name first, else the beginning of an id that only one has. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from daoli.cli.near import question
from daoli.cli.session import Failure

NAMED: Final = 5
"""How many candidates an error names before it only counts them."""
Item = dict[str, Any]


def find(
    items: Iterable[Item],
    text: str,
    noun: str,
    names: Callable[[Item], Iterable[str | None]],
    command: str | None = None,
) -> Item:
    """Find an item by one of its names or the beginning of its id.

    Failure says what there is; `command` lists it, by default that of the noun's name.
    """
    known = list(items)
    exact = [item for item in known if text == item["id"]] or [item for item in known if text in names(item)]
    found = exact or [item for item in known if text and str(item["id"]).startswith(text)]
    if len(found) == 1:
        return found[0]
    if not found:
        near = question(text, (name for item in known for name in names(item) if name))
        lists = f"daolictl {command or noun} ls lists them"
        raise Failure(f"there is no {noun} {text}; {f'{near} {lists}' if near else lists}")
    shown = ", ".join(_described(item) for item in found[:NAMED])
    raise Failure(f"{len(found)} {noun}s are called {text}: {shown}; name one by its id")


def _described(item: Item) -> str:
    more = [str(item[key]) for key in ("name", "ipv4", "host") if item.get(key)]
    return f"{item['id']} ({', '.join(more)})" if more else str(item["id"])


def find_endpoint(endpoints: Iterable[Item], text: str) -> Item:
    """Find an endpoint by its id, its container's name, its address, or the beginning of its or its container's id."""
    known = list(endpoints)
    by_container = [e for e in known if text and (e.get("container") or "").startswith(text)]
    try:
        return find(known, text, "endpoint", lambda endpoint: (endpoint.get("name"), endpoint["ipv4"]))
    except Failure:
        if len(by_container) == 1:
            return by_container[0]
        raise
