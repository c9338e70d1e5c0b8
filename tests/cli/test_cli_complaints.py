"""What went wrong, in words."""

from __future__ import annotations

from typing import Any

import pytest

from daoli.cli.client import Refused
from daoli.cli.complaints import complain, each, explained
from daoli.cli.session import Done, Failure


def refused(path: str = "/x", status: int = 409, **problem: Any) -> Refused:
    return Refused(path, status, {"type": "urn:daoli:problem:x", **problem})


@pytest.mark.parametrize(
    ("refusal", "text"),
    [
        (refused(detail="it is so"), "it is so"),
        (refused(title="No"), "No"),
        (refused(detail="a: x", errors=[{"field": "a", "detail": "x"}]), "a: x"),
        (refused(detail="x", errors=[{"field": "a", "detail": "x"}]), "x\nat fault: a"),
        (refused(detail="x", errors=[{"field": "a", "detail": "y"}]), "x\na: y"),
        (refused("/hosts/x?a=b", 404, detail="none"), "none\ndaolictl host ls lists what there is"),
        (refused("/explain?source=x", 404, detail="none"), "none\ndaolictl endpoint ls lists what there is"),
        (refused("/explain?via=x", 404, detail="none", field="via"), "none\ndaolictl host ls lists what there is"),
        (refused("/other", 404, detail="none"), "none"),
        (refused(status=503, detail="full"), "full\ntry again; daolictl doctor tells more"),
    ],
)
def test_explained(refusal: Refused, text: str) -> None:
    """A refusal is told once, with the fields at fault and with what may help."""
    assert explained(refusal) == text


def test_token_and_version() -> None:
    """Who needs a token is told where it goes; a path that is not there is another version's."""
    assert "--token-file or DAOLI_TOKEN_FILE" in explained(refused(status=401, detail="no token"))
    assert "daolictl status tells the controller's version" in explained(Refused("/x", 404, {"type": "about:blank"}))


def test_complain(capsys: pytest.CaptureFixture[str]) -> None:
    """The first line has the program's name; nothing steers the terminal."""
    complain("one\x1b[2J\ntwo")
    assert capsys.readouterr().err == "daolictl: one\\x1b[2J\n  two\n"


def test_each(capsys: pytest.CaptureFixture[str]) -> None:
    """All are tried; if one is refused the whole has failed."""
    done = []

    def act(name: str) -> None:
        if name == "a":
            raise refused(detail="a is in use")
        if name == "b":
            raise Failure("there is no b")
        done.append(name)

    each(["c"], act)
    with pytest.raises(Done):
        each("abd", act)
    assert done == ["c", "d"]
    assert capsys.readouterr().err == "daolictl: a is in use\ndaolictl: there is no b\n"
