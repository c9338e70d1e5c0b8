"""A file of YAML, with the lines where its rules stand. What stands twice is refused: the last would win in silence."""

from __future__ import annotations

from typing import Any, Final, TextIO

from daoli.cli.session import Failure

_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"


def read(file: TextIO) -> tuple[Any, list[int]]:
    """Give what a file says, and the line of each of its rules; Failure, with the line, where it is no YAML."""
    import yaml  # noqa: PLC0415 - most commands do not need it

    try:
        loader = yaml.SafeLoader(file.read())
        # Times stay as they are written: the controller takes them as text, and says what is wrong with one.
        loader.yaml_implicit_resolvers = {
            first: [(tag, pattern) for tag, pattern in found if tag != _TIMESTAMP]
            for first, found in loader.yaml_implicit_resolvers.items()
        }
        root = loader.get_single_node()
        if twice := _twice(root):
            raise Failure(f"{file.name}, line {_line(twice)}: {twice.value} stands twice in the same place")
        content = None if root is None else loader.construct_document(root)
        return content, [_line(rule) for rule in _rules(root)]
    except yaml.YAMLError as error:
        raise Failure(f"{file.name} is not YAML: {' '.join(str(error).split())}") from error
    except UnicodeDecodeError as error:
        raise Failure(f"{file.name} is not UTF-8: {error}") from error


def _line(node: Any) -> int:
    return int(node.start_mark.line) + 1


def _pairs(node: Any) -> list[tuple[Any, Any]]:
    return node.value if node is not None and node.id == "mapping" else []


def _rules(root: Any) -> list[Any]:
    for key, value in _pairs(root):
        if key.value == "rules" and value.id == "sequence":
            return list(value.value)
    return []


def _twice(node: Any, depth: int = 4) -> Any:
    """Find a key that its mapping has already, as deep as policies go."""
    if node is None or node.id == "scalar" or not depth:
        return None
    seen: set[str] = set()
    for key, _ in _pairs(node):
        if key.id == "scalar" and key.value in seen:
            return key
        seen.add(str(key.value))
    inner = [value for _, value in _pairs(node)] if node.id == "mapping" else node.value
    return next((found for child in inner if (found := _twice(child, depth - 1))), None)
