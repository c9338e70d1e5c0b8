"""The API of a controller that runs: bad input changes nothing and names the field; the rest is served."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.e2e.rig import PATIENCE, PYTHON, Rig

from daoli.lab.session import Answer, Controller

pytestmark = pytest.mark.e2e

HOST = {"name": "h9", "dpid": "0000000000000009", "address": "10.254.0.9", "uplink": "eth1"}
NETWORK = {"name": "n9", "subnet": "10.9.0.0/24"}
ENDPOINT = {
    "id": "e9",
    "host": "h1",
    "network": "dnet1",
    "mac": "02:42:0a:01:00:99",
    "ipv4": "10.1.0.99",
    "port": "dl000000000099",
}

BAD: list[tuple[str, str, Any, int, str | None]] = [
    # method, path, body, status, field
    ("POST", "/hosts", {**HOST, "dpid": "9"}, 422, "dpid"),
    ("POST", "/hosts", {**HOST, "dpid": "000000000000000g"}, 422, "dpid"),
    ("POST", "/hosts", {**HOST, "dpid": "0000000000000000"}, 422, "dpid"),
    ("POST", "/hosts", {**HOST, "dpid": 9}, 422, "dpid"),
    ("POST", "/hosts", {**HOST, "dpid": "0000000000000001"}, 409, "dpid"),
    ("POST", "/hosts", {**HOST, "name": "h1"}, 409, "name"),
    ("POST", "/hosts", {**HOST, "address": "10.254.0.1"}, 409, "address"),
    ("POST", "/hosts", {**HOST, "address": "10.254.0.256"}, 422, "address"),
    ("POST", "/hosts", {**HOST, "address": "fe80::1"}, 422, "address"),
    ("POST", "/hosts", {**HOST, "name": "-"}, 422, "name"),
    ("POST", "/hosts", {**HOST, "name": "a/b"}, 422, "name"),
    ("POST", "/hosts", {**HOST, "uplink": "a-name-that-is-too-long"}, 422, "uplink"),
    ("POST", "/hosts", {**HOST, "colour": "red"}, 422, "colour"),
    ("POST", "/hosts", {key: HOST[key] for key in HOST if key != "uplink"}, 422, "uplink"),
    ("POST", "/hosts", [], 422, None),
    ("POST", "/hosts", "h9", 422, None),
    ("POST", "/networks", {**NETWORK, "subnet": "10.9.0.1/24"}, 422, "subnet"),
    ("POST", "/networks", {**NETWORK, "subnet": "10.1.0.128/25"}, 409, "subnet"),
    ("POST", "/networks", {**NETWORK, "subnet": "224.0.0.0/24"}, 422, "subnet"),
    ("POST", "/networks", {**NETWORK, "gateway": "10.8.0.1"}, 422, "gateway"),
    ("POST", "/networks", {**NETWORK, "gateway": "10.9.0.255"}, 422, "gateway"),
    ("POST", "/endpoints", {**ENDPOINT, "mac": "02:42"}, 422, "mac"),
    ("POST", "/endpoints", {**ENDPOINT, "mac": "01:00:5e:00:00:01"}, 422, "mac"),
    ("POST", "/endpoints", {**ENDPOINT, "mac": "02:da:01:1e:00:01"}, 422, "mac"),
    ("POST", "/endpoints", {**ENDPOINT, "ipv4": "10.1.0.1"}, 422, "ipv4"),
    ("POST", "/endpoints", {**ENDPOINT, "ipv4": "10.1.1.1"}, 422, "ipv4"),
    ("POST", "/endpoints", {**ENDPOINT, "ipv4": "10.1.0.255"}, 422, "ipv4"),
    ("POST", "/endpoints", {**ENDPOINT, "ipv4": "10.1.0.10"}, 409, "ipv4"),
    ("POST", "/endpoints", {**ENDPOINT, "host": "nowhere"}, 422, "host"),
    ("POST", "/endpoints", {**ENDPOINT, "network": "nowhere"}, 422, "network"),
    ("POST", "/endpoints", {**ENDPOINT, "port": "eth1"}, 409, "port"),
    ("POST", "/endpoints", {**ENDPOINT, "labels": {"a": "b" * 70_000}}, 422, "labels"),
    ("PUT", "/hosts/h1/endpoints", {"endpoints": [{**ENDPOINT, "mac": "x"}]}, 422, "endpoints[0].mac"),
    ("PUT", "/hosts/h1/endpoints", {"endpoints": [ENDPOINT, {**ENDPOINT, "id": "e8"}]}, 422, "endpoints[1].ipv4"),
    ("PUT", "/hosts/h1/endpoints", {"endpoints": [{**ENDPOINT, "host": "h2"}]}, 422, "endpoints[0].host"),
    ("PUT", "/hosts/nowhere/endpoints", {"endpoints": []}, 404, None),
    ("DELETE", "/networks/dnet1", None, 409, None),
    ("DELETE", "/networks/nowhere", None, 404, None),
    ("DELETE", "/hosts/nowhere", None, 404, None),
    ("DELETE", "/endpoints/nowhere", None, 404, None),
    ("GET", "/endpoints?colour=red", None, 400, "colour"),
    ("GET", "/explain?source=h1-c1", None, 400, "destination"),
    ("GET", "/explain?source=h1-c1&destination=nowhere", None, 404, "destination"),
    ("GET", "/nowhere", None, 404, None),
    ("PATCH", "/hosts", {}, 405, None),
]


def state(rig: Rig) -> list[Any]:
    """All that the API tells of what was posted."""
    keep = ("name", "dpid", "address", "uplink", "labels")
    hosts = [{key: host[key] for key in keep} for host in rig.get("/hosts")["hosts"]]
    return [hosts, rig.get("/networks"), rig.get("/endpoints")]


@pytest.mark.parametrize(("method", "path", "body", "status", "field"), BAD)
def test_bad_input(rig: Rig, method: str, path: str, body: Any, status: int, field: str | None) -> None:
    """What cannot be is a problem document that names the field, and nothing has changed."""
    before = state(rig)
    answer = rig.controller.request(method, path, body)
    assert answer.status == status, answer
    assert isinstance(answer.body, dict)
    assert answer.body["status"] == status
    assert answer.body["title"]
    assert answer.body.get("field") == field, answer
    assert state(rig) == before


@pytest.mark.parametrize("text", ["{", "", "\x00", '{"name": "h9"', '{"name": NaN}', "[" * 100_000])
def test_bad_json(rig: Rig, text: str) -> None:
    """A body that is not JSON is a problem, and no more than that."""
    before = state(rig)
    done = rig.lab.controller.exec(
        [
            *("curl", "-sS", "-o", "-", "-w", "\n%{http_code} %{content_type}", "--unix-socket"),
            *(str(rig.controller.socket), "-H", "Content-Type: application/json", "--data-binary", "@-"),
            "http://localhost/hosts",
        ],
        input=text,
        timeout=PATIENCE,
    )
    body, _, end = done.stdout.rpartition("\n")
    status, media_type = end.split()[:2]
    assert status in ("400", "422"), done.stdout
    assert media_type.startswith("application/problem+json")
    assert json.loads(body)["title"]
    assert state(rig) == before


def test_same_again(rig: Rig) -> None:
    """Posting what is there already is 200, changes nothing and cuts nothing."""
    description = rig.lab.describe()
    revision = None
    for kind in ("networks", "hosts"):
        for body in description[kind]:
            answer = rig.controller.post(f"/{kind}", body)
            assert answer.status == 200
            if kind == "hosts":
                assert answer.body["cut"] == []
                assert revision in (None, answer.body["revision"])
                revision = answer.body["revision"]


def test_served(rig: Rig) -> None:
    """Health, readiness, metrics and the description are there."""
    assert rig.get("/healthz")["status"] == "ok"
    assert rig.get("/readyz")["status"] == "ready"
    assert rig.metric("daoli_hosts") == 2
    assert rig.metric("daoli_hosts_connected") == 2
    assert rig.metric("daoli_endpoints") == len(rig.get("/endpoints")["endpoints"])
    description = rig.get("/openapi.json")
    assert description["openapi"].startswith("3.1")
    assert {"/hosts", "/hosts/{name}", "/networks", "/endpoints", "/routes", "/explain", "/events"} <= set(
        description["paths"]
    )


def test_over_tcp(rig: Rig) -> None:
    """The API is the same on TCP: on loopback without a token, elsewhere with one."""
    token = rig.lab.path / "token"
    token.write_text("a secret\n")
    script = """
import http.client, json, sys
link = http.client.HTTPConnection(sys.argv[1], 8653, timeout=5)
headers = {"Content-Type": "application/json"}
if len(sys.argv) > 4:
    headers["Authorization"] = "Bearer " + sys.argv[4]
link.request(sys.argv[2], sys.argv[3], "{}" if sys.argv[2] == "POST" else None, headers)
answer = link.getresponse()
text = answer.read().decode()
print(json.dumps([answer.status, json.loads(text)]))
"""

    def ask(address: str, method: str, path: str, *secret: str) -> Answer:
        done = rig.lab.controller.exec([*PYTHON, script, address, method, path, *secret], timeout=PATIENCE)
        return Answer(*json.loads(done.stdout))

    class OverTcp(Controller):
        """One whose API is reached by TCP."""

        def answers(self) -> bool:
            if self._process is None or self._process.poll() is not None:
                return True
            known = rig.lab.controller.exec([*PYTHON, script, "127.0.0.1", "GET", "/healthz"], check=False)
            return known.returncode == 0

    flags = ("--openflow-listen", "127.0.0.1:0", "--state", "memory", "--api-listen")
    with OverTcp(rig.lab, *flags, "127.0.0.1:8653", name="tcp"):
        assert ask("127.0.0.1", "GET", "/hosts") == (200, {"hosts": [], "unregistered": []})
        problem = ask("127.0.0.1", "POST", "/hosts")
        assert (problem.status, problem.body["field"]) == (422, "name")
    with OverTcp(rig.lab, *flags, "0.0.0.0:8653", "--api-token-file", str(token), name="tcp2"):
        assert ask("10.254.0.250", "GET", "/hosts").status == 401
        assert ask("10.254.0.250", "GET", "/hosts", "a guess").status == 401
        assert ask("10.254.0.250", "GET", "/hosts", "a secret").status == 200
        assert ask("10.254.0.250", "GET", "/healthz").status == 200
