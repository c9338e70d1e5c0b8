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


def container_named(endpoints: Iterable[Item], text: str) -> str:
    """Give the name by which a rule means a container: on all its networks, and also when it has been started anew.

    It is found as `find_endpoint` does. One without a name goes by its id. Failure where others have the name, too.
    """
    known = list(endpoints)
    endpoint = next((e for e in known if e.get("name") == text), None) or _of_container(known, text)
    name = endpoint.get("name")
    if not name:
        return str(endpoint["id"])
    bearers = {e.get("container") or e["host"]: e["host"] for e in known if e.get("name") == name}
    if len(bearers) > 1:
        hosts = ", ".join(sorted(bearers.values())[:NAMED])
        raise Failure(
            f"{len(bearers)} containers are called {name}, on {hosts}: a rule goes by the name, and would mean all\n"
            f"rename one of them, or have it so with daolictl rule add … --from endpoint:{name}"
        )
    return str(name)


def _of_container(known: list[Item], text: str) -> Item:
    """Find an endpoint, any of a container's if the beginning of that one's id is given."""
    try:
        return find_endpoint(known, text)
    except Failure:
        held = [e for e in known if text and (e.get("container") or "").startswith(text)]
        if len({e["container"] for e in held}) != 1:
            raise
        return held[0]
