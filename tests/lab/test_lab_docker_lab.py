"""What a lab of Docker hosts is made of, and what it says; that it works is shown end to end."""

import sys
from pathlib import Path

import pytest

from daoli.lab import DockerLab, UsageError
from daoli.lab.docker_lab import find_image, open_lab
from daoli.lab.fabric import WiredMachine
from daoli.lab.plan import Plan
from daoli.lab.state import Folder


@pytest.fixture
def lab(tmp_path: Path) -> DockerLab:
    """One that was never built."""
    lab = DockerLab(Folder("lab", tmp_path), Plan.of_docker(2), {})
    lab.controller.path.mkdir(parents=True)
    return lab


def test_description(lab: DockerLab) -> None:
    """Places are the hosts, the controller, the outside and the fabric; networks and endpoints come with containers."""
    for host in lab.hosts.values():
        host.write_endpoints([])
    found = lab.describe()
    assert found["places"] == ["h1", "h2", "controller", "outside", "fabric"]
    assert [set(host) for host in found["hosts"]] == [{"name", "address", "dpid"}] * 2
    assert (found["networks"], found["endpoints"]) == ([], [])


def test_token(lab: DockerLab) -> None:
    """The API's token is made once, for root's eyes only."""
    assert len(lab.token) >= 32
    assert lab.token == lab.token
    assert (lab.path / "api.token").stat().st_mode & 0o777 == 0o600


def test_controller_command(lab: DockerLab) -> None:
    """The controller listens on its machine's address, asks for the token, and keeps its state in its folder."""
    words = lab.controller_command
    told = dict(zip(words[4::2], words[5::2], strict=True))
    assert words[1:4] == ["-m", "daoli", "controller"]
    assert told["--api-listen"] == "10.254.0.250:8653"
    assert told["--api-token-file"] == str(lab.path / "api.token")
    assert Path(told["--state"]).parent == lab.controller.path


def test_controller_machine(lab: DockerLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the controller's machine daolictl is at hand, and told where the controller is and what its token."""
    started: list[dict[str, str]] = []
    monkeypatch.setattr(WiredMachine, "popen", lambda *_, env, **__: started.append(env))
    lab.controller.popen(["daolictl", "status"])
    lab.controller.popen(["true"], env={"PATH": "/bin"})
    (told, given) = started
    assert told["DAOLI_CONTROLLER"] == "http://10.254.0.250:8653"
    assert told["DAOLI_TOKEN_FILE"] == str(lab.path / "api.token")
    assert all(str(Path(sys.executable).parent) in each["PATH"].split(":") for each in started)
    assert set(given) == {"PATH"}


def test_images() -> None:
    """Images are known by short names; another is refused with the list."""
    assert find_image("tools").name == "daoli/tools"
    with pytest.raises(UsageError, match="no image 'nginx'; there are: tools, redis, etcd"):
        find_image("nginx")
    with pytest.raises(UsageError, match="no image 'nginx'"):
        DockerLab.up(images=["nginx"])


def test_other_kind(tmp_path: Path) -> None:
    """A plan without Docker makes no lab of Docker hosts."""
    with pytest.raises(UsageError, match=r"lab x is not one of Docker hosts; DockerLab\.up builds those"):
        DockerLab(Folder("x", tmp_path), Plan.of(1), {})


def test_open_missing(tmp_path: Path) -> None:
    """A lab that is not there cannot be opened, of whatever kind."""
    with pytest.raises(UsageError, match="there is no lab never"):
        open_lab("never", tmp_path)


def test_last_words(lab: DockerLab) -> None:
    """The ends of all logs are shown under the names of their services."""
    (lab.path / "h1").mkdir()
    (lab.path / "h1/agent.log").write_text("it hurts\n")
    said = lab.last_words()
    assert "--- agent of h1\nit hurts\n" in said
    assert "--- dockerd of h2\n(it has no log)" in said
    assert said.startswith("--- controller of controller\n")
