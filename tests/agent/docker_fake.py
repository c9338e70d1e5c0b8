"""Docker engines made of nothing, and a real record of moves between two of them, with agents that die as told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

from tests.agent.fakes import make_world, tell
from tests.hosts.records import carry_out, endpoint, host, network, put

from daoli.agent.engine import ImageFacts
from daoli.agent.moves import Moves
from daoli.agent.networks import DockerNetwork, EngineError
from daoli.hosts.errors import InventoryError
from daoli.hosts.mirror import Mirror
from daoli.hosts.move import Move, MoveReport, MoveRequest
from daoli.hosts.moving import plan_move, plan_report, worker_of
from daoli.routing.view import View

OLD = "a1" * 32
IMAGE_ID = "sha256:" + "05" * 32
WEB = endpoint(1, name="web", container=OLD)

# As `docker inspect` of 20.10 shows it, without what nobody reads.
SHOWN: dict[str, Any] = {
    "Id": OLD,
    "State": {"Status": "running", "Running": True, "Paused": False},
    "Image": IMAGE_ID,
    "Name": "/web",
    "HostConfig": {
        "Binds": None,
        "ContainerIDFile": "",
        "NetworkMode": "n1",
        "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]},
        "RestartPolicy": {"Name": "unless-stopped", "MaximumRetryCount": 0},
        "AutoRemove": False,
        "VolumesFrom": None,
        "Links": None,
        "IpcMode": "private",
        "PidMode": "",
        "Tmpfs": {"/scratch": ""},
        "CgroupParent": "",
        "Memory": 67108864,
        "NanoCpus": 500000000,
        "Init": True,
    },
    "Mounts": [],
    "Config": {
        "Hostname": OLD[:12],
        "User": "1000:1000",
        "Env": ["A=b"],
        "Cmd": ["sleep", "1000"],
        "Image": "tools",
        "Volumes": None,
        "WorkingDir": "/work",
        "Entrypoint": None,
        "Labels": {"team": "blue"},
        "StopTimeout": 3,
    },
    "NetworkSettings": {
        "Networks": {
            "n1": {
                "IPAMConfig": None,
                "Links": None,
                "Aliases": ["www", OLD[:12]],
                "NetworkID": "cd" * 32,
                "IPAddress": WEB.ipv4,
                "MacAddress": WEB.mac,
                "DriverOpts": None,
            }
        }
    },
}


def shown(**changes: Any) -> dict[str, Any]:
    """Show container web with some keys changed, each named as ``HostConfig__Memory``."""
    found = deepcopy(SHOWN)
    for path, value in changes.items():
        *parents, last = path.split("__")
        part = found
        for parent in parents:
            part = part[parent]
        part[last] = value
    return found


class Crash(Exception):
    """The agent is killed."""


class FakeEngine:
    """A Docker engine: containers as they are shown, by id. `broken` are the calls that Docker refuses."""

    def __init__(self, name: str, *, on_call: Callable[[str], None] = lambda _: None) -> None:
        self.name = name
        self.containers: dict[str, dict[str, Any]] = {}
        self.images = {"tools": ImageFacts(IMAGE_ID, frozenset({"tools@sha256:1"}))}
        self.registry: dict[str, ImageFacts] = {}
        self.known_networks = ["n1", "bridge"]
        self.broken: dict[str, Exception] = {}
        self.calls: list[str] = []
        self.made = 0
        self._on_call = on_call

    @property
    def running(self) -> list[str]:
        return [str(found["Name"]) for found in self.containers.values() if found["State"]["Running"]]

    def _call(self, name: str) -> None:
        self.calls.append(name)
        self._on_call(f"before {name}")
        if name in self.broken:
            raise self.broken[name]

    def _find(self, container: str) -> dict[str, Any] | None:
        named = (found for found in self.containers.values() if found["Name"] == f"/{container}")
        return self.containers.get(container) or next(named, None)

    async def inspect(self, container: str) -> dict[str, Any] | None:
        await asyncio.sleep(0)
        return deepcopy(self._find(container))

    async def create(self, name: str, config: dict[str, Any]) -> str:
        self._call("create")
        if self._find(name) is not None:
            raise EngineError(f"the name {name} is in use")
        self.made += 1
        key = f"{self.name}-{self.made}".ljust(64, "0").replace("h", "b").replace("-", "c")
        rest = {name: value for name, value in config.items() if name not in {"HostConfig", "NetworkingConfig"}}
        self.containers[key] = {
            "Id": key,
            "Name": f"/{name}",
            "Image": IMAGE_ID,
            "State": {"Status": "created", "Running": False},
            "Config": rest,
            "HostConfig": config["HostConfig"],
            "Mounts": [],
            "NetworkSettings": {"Networks": dict(config["NetworkingConfig"]["EndpointsConfig"])},
        }
        self._on_call("after create")
        return key

    async def connect(self, network: str, config: dict[str, Any]) -> None:
        self._call("connect")
        container = self.containers[config["Container"]]
        assert network not in container["NetworkSettings"]["Networks"]
        container["NetworkSettings"]["Networks"][network] = config["EndpointConfig"]
        self._on_call("after connect")

    async def disconnect(self, network: str, container: str) -> None:
        self._call("disconnect")
        del self.containers[container]["NetworkSettings"]["Networks"][network]
        self._on_call("after disconnect")

    async def start(self, container: str) -> None:
        self._call("start")
        self.containers[container]["State"] = {"Status": "running", "Running": True}
        self._on_call("after start")

    async def stop(self, container: str, seconds: int) -> None:
        self._call("stop")
        assert seconds == 3
        found = self.containers.get(container)
        if found is not None:
            found["State"] = {"Status": "exited", "Running": False}
            if found["HostConfig"]["AutoRemove"]:
                del self.containers[container]
        self._on_call("after stop")

    async def remove(self, container: str) -> None:
        self._call("remove")
        self.containers.pop(container, None)
        self._on_call("after remove")

    async def image(self, name: str) -> ImageFacts | None:
        by_id = (image for image in self.images.values() if image.id == name)
        return self.images.get(name) or next(by_id, None)

    async def pull(self, image: str, seconds: float) -> None:
        self._call("pull")
        if image not in self.registry:
            raise EngineError("no such image")
        self.images[image] = self.registry[image]

    async def networks(self) -> list[DockerNetwork]:
        return [
            DockerNetwork("id", name, "daoli", "", "", internal=False, labels={}, ours=True)
            for name in self.known_networks
        ]


class Fabric:
    """Hosts h1, where container web runs, and h2; the controller's record of moves; an agent on each."""

    def __init__(self, *, die_at: int | None = None, **changes: Any) -> None:
        """`die_at`: the agent at work is killed at this of all points."""
        self.points: list[str] = []
        self.worst = 1
        """How many containers ran at the same time."""
        self._die_at = die_at
        self.engines = {name: FakeEngine(name, on_call=partial(self._pass_at, name)) for name in ("h1", "h2")}
        self.engines["h1"].containers[OLD] = shown(**changes)
        self.mirror = Mirror(View())
        put(self.mirror, host(1), host(2), network(), WEB)
        entries = {"networks/n1": network().model_dump(mode="json")}
        self.worlds = {name: make_world(entries) for name in self.engines}
        self.settled: list[str] = []
        self.ports_taken: set[int] = set()
        self.agents: dict[str, Moves] = {}

    def _pass_at(self, name: str, point: str) -> None:
        self._pass(f"{name} {point}")

    def _pass(self, point: str) -> None:
        self.points.append(point)
        self.worst = max(self.worst, sum(len(engine.running) for engine in self.engines.values()))
        if len(self.points) - 1 == self._die_at:
            raise Crash(point)

    @property
    def move(self) -> Move:
        return self.mirror.moves["m1"]

    def begin(self, **fields: Any) -> None:
        """Begin the move of web to h2."""
        request = MoveRequest(container="web", to="h2", **fields)
        carry_out(self.mirror, plan_move(self.mirror, request, "m1", 1.0))
        self.tell()

    def tell(self) -> None:
        """Let all agents know the moves as they are."""
        for name, world in self.worlds.items():
            tell(world, {"moves/m1": self.move.model_dump(mode="json")}, connected=world.connected)
            if name in self.agents:
                self.agents[name].look()

    async def request(self, method: str, path: str, body: Any = None, *, timeout: float | None = None) -> Any:  # noqa: ASYNC109
        """Be the controller."""
        assert (method, path) == ("POST", "/moves/m1/reports")
        report = MoveReport.model_validate(body)
        self._pass(f"{report.host} before report")
        try:
            carry_out(self.mirror, plan_report(self.mirror, "m1", report, 2.0))
        except InventoryError as error:
            raise AssertionError(f"{report}: {error.detail}") from error
        asyncio.get_running_loop().call_soon(self.tell)
        self._pass(f"{report.host} after report")
        return {}

    async def vacate(self, addresses: list[str]) -> None:
        assert addresses == [WEB.ipv4]
        await asyncio.sleep(0)

    def _agent(self, name: str) -> Moves:
        return Moves(
            self.engines[name],
            self,
            self.worlds[name],
            name,
            vacate=self.vacate,
            port_free=lambda _address, _protocol, port: port not in self.ports_taken,
            settle=lambda: self.settled.append(name),
            retry_seconds=0,
            sign_seconds=1000,
        )

    async def _alive(self, name: str) -> None:
        """Run an agent; one that is killed is started again."""
        while True:
            self.agents[name] = self._agent(name)
            try:
                await self.agents[name].run()
            except* Crash:
                pass

    async def run(self) -> Move:
        """Run both agents until the move is over and they have nothing to do."""
        tasks = [asyncio.ensure_future(self._alive(name)) for name in self.engines]
        try:
            async with asyncio.timeout(5):
                quiet = 0
                while quiet < 20:
                    await asyncio.sleep(0)
                    quiet = 0 if worker_of(self.move) else quiet + 1
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return self.move
