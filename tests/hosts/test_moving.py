"""Containers on their way from host to host: whose turn it is, and whose the addresses are."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast, get_args

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.hosts.records import carry_out, endpoint, host, network, put

from daoli.hosts.errors import Clash, InUse, Invalid, InventoryError, NotFound
from daoli.hosts.lease import LeaseRequest
from daoli.hosts.leasing import Release, Released, plan_lease_list, plan_leases
from daoli.hosts.mirror import Mirror
from daoli.hosts.move import HELD, NEXT, PATIENCE, WORKER, Move, MoveReport, MoveRequest, State
from daoli.hosts.moving import KEPT, find_move, overdue, plan_move, plan_overdue, plan_report, worker_of
from daoli.hosts.plans import plan_endpoint, plan_endpoint_removal, plan_host_removal, plan_network_removal
from daoli.hosts.publication import PublicationRequest
from daoli.hosts.publishing import plan_container_removal, plan_publication
from daoli.routing.view import View

OLD, NEW = "a" * 64, "b" * 64
STATES: tuple[State, ...] = get_args(State)
HERE = endpoint(1, name="web", container=OLD)
THERE = endpoint(9, name="web", host="h2", container=NEW, ipv4=HERE.ipv4, mac=HERE.mac)


@pytest.fixture
def moving(mirror: Mirror) -> Mirror:
    """A mirror with container web on h1, whose address is leased, and its move to h2."""
    put(mirror, HERE)
    carry_out(mirror, plan_leases(mirror, [LeaseRequest(host="h1", network="n1", ipv4=HERE.ipv4)], {})[0])
    carry_out(mirror, plan_move(mirror, MoveRequest(container="web", to="h2"), "m1", 1.0))
    return mirror


def report(mirror: Mirror, state: State, host_name: str | None = None, **fields: Any) -> Move:
    """Report as the host whose turn it is."""
    turn = host_name or worker_of(mirror.moves["m1"]) or "h1"
    told = MoveReport(host=turn, state=state, **({"blueprint": {"Image": "web"}} | fields))
    carry_out(mirror, plan_report(mirror, "m1", told, 2.0))
    return mirror.moves["m1"]


def lease_owner(mirror: Mirror) -> str | None:
    """Tell who has the container's address."""
    lease = mirror.leases.get(HERE.ipv4)
    return lease.host if lease else None


def test_table() -> None:
    """Every state can be reached and, until the move is over, left; only states that wait for an agent have one."""
    assert {"preparing", *NEXT.values()} == set(STATES)
    assert {state for state, _ in NEXT} == set(WORKER) == set(STATES) - {"done", "failed"}
    assert all((state, state) in NEXT for state in WORKER)
    assert set(PATIENCE) | HELD | {"removing"} == set(WORKER)


def test_all_goes_well(moving: Mirror) -> None:
    """Lease, endpoint and published port follow the container, each in the commit of its step."""
    carry_out(moving, plan_publication(moving, PublicationRequest(port=80, target="web"), "p1"))
    assert report(moving, "checking").blueprint == {"Image": "web"}
    report(moving, "stopping")
    assert (lease_owner(moving), list(moving.view.endpoints)) == ("h1", ["e1"])
    report(moving, "starting")
    assert (lease_owner(moving), list(moving.view.endpoints)) == ("h2", [])
    carry_out(moving, plan_endpoint(moving, THERE))
    assert moving.publications["p1"].container == OLD
    assert report(moving, "removing").new_container == NEW
    assert moving.publications["p1"].container == NEW
    carry_out(moving, plan_container_removal(moving, OLD))
    done = report(moving, "done")
    assert (done.state, done.blueprint, worker_of(done)) == ("done", None, None)
    assert (lease_owner(moving), list(moving.view.endpoints), list(moving.publications)) == ("h2", ["e9"], ["p1"])


def test_new_container_is_told(moving: Mirror) -> None:
    """A port follows to the container that the target reports, though its endpoint is not known yet."""
    carry_out(moving, plan_publication(moving, PublicationRequest(port=80, target="web"), "p1"))
    for state in ("checking", "stopping", "starting"):
        report(moving, state)
    report(moving, "starting", container=NEW, detail="created")
    report(moving, "removing")
    assert moving.publications["p1"].container == NEW


def test_does_not_start(moving: Mirror) -> None:
    """A container that does not start on the target gets its address back, and the target's endpoint goes."""
    for state in ("checking", "stopping", "starting"):
        report(moving, state)
    carry_out(moving, plan_endpoint(moving, THERE))
    report(moving, "restoring", detail="no such image")
    assert (lease_owner(moving), list(moving.view.endpoints)) == ("h1", [])
    carry_out(moving, plan_endpoint(moving, HERE))
    failed = report(moving, "failed", detail="no such image")
    assert (failed.state, failed.detail, failed.blueprint) == ("failed", "no such image", None)


def test_address_is_kept(moving: Mirror) -> None:
    """While the container is stopped nobody can give up its address, by itself or by a list; nor can its network go."""
    for state in ("checking", "stopping"):
        report(moving, state)
    carry_out(moving, plan_endpoint_removal(moving, "e1"))
    plan, answers = plan_leases(moving, [Release(HERE.ipv4, "h1")], {})
    assert (plan.changes, answers) == ({}, [Released(HERE.ipv4, "m1")])
    assert plan_lease_list(moving, "h1", [], {})[0].changes == {}
    with pytest.raises(InUse, match="web on its way to h2"):
        plan_network_removal(moving, "n1")
    report(moving, "starting")
    _, (answer,) = plan_leases(moving, [LeaseRequest(host="h1", network="n1", ipv4=HERE.ipv4)], {})
    assert str(answer) == f"{HERE.ipv4} is leased by host h2 (a container on the move, m1)"
    assert plan_lease_list(moving, "h2", [], {})[0].changes == {}
    for state in ("removing", "done"):
        report(moving, cast("State", state))
    assert plan_lease_list(moving, "h2", [], {})[1].removed == (HERE.ipv4,)


def test_addresses_of_the_last_moment(moving: Mirror) -> None:
    """A network that the container was connected to while the move was prepared moves along."""
    put(moving, network(2), endpoint(2, name="web", container=OLD, network="n2", ipv4="10.2.0.9"))
    assert [a.ipv4 for a in moving.moves["m1"].addresses] == [HERE.ipv4]
    report(moving, "checking")
    assert [a.ipv4 for a in report(moving, "stopping").addresses] == [HERE.ipv4, "10.2.0.9"]
    assert moving.leases["10.2.0.9"].host == "h1"


@pytest.mark.parametrize(
    ("fields", "error", "field", "words"),
    [
        ({"container": "mail"}, NotFound, "container", "no running container has the id or name mail"),
        ({"to": "h9"}, Invalid, "to", "there is no host h9"),
        ({"to": "h1"}, Invalid, "to", "container web is on host h1 already"),
        ({}, Clash, "container", "container web is on its way to h2 (move m1)"),
    ],
)
def test_refused(moving: Mirror, fields: dict[str, str], error: type[InventoryError], field: str, words: str) -> None:
    """A move that makes no sense is refused by field."""
    request = MoveRequest.model_validate({"container": "web", "to": "h2"} | fields)
    with pytest.raises(error) as caught:
        plan_move(moving, request, "m2", 1.0)
    assert (caught.value.field, caught.value.detail) == (field, words)


def test_reports_that_do_not_fit(moving: Mirror) -> None:
    """A report of the wrong host or for a state that does not follow is refused; one that was taken changes nothing."""
    with pytest.raises(Clash, match="move m1 is preparing: it is the turn of host h1") as caught:
        report(moving, "checking", "h2")
    assert caught.value.field == "host"
    with pytest.raises(Clash, match="a move that is preparing does not go to starting") as caught:
        report(moving, "starting")
    assert caught.value.field == "state"
    with pytest.raises(Invalid, match="the target needs it"):
        report(moving, "checking", blueprint=None)
    report(moving, "checking")
    before = moving.revision
    report(moving, "checking", "h1")
    assert moving.moves["m1"].updated == 2.0
    assert moving.revision == before + 1  # the test's empty commit
    report(moving, "failed")
    with pytest.raises(Clash, match="move m1 is failed: it is over"):
        report(moving, "stopping", "h2")
    with pytest.raises(NotFound):
        find_move(moving, "m9")


def test_silent_agent(moving: Mirror) -> None:
    """A move whose agent says nothing fails while nothing has happened, and is left as it is afterwards."""
    assert overdue(moving, 31.0) == []
    assert plan_overdue(moving, 31.0).changes == {}
    assert [move.id for move in overdue(moving, 31.5)] == ["m1"]
    (failed,) = plan_overdue(moving, 32.0).changes.values()
    assert isinstance(failed, Move)
    assert (failed.state, failed.detail) == ("failed", "host h1 said nothing for 31 seconds while preparing")
    for state in ("checking", "stopping"):
        report(moving, state)
    assert overdue(moving, 1e9) == []


def test_silent_before(moving: Mirror) -> None:
    """Silence counts from when agents could be heard at all."""
    assert overdue(moving, 100.0, 90.0) == []
    assert plan_overdue(moving, 100.0, 90.0).changes == {}
    assert [move.id for move in overdue(moving, 121.0, 90.0)] == ["m1"]


def test_silent_target(moving: Mirror) -> None:
    """A container that is stopped is started again at its source when the target says nothing; its address is back."""
    for state in ("checking", "stopping", "starting"):
        report(moving, state)
    carry_out(moving, plan_endpoint(moving, THERE))
    carry_out(moving, plan_overdue(moving, 63.0))
    move = moving.moves["m1"]
    assert (move.state, move.detail, move.updated) == (
        "restoring",
        "host h2 said nothing for 61 seconds while starting",
        63.0,
    )
    assert move.blueprint is not None
    assert (lease_owner(moving), list(moving.view.endpoints)) == ("h1", [])
    with pytest.raises(Clash, match="it is the turn of host h1"):
        report(moving, "removing", "h2")


def test_removes_itself(moving: Mirror) -> None:
    """A port goes on leading to a container that removes itself when it is stopped, and is made anew at its source."""
    carry_out(moving, plan_publication(moving, PublicationRequest(port=80, target="web"), "p1"))
    for state in ("checking", "stopping"):
        report(moving, state, container="c" * 64 if state == "stopping" else None)
    carry_out(moving, plan_container_removal(moving, OLD))
    report(moving, "starting")
    report(moving, "restoring")
    assert moving.publications["p1"].container == OLD
    failed = report(moving, "failed", container=NEW)
    assert moving.publications["p1"].container == NEW
    assert failed.new_container == "c" * 64  # of the target, which may still have it
    carry_out(moving, plan_container_removal(moving, NEW))
    assert moving.publications == {}


def test_sign_of_life(moving: Mirror) -> None:
    """The present state again tells what is going on, and that the agent lives."""
    report(moving, "checking")
    alive = report(moving, "checking", detail="pulling the image")
    assert (alive.state, alive.detail, alive.updated) == ("checking", "pulling the image", 2.0)


def test_host_leaves(moving: Mirror) -> None:
    """A move fails when one of its hosts leaves."""
    carry_out(moving, plan_host_removal(moving, "h2"))
    assert (moving.moves["m1"].state, moving.moves["m1"].detail) == ("failed", "host h2 has left")


def test_old_moves_are_forgotten(moving: Mirror) -> None:
    """The last hundred that are over are kept, and all that are under way."""
    for number in range(2, KEPT + 5):
        put(moving, endpoint(2, name="db", container=f"{number:064x}"))
        carry_out(moving, plan_move(moving, MoveRequest(container="db", to="h2"), f"m{number}", float(number)))
        told = MoveReport(host="h1", state="failed")
        carry_out(moving, plan_report(moving, f"m{number}", told, float(number)))
    assert len(moving.moves) == KEPT + 1
    assert {"m1", f"m{KEPT + 4}"} <= set(moving.moves)
    assert "m2" not in moving.moves


class OnTheMove(RuleBasedStateMachine):
    """Reports of any kind by anybody, while agents release and list addresses: the container's is not lost."""

    @initialize()
    def begin(self) -> None:
        """Begin a move."""
        self.mirror = Mirror(View())
        put(self.mirror, host(1), host(2), network(), HERE)
        carry_out(self.mirror, plan_move(self.mirror, MoveRequest(container="web", to="h2"), "m1", 1.0))

    @rule(state=st.sampled_from(STATES), name=st.sampled_from(["h1", "h2"]))
    def report(self, state: State, name: str) -> None:
        """Report something."""
        before = self.mirror.moves["m1"]
        try:
            after = report(self.mirror, state, name)
        except InventoryError:
            assert self.mirror.moves["m1"] == before
        else:
            if name == worker_of(before):
                assert after.state == NEXT[before.state, state]
            else:
                assert after == before

    @rule(name=st.sampled_from(["h1", "h2"]), give_back=st.booleans())
    def release(self, name: str, give_back: bool) -> None:
        """Release the address, or send a list without it."""
        if give_back:
            carry_out(self.mirror, plan_leases(self.mirror, [Release(HERE.ipv4, name)], {})[0])
        else:
            carry_out(self.mirror, plan_lease_list(self.mirror, name, [], {})[0])

    @rule(there=st.booleans())
    def post(self, there: bool) -> None:
        """Post the endpoint of the old or the new container."""
        with suppress(InventoryError):
            carry_out(self.mirror, plan_endpoint(self.mirror, THERE if there else HERE))

    @rule(there=st.booleans())
    def stop(self, there: bool) -> None:
        """Remove the endpoint of the old or the new container."""
        with suppress(NotFound):
            carry_out(self.mirror, plan_endpoint_removal(self.mirror, THERE.id if there else HERE.id))

    @invariant()
    def kept(self) -> None:
        """While the container is stopped its address is leased to the host that is to start it."""
        move = self.mirror.moves["m1"]
        if move.state in HELD:
            assert lease_owner(self.mirror) == worker_of(move)
        assert all(e.host == (lease_owner(self.mirror) or e.host) for e in self.mirror.view.endpoints.values())


TestOnTheMove = OnTheMove.TestCase
TestOnTheMove.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
