"""A file of YAML."""

from __future__ import annotations

import io

import pytest

from daoli.cli.session import Failure
from daoli.cli.yaml_file import read


def file(text: str | bytes) -> io.TextIOWrapper:
    """Make a file called p.yaml."""
    raw = io.BytesIO(text.encode() if isinstance(text, str) else text)
    raw.name = "p.yaml"
    return io.TextIOWrapper(raw, encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "content", "lines"),
    [
        ("", None, []),
        ("rules:\n- {a: 1}\n\n- b: 2\n  c: 3\n", {"rules": [{"a": 1}, {"b": 2, "c": 3}]}, [2, 4]),
        ("rules: 5", {"rules": 5}, []),
        ("- 2030-01-01T00:00:00Z\n- 2030-01-01\n- 5", ["2030-01-01T00:00:00Z", "2030-01-01", 5], []),
        ("- rules", ["rules"], []),
        ("word", "word", []),
    ],
)
def test_read(text: str, content: object, lines: list[int]) -> None:
    """What the file says comes with the lines of its rules, if it has any."""
    assert read(file(text)) == (content, lines)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("rules:\n- {", "p.yaml is not YAML: .* line 2"),
        ("rules: []\nrules: []", "p.yaml, line 2: rules stands twice"),
        ("groups:\n  a: [x]\n  a: [y]\n", "p.yaml, line 3: a stands twice"),
        ("rules:\n- action: deny\n  action: allow\n", "p.yaml, line 3: action stands twice"),
        (b"rules: [\xff]", "p.yaml is not UTF-8"),
        ("&a [*a, !!python/object:x {}]", "p.yaml is not YAML"),
    ],
)
def test_wrong(text: str | bytes, reason: str) -> None:
    """What is no YAML, or says one thing twice, is refused with its line."""
    with pytest.raises(Failure, match=reason):
        read(file(text))
