"""The store's records in the view: the only writer of the record half of `routing.view.View`.

Nothing is asked for here, and nothing waits: what the store holds has happened. The view wants records that fit
together, so what does not, by another hand, is logged and left out until it does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address
from typing import NamedTuple, TypeVar, cast

import structlog

from daoli.hosts.claims import Claim, claims
from daoli.hosts.errors import Clash, Invalid, InventoryError
from daoli.hosts.lease import Lease
from daoli.hosts.move import Move
from daoli.hosts.publication import Publication
from daoli.hosts.rule import GroupSpec, RuleSpec
from daoli.hosts.spec import outside
from daoli.hosts.stored import Record, decode, endpoint_key, network_key
from daoli.routing.model import Endpoint, Host, Network, ipv4_text
from daoli.routing.view import View

R = TypeVar("R", Host, Network, Endpoint, Publication, Move, GroupSpec, RuleSpec)
Pair = tuple[R | None, R | None]

log = structlog.get_logger(__name__)


class Changed(NamedTuple):
    """What a batch changed in the view: the old and the new record of each, None for what was or is not there."""

    revision: int
    hosts: tuple[Pair[Host], ...]
    networks: tuple[Pair[Network], ...]
    endpoints: tuple[Pair[Endpoint], ...]
    publications: tuple[Pair[Publication], ...] = ()
    moves: tuple[Pair[Move], ...] = ()
    groups: tuple[Pair[GroupSpec], ...] = ()
    rules: tuple[Pair[RuleSpec], ...] = ()

    def pairs(self) -> list[tuple[Record | None, Record | None]]:
        """List the pairs of all kinds."""
        kinds = (self.publications, self.moves, self.groups, self.rules)
        return [*self.hosts, *self.networks, *self.endpoints, *(pair for kind in kinds for pair in kind)]


class Mirror:
    """The store's records in the view, and who claims what. Whatever the store holds, the view stays consistent."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.revision = 0
        self.revisions: dict[str, int] = {}
        """Of every key in the store, also of those that are not in the view."""
        self.leases: dict[str, Lease] = {}
        """By address."""
        self.publications: dict[str, Publication] = {}
        self.moves: dict[str, Move] = {}
        self.groups: dict[str, GroupSpec] = {}
        self.rules: dict[str, RuleSpec] = {}
        self._tables: dict[str, Mapping[str, Record]] = {
            "hosts": view.hosts,
            "networks": view.networks,
            "endpoints": view.endpoints,
            "leases": self.leases,
            "publications": self.publications,
            "moves": self.moves,
            "groups": self.groups,
            "rules": self.rules,
        }
        self._wanted: dict[str, Record] = {}
        self._left_out: dict[str, str] = {}
        self._claims: dict[str, str] = {}

    def shown(self, key: str) -> Record | None:
        """Find a record in the view by its key."""
        kind, _, name = key.partition("/")
        return self._tables.get(kind, {}).get(name)

    def records(self, *kinds: str) -> Iterator[Record]:
        """Walk all the records of some kinds."""
        for kind in kinds:
            yield from self._tables[kind].values()

    # -- may a record be there? ----------------------------------------------------------------------------------

    def fault(self, record: Record, released: set[str]) -> InventoryError | None:
        """Tell what keeps a record out of the view once the keys `released` have given up what they claim."""
        if isinstance(record, Endpoint):
            fault = self._misplaced(record)
        elif isinstance(record, Network):
            fault = self._overlap(record, released)
        else:
            fault = None
        return fault or self._taken(record, released)

    def _misplaced(self, endpoint: Endpoint) -> InventoryError | None:
        if endpoint.host not in self.view.hosts:
            return Invalid(f"there is no host {endpoint.host}", "host")
        network = self.view.networks.get(endpoint.network)
        if network is None:
            return Invalid(f"there is no network {endpoint.network}", "network")
        why = outside(IPv4Address(endpoint.ipv4), network.subnet)
        if why:
            return Invalid(why, "ipv4")
        if endpoint.ipv4 == network.gateway:
            return Invalid(f"{ipv4_text(endpoint.ipv4)} is the gateway of network {network.name}", "ipv4")
        return None

    def _overlap(self, network: Network, released: set[str]) -> InventoryError | None:
        for other in self.view.networks.values():
            if network.subnet.overlaps(other.subnet) and network_key(other.name) not in released:
                return Clash(f"{network.subnet} overlaps {other.subnet}, which is network {other.name}", "subnet")
        return None

    def _taken(self, record: Record, released: set[str]) -> InventoryError | None:
        for claim in claims(record):
            owner = self._claims.get(claim.what)
            if owner is not None and owner not in released:
                return Clash(f"{claim.what} is taken by {self._called(owner)}", claim.field)
        return None

    def _called(self, key: str) -> str:
        """Say whose a key is; an endpoint by its name, where it has one, since its id is Docker's."""
        kind, _, name = key.partition("/")
        record = self.shown(key)
        if isinstance(record, Endpoint) and record.name != record.id:
            return f"endpoint {record.name} on host {record.host}"
        return f"{kind.removesuffix('s')} {name}"

    # -- the one way into the view -------------------------------------------------------------------------------

    def apply(self, revision: int, changes: Iterable[tuple[str, bytes | None, int]]) -> Changed:
        """Take keys, values (None: deleted) and revisions, and bring the view as near to them as it may come."""
        batch = _Batch(self)
        left_out = dict(self._left_out)
        for key, value, at in changes:
            self._take(key, value, at)
            batch.touch(key)
        for key in left_out:
            batch.touch(key)
        self.revision = revision
        # What goes or moves gives up its claims first, so that two may exchange them within a batch. The view wants
        # endpoints to go before, and to come after, what they are on.
        for kind in reversed(self._tables):
            for key in batch.keys(kind):
                self._release(key, batch)
        for _ in range(2):  # what finds no place at first may fit in the place of what had to go later
            for kind in self._tables:
                for key in batch.keys(kind):
                    self._put(key, batch)
        for key, reason in self._left_out.items():
            if reason != left_out.get(key):
                log.error("inventory_entry_left_out", key=key, reason=reason)
        return batch.changed(revision)

    def _take(self, key: str, value: bytes | None, at: int) -> None:
        self._wanted.pop(key, None)
        if value is None:
            self.revisions.pop(key, None)
            self._left_out.pop(key, None)
            return
        self.revisions[key] = at
        try:
            record = decode(key, value)
        except ValueError as error:
            reason = str(error)
            log.error("inventory_entry_unreadable", key=key, revision=at, reason=reason)  # noqa: TRY400 - data, no bug
        else:
            if record is not None:
                self._wanted[key] = record

    def _release(self, key: str, batch: _Batch) -> None:
        old, new = self.shown(key), self._wanted.get(key)
        if old is None or old == new:
            return
        if new is None or not _in_place(old, new):
            self._take_out(key, batch)
        else:
            self._unclaim(key, set(claims(old)) - set(claims(new)))

    def _put(self, key: str, batch: _Batch) -> None:
        record = self._wanted.get(key)
        self._left_out.pop(key, None)
        if record is None or record == self.shown(key):
            return
        fault = self.fault(record, {key})
        if fault is None:
            self._show(key, record)
        else:
            self._take_out(key, batch)
            self._left_out[key] = fault.detail

    def _show(self, key: str, record: Record) -> None:
        match record:
            case Host():
                self.view.put_host(record)
            case Network():
                self.view.put_network(record)
            case Endpoint():
                self.view.put_endpoint(record)
            case Lease():
                self.leases[record.ipv4] = record
            case Publication():
                self.publications[record.id] = record
                self.view.doors.put_lead(record.record())
            case Move():
                self.moves[record.id] = record
            case GroupSpec():
                self.groups[record.name] = record
                self.view.policy.put_group(record.record())
            case RuleSpec():
                self.rules[record.id] = record
                self.view.policy.put_rule(record.record())
        for claim in claims(record):
            self._claims[claim.what] = key

    def _take_out(self, key: str, batch: _Batch) -> None:
        """Remove a record from the view with the endpoints on it, which are then looked at again."""
        record = self.shown(key)
        if record is None:
            return
        for endpoint in self._on(record):
            batch.touch(endpoint_key(endpoint.id))
            self._take_out(endpoint_key(endpoint.id), batch)
        self._unclaim(key, claims(record))
        self._remove(record)

    def _remove(self, record: Record) -> None:
        match record:
            case Host():
                self.view.remove_host(record.name)
            case Network():
                self.view.remove_network(record.name)
            case Endpoint():
                self.view.remove_endpoint(record.id)
            case Lease():
                del self.leases[record.ipv4]
            case Publication():
                del self.publications[record.id]
                self.view.doors.remove_lead(record.id)
            case Move():
                del self.moves[record.id]
            case GroupSpec():
                del self.groups[record.name]
                self.view.policy.remove_group(record.name)
            case RuleSpec():
                del self.rules[record.id]
                self.view.policy.remove_rule(record.id)

    def _on(self, record: Record) -> list[Endpoint]:
        match record:
            case Host():
                return list(self.view.endpoints_of(record.name))
            case Network():
                return [endpoint for endpoint in self.view.endpoints.values() if endpoint.network == record.name]
            case _:
                return []

    def _unclaim(self, key: str, given_up: Iterable[Claim]) -> None:
        for claim in given_up:
            if self._claims.get(claim.what) == key:
                del self._claims[claim.what]


class _Batch:
    """The keys that a batch concerns, in the order met, with what the view had before."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._before: dict[str, Record | None] = {}

    def touch(self, key: str) -> None:
        if key not in self._before:
            self._before[key] = self._mirror.shown(key)

    def keys(self, kind: str) -> list[str]:
        return [key for key in self._before if key.startswith(f"{kind}/")]

    def changed(self, revision: int) -> Changed:
        return Changed(
            revision,
            tuple(cast("Iterator[Pair[Host]]", self._pairs("hosts"))),
            tuple(cast("Iterator[Pair[Network]]", self._pairs("networks"))),
            tuple(cast("Iterator[Pair[Endpoint]]", self._pairs("endpoints"))),
            tuple(cast("Iterator[Pair[Publication]]", self._pairs("publications"))),
            tuple(cast("Iterator[Pair[Move]]", self._pairs("moves"))),
            tuple(cast("Iterator[Pair[GroupSpec]]", self._pairs("groups"))),
            tuple(cast("Iterator[Pair[RuleSpec]]", self._pairs("rules"))),
        )

    def _pairs(self, kind: str) -> Iterator[tuple[Record | None, Record | None]]:
        for key in self.keys(kind):
            before, after = self._before[key], self._mirror.shown(key)
            if before != after:
                yield before, after


def _in_place(old: Record, new: Record) -> bool:
    """Whether the view can take the new record for the old one without anything on it being moved."""
    match old, new:
        case Host(), Host():
            return old.dpid == new.dpid
        case Endpoint(), Endpoint():
            return new.same_way(old)
        case _:
            return False
