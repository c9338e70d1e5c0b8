"""``daolictl publish``."""

from __future__ import annotations

import pytest
from tests.cli.conftest import Run
from tests.cli.fake import FakeApi, publication, serving

from daoli.cli.client import Client
from daoli.cli.publish import settled
from daoli.cli.settings import Settings
from daoli.hosts.publication import PublicationRequest


@pytest.mark.parametrize(
    ("words", "body"),
    [
        ("8080 web:80", {"port": 8080, "target": "web", "target_port": 80}),
        ("create 8080 web:80", {"port": 8080, "target": "web", "target_port": 80}),
        (
            "create 192.0.2.7:53/udp --to dns --host h1 --network n",
            {"host": "h1", "address": "192.0.2.7", "protocol": "udp", "port": 53, "target": "dns", "network": "n"},
        ),
        (
            "create 53 --to dns --protocol udp --address 192.0.2.7",
            {"address": "192.0.2.7", "protocol": "udp", "port": 53, "target": "dns"},
        ),
    ],
)
def test_create(words: str, body: dict[str, object], api: FakeApi, run: Run) -> None:
    """A port is published as it was said, in the long form and the short one, and the API takes it."""
    api.says("POST", "/publish", publication(), 201)
    said = run("publish", *words.split())
    assert (said.code, said.out) == (0, "8080/tcp of all hosts leads to web:80 (abc123)\n")
    assert api.asked[0].body == body
    PublicationRequest.model_validate(body)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("create 8080", "say once where the port is to lead"),
        ("8080 web --to web", "say once where the port is to lead"),
        ("create 8080/udp web --protocol tcp", "--protocol says tcp, and the published port udp"),
        ("192.0.2.1:80 web --address 192.0.2.2", "--address says 192.0.2.2, and the published port 192.0.2.1"),
        ("99999 web", "'99999' is not a port from 1 to 65535"),
        ("80 web:http", "'http' is not a port from 1 to 65535"),
        ("web 80", "No such command 'web'"),
    ],
)
def test_wrong_use(words: str, reason: str, run: Run) -> None:
    """What makes no sense is refused before the controller is asked."""
    said = run("publish", *words.split())
    assert said.code == 2
    assert reason in said.err


def test_clash(api: FakeApi, run: Run) -> None:
    """A port that is taken is told with who has it."""
    detail = "tcp port 8080 of all hosts leads to web (abc123)"
    api.refuses("POST", "/publish", 409, detail, errors=[{"field": "port", "detail": detail}])
    said = run("publish", "8080", "web")
    assert (said.code, said.err) == (1, f"daolictl: {detail}\n  at fault: port\n")


def test_create_waits_for_the_agents(api: FakeApi, run: Run) -> None:
    """The word of the hosts' agents is waited for; a port that leads there everywhere is a success."""
    made = publication()
    api.says("POST", "/publish", made | {"problems": [], "awaited": ["h1", "h2"]}, 201)
    api.says("GET", "/publish/abc123", made | {"problems": [], "awaited": ["h2"]})
    api.says("GET", "/publish/abc123", made | {"problems": [], "awaited": []})
    said = run("publish", "8080", "web:80")
    assert (said.code, said.out, said.err) == (0, "8080/tcp of all hosts leads to web:80 (abc123)\n", "")
    assert len(api.asked) == 3


def test_create_with_a_problem(api: FakeApi, run: Run) -> None:
    """A port that somebody has is said so, with how to remove it, and the exit code tells; programs get the body."""
    made = publication(host="h1") | {"problems": [], "awaited": ["h1"]}
    failing = made | {"problems": [{"host": "h1", "problem": "tcp port 8080: Address already in use"}]}
    api.says("POST", "/publish", made, 201)
    api.says("GET", "/publish/abc123", failing)
    said = run("publish", "8080", "web:80", "--host", "h1")
    assert (said.code, said.out) == (1, "")
    assert said.err.splitlines() == [
        "daolictl: 8080/tcp of host h1 is published, but not in place:",
        "  h1: tcp port 8080: Address already in use",
        "  it is tried again and again; to publish it no more: daolictl publish rm abc123",
    ]
    for_programs = run("publish", "8080", "web:80", "--host", "h1", "-o", "name")
    assert (for_programs.code, for_programs.out) == (1, "abc123\n")


def test_patience_ends() -> None:
    """A host that does not say anything is waited for three seconds."""
    silent = publication() | {"problems": [], "awaited": ["h1"]}
    pauses: list[float] = []
    with serving() as api:
        api.says("GET", "/publish/abc123", silent)
        assert settled(Client(Settings(api.url)), silent, pauses.append) == silent
    assert sum(pauses) == pytest.approx(3.0)


def test_no_word(api: FakeApi, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose word did not come is told, beside the result."""
    monkeypatch.setattr("daoli.cli.publish.LOOKS", 0)
    api.says("POST", "/publish", publication() | {"problems": [], "awaited": ["h1"]}, 201)
    said = run("publish", "8080", "web:80")
    assert said.code == 0
    assert said.err == "no word yet from h1; daolictl publish ls -o wide tells of problems\n"


def test_ls_wide(api: FakeApi, run: Run) -> None:
    """All columns include where a port is not in place, and why."""
    failing = publication() | {"problems": [{"host": "h1", "problem": "taken"}, {"host": "h2", "problem": "full"}]}
    api.says("GET", "/publish", {"publications": [failing]})
    assert "h1: taken,h2: full" in run("publish", "ls", "-o", "wide").out


def test_ls(api: FakeApi, run: Run) -> None:
    """Published ports are listed as docker writes them."""
    there = publication("b", host="h1", address="192.0.2.1", protocol="udp")
    api.says("GET", "/publish", {"publications": [publication(), there]})
    assert run("publish", "ls").lines[1:] == [
        ["abc123", "(all)", "8080/tcp", "web:80"],
        ["b", "h1", "192.0.2.1:8080/udp", "web:80"],
    ]


@pytest.mark.parametrize("name", ["abc123", "abc", "8080/tcp", "8080"])
def test_rm(name: str, api: FakeApi, run: Run) -> None:
    """A port is published no more, by its id, the beginning of it, or the port."""
    api.says("GET", "/publish", {"publications": [publication(), publication("def", port=53)]})
    api.says("DELETE", "/publish/abc123", {"revision": 5, "removed": ["abc123"]})
    assert run("publish", "rm", name).out == "8080/tcp leads to web:80 no more\n"


def test_rm_of_several(api: FakeApi, run: Run) -> None:
    """What could be two published ports is neither, and another is removed all the same."""
    known = [publication(), publication("def", protocol="udp"), publication("fff", port=53)]
    api.says("GET", "/publish", {"publications": known})
    api.says("DELETE", "/publish/fff", {"revision": 5, "removed": ["fff"]})
    said = run("publish", "rm", "8080", "53")
    assert (said.code, said.out) == (1, "53/tcp leads to web:80 no more\n")
    assert "2 publications are called 8080" in said.err
