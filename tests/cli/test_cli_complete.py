"""Names that the shell may complete."""

from __future__ import annotations

import pytest
from click.shell_completion import ShellComplete
from tests.cli.fake import FakeApi, endpoint, host, move, network, publication

from daoli.cli.__main__ import daolictl


def completed(*words: str) -> list[str]:
    """Complete the last word."""
    found = ShellComplete(daolictl, {}, "daolictl", "X").get_completions(list(words[:-1]), words[-1])
    return [item.value for item in found]


@pytest.fixture
def known(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    """Let the controller know one of each."""
    monkeypatch.setenv("DAOLI_CONTROLLER", api.url)
    api.says("GET", "/hosts", {"hosts": [host("h1"), host("h2")], "unregistered": []})
    api.says("GET", "/networks", {"networks": [network("blue")]})
    api.says("GET", "/endpoints", {"endpoints": [endpoint("e1"), endpoint("e2", name=None, container=None)]})
    api.says("GET", "/publish", {"publications": [publication()]})
    api.says("GET", "/moves", {"moves": [move()]})
    return api


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("host show ", ["h1", "h2"]),
        ("host rm h1 h", ["h1", "h2"]),
        ("network rm b", ["blue"]),
        ("endpoint show ", ["web", "e2"]),
        ("endpoint ls --host h2", ["h2"]),
        ("container move ", ["web"]),
        ("container move web --to h", ["h1", "h2"]),
        ("publish rm ", ["abc123"]),
        ("publish 8080 w", ["web"]),
        ("move follow f", ["fade01"]),
        ("explain web w", ["web"]),
        ("net", ["network"]),
    ],
)
@pytest.mark.usefixtures("known")
def test_names(words: str, names: list[str]) -> None:
    """Each argument that names something is completed with what the controller knows."""
    assert completed(*words.split(" ")) == names


def test_flag_is_obeyed(known: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """The controller that the command line names is asked."""
    monkeypatch.setenv("DAOLI_CONTROLLER", "unix:/nowhere")
    assert completed("--controller", known.url, "host", "show", "") == ["h1", "h2"]


@pytest.mark.parametrize("url", ["unix:/nowhere", "no url"])
def test_nothing_without_controller(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a controller there are no names, and no noise."""
    monkeypatch.setenv("DAOLI_CONTROLLER", url)
    assert completed("host", "show", "") == []
