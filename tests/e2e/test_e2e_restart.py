"""The controller dies, and nobody's traffic notices; it comes back, and takes up what it finds."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from tests.e2e.rig import (
    PAIR,
    PATIENCE,
    RECONNECT,
    STATIC,
    STATIC_FLOWS,
    Pinger,
    Rig,
    flows_between,
    live,
    number,
    reaches,
    unanswered,
)
from tests.e2e.traffic import TcpEcho, TcpTransfer

from daoli.lab import Endpoint, Host, LabError, wait_until
from daoli.lab.session import Controller

pytestmark = pytest.mark.e2e


@pytest.fixture
def sound(rig: Rig) -> Iterator[Rig]:
    """Lend the rig to a test that ends the controller, and see to it that one runs afterwards."""
    try:
        yield rig
    finally:
        try:
            rig.controller.get("/healthz")
        except OSError:
            rig.controller.start()
        rig.wait_settled()


def ages(host: Host, one: Endpoint, other: Endpoint) -> dict[tuple[str, str, str], float]:
    """How many seconds ago each flow of a pair was installed, by cookie, source and direction."""
    return {
        (number(flow, "cookie"), number(flow, "nw_src"), number(flow, "in_port")): float(
            number(flow, "duration").rstrip("s")
        )
        for flow in flows_between(host, one.ip, other.ip)
    }


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_restart_under_traffic(sound: Rig, end: str) -> None:
    """A TCP transfer goes on while the controller is away and back; its flows stay, and are adopted as a live route."""
    rig = sound
    one, other = rig.pair()
    near = rig.add("h1")
    with TcpEcho(other), TcpTransfer(one, other.ip) as transfer, Pinger(one, near.ip) as pinger:
        transfer.go_on()
        pinger.wait_for(5)
        assert reaches(other, near.ip)
        before = {host: ages(rig[host], one, other) for host in ("h1", "h2")}
        known = rig.route(one, other)
        assert known is not None
        began = time.monotonic()
        code = rig.controller.kill() if end == "kill" else rig.controller.stop()
        assert code == (-9 if end == "kill" else 0)
        assert time.monotonic() - began < 5
        transfer.go_on(50)
        rig.controller.start()
        rig.wait_settled()
        transfer.go_on()
        after = {host: ages(rig[host], one, other) for host in ("h1", "h2")}
        assert {host: set(flows) for host, flows in after.items()} == {h: set(flows) for h, flows in before.items()}
        for host, flows in after.items():
            assert all(age > before[host][flow] for flow, age in flows.items()), "none was installed anew"
            assert len(live(rig[host], STATIC)) == STATIC_FLOWS
        adopted = rig.route(one, other)
        assert adopted is not None
        assert adopted["id"] == known["id"]
        assert {adopted["source"], adopted["destination"]} == {one.id, other.id}
        assert adopted["packets"]
        assert rig.route(one, near) is not None
        transfer.go_on()
        lost = pinger.stop()
        assert lost == []
    with rig.watching() as wait_for:
        wait_for("route.closed", route=known["id"], why="idle")
    wait_until(lambda: not flows_between(rig["h1"], one.ip, other.ip), PATIENCE)
    assert reaches(one, other.ip), "a new conversation, under the new controller"


def test_everything_answered_is_kept(sound: Rig) -> None:
    """Whatever POST and DELETE answered is there after SIGKILL, also when it comes in the middle of others."""
    rig = sound
    answered: list[str] = []
    gone: list[str] = []
    stop = threading.Event()

    def write(worker: int) -> None:
        for serial in range(1000):
            name = f"w{worker}-{serial}"
            subnet = f"172.{16 + worker}.{serial % 256}.0/24"
            try:
                if rig.controller.post("/networks", {"name": name, "subnet": subnet}).status == 201:
                    answered.append(name)
                if serial % 3 == 2 and rig.controller.delete(f"/networks/{name}").status == 200:
                    gone.append(name)
            except (OSError, ValueError):
                return
            if stop.is_set() or serial == 255:
                return

    workers = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for worker in workers:
        worker.start()
    wait_until(lambda: len(answered) > 40, PATIENCE)
    rig.controller.kill()
    stop.set()
    for worker in workers:
        worker.join(PATIENCE)
    rig.controller.start()
    names = {network["name"] for network in rig.get("/networks")["networks"]}
    # One whose DELETE was under way may be there or not; nothing that was answered may be lost or come back.
    deleting = {name for name in answered if int(name.partition("-")[2]) % 3 == 2} - set(gone)
    assert set(answered) - set(gone) - deleting <= names
    assert not set(gone) & names
    assert len(rig.get("/endpoints")["endpoints"]) == 4
    for name in names - {"dnet1", "dnet2"}:
        rig.delete(f"/networks/{name}")
    assert [host["name"] for host in rig.get("/hosts")["hosts"]] == ["h1", "h2"]


def test_changes_while_a_switch_is_away(sound: Rig) -> None:
    """What changed while a datapath could not be told is put right when it connects: wrong flows go, others stay."""
    rig = sound
    one, other = rig.pair()
    friend = rig.add("h2")
    with Pinger(one, other.ip) as wrong, Pinger(one, friend.ip) as right:
        wrong.wait_for(3)
        right.wait_for(3)
        before = ages(rig["h2"], one, friend)
        rig["h2"].vsctl("set-controller", "daoli", "tcp:127.0.0.1:9")
        wait_until(lambda: not rig.status("h2")["connected"], PATIENCE)
        answer = rig.delete(f"/endpoints/{other.id}")
        assert answer["unconfirmed"] == ["h2"]
        assert flows_between(rig["h2"], one.ip, other.ip), "it could not be told"
        rig["h2"].vsctl("set-controller", "daoli", rig.lab.plan.controller)
        rig.wait_settled("h2")
        assert flows_between(rig["h2"], one.ip, other.ip) == []
        after = ages(rig["h2"], one, friend)
        assert set(after) == set(before)
        right.wait_for(3)
        lost = right.stop()
        assert lost == []
        wrong.stop()


def test_only_one_controller_per_state(sound: Rig) -> None:
    """A second controller on the same state folder refuses to start, and the first one goes on."""
    rig = sound
    second = Controller(rig.lab, "--openflow-listen", "127.0.0.1:0", name="second")
    second.state = rig.controller.state
    with pytest.raises(LabError, match=r"did not start:\ndaoli: .*controller\.state"):
        second.start()
    assert rig.controller.get("/readyz").status == 200


def test_two_controllers_side_by_side(sound: Rig) -> None:
    """Two controllers with a state each know nothing of each other."""
    rig = sound
    with Controller(rig.lab, "--openflow-listen", "127.0.0.1:0", name="other") as other:
        assert other.get("/hosts").body == {"hosts": [], "unregistered": []}
        assert other.post("/networks", {"name": "alone", "subnet": "10.99.0.0/24"}).status == 201
        assert rig.controller.get("/networks/alone").status == 404


def test_new_conversations_wait_for_the_controller(sound: Rig) -> None:
    """While the controller is away new conversations do not open; they do by themselves when it is back."""
    rig = sound
    one, other = rig.pair()
    rig.controller.kill()
    assert unanswered(one, other.ip)
    with Pinger(one, other.ip, 0.1) as pinger:
        rig.controller.start()
        wait_until(lambda: pinger.answers > 3, RECONNECT)
        pinger.stop()
    assert live(rig["h1"], PAIR)


def test_idle_ends_while_away(sound: Rig) -> None:
    """Routes that idled out while nobody was told are not taken for live ones later."""
    rig = sound
    one, other = rig.pair()
    assert reaches(one, other.ip)
    rig.controller.kill()
    wait_until(lambda: not flows_between(rig["h1"], one.ip, other.ip), PATIENCE)
    wait_until(lambda: not flows_between(rig["h2"], one.ip, other.ip), PATIENCE)
    rig.controller.start()
    rig.wait_settled()
    assert rig.route(one, other) is None
    assert reaches(one, other.ip)
