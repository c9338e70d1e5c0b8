"""Hosts, networks and endpoints: checks what is asked for, commits it to the store, and keeps the view the same.

The only writer of the record half of `routing.view.View`. There is one way into the view: the store's watch, for our
own commits as for another controller's; a write returns once its commit has come back that way. Every write also takes
the `GUARD` key from the revision that the checks were made at, so that no two writers can each be right alone and wrong
together. What is inconsistent in the store all the same, by another hand, is logged and left out of the view.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import AddressValueError, IPv4Address
from typing import Final, NamedTuple, Self, TypeVar, cast

import structlog
from pydantic import ValidationError

from daoli.hosts.spec import EndpointSpec, HostSpec, ListedEndpoint, NetworkSpec, faults, outside
from daoli.routing.model import Endpoint, Host, Network, dpid_text, ipv4_text, mac_text
from daoli.routing.view import View
from daoli.store.base import ABSENT, Change, Conflict, Store, StoreUnavailable, WatchLost

GUARD: Final = "inventory"
ATTEMPTS: Final = 8
"""How often a write is checked anew because another controller was faster."""
RETRY_SECONDS: Final = 1.0
"""How long to wait before a store that failed is asked again: it may be another machine that restarts."""
NAMED: Final = 5
"""How many things an error names before it only counts them."""

Record = Host | Network | Endpoint
R = TypeVar("R", Host, Network, Endpoint)
T = TypeVar("T")
Pair = tuple[R | None, R | None]

log = structlog.get_logger(__name__)


class InventoryError(Exception):
    """A request that cannot be met: a sentence, and the field at fault where it is one field's."""

    def __init__(self, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field

    def within(self, path: str) -> Self:
        """Say the same of a part of a larger request."""
        return type(self)(self.detail, f"{path}.{self.field}" if self.field else path)


class Invalid(InventoryError):
    """What was asked for makes no sense, here or anywhere."""


class Clash(InventoryError):
    """Something else has what was asked for."""


class NotFound(InventoryError):
    """There is nothing of that name."""


class InUse(InventoryError):
    """It cannot go while others need it."""


class Changed(NamedTuple):
    """What a batch changed in the view: the old and the new record of each, None for what was or is not there."""

    revision: int
    hosts: tuple[Pair[Host], ...]
    networks: tuple[Pair[Network], ...]
    endpoints: tuple[Pair[Endpoint], ...]


class Difference(NamedTuple):
    """The ids of the endpoints that a write concerned."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did. Where nothing had to change, `revision` is that of the inventory as it is."""

    revision: int
    changed: bool
    created: bool = False
    endpoints: Difference = field(default_factory=Difference)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a write wants: records by key, None to remove."""

    changes: dict[str, Record | None]
    created: bool = False
    endpoints: Difference = field(default_factory=Difference)


def host_key(name: str) -> str:
    """Name the store's key of a host."""
    return f"hosts/{name}"


def network_key(name: str) -> str:
    """Name the store's key of a network."""
    return f"networks/{name}"


def endpoint_key(endpoint_id: str) -> str:
    """Name the store's key of an endpoint."""
    return f"endpoints/{endpoint_id}"


SPECS: Final[dict[str, type[HostSpec | NetworkSpec | EndpointSpec]]] = {
    "hosts": HostSpec,
    "networks": NetworkSpec,
    "endpoints": EndpointSpec,
}


def decode(key: str, value: bytes) -> Record | None:
    """Read a stored value; None for keys that are not the inventory's.

    Raises:
        ValueError: the value is not what the key says.
    """
    kind, _, name = key.partition("/")
    if kind not in SPECS or not name:
        return None
    try:
        record = SPECS[kind].model_validate_json(value).record()
    except ValidationError as error:
        raise ValueError("; ".join(f"{fault.field}: {fault.detail}" for fault in faults(error))) from error
    if name != (record.id if isinstance(record, Endpoint) else record.name):
        raise ValueError("the value is of another name")
    return record


def encode(record: Record) -> bytes:
    """Write a value as `decode` reads it."""
    match record:
        case Host():
            return HostSpec.of(record).stored()
        case Network():
            return NetworkSpec.of(record).stored()
        case Endpoint():
            return EndpointSpec.of(record).stored()


class Claim(NamedTuple):
    """Something that only one record may have, told so that it names itself, and the field that claims it."""

    field: str
    what: str


def claims(record: Record) -> tuple[Claim, ...]:
    """List what a record claims. A host claims its uplink among the ports of its endpoints."""
    match record:
        case Host(name=name, dpid=dpid, address=address, uplink=uplink):
            return (
                Claim("dpid", f"dpid {dpid_text(dpid)}"),
                Claim("address", f"underlay address {ipv4_text(address)}"),
                Claim("uplink", f"port {uplink} of host {name}"),
            )
        case Endpoint(host=host, mac=mac, ipv4=ipv4, port=port):
            return (
                Claim("ipv4", f"address {ipv4_text(ipv4)}"),
                Claim("mac", f"MAC {mac_text(mac)}"),
                Claim("port", f"port {port} of host {host}"),
            )
        case _:
            return ()


class Mirror:
    """The store's records in the view, and who claims what. Whatever the store holds, the view stays consistent."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.revision = 0
        self.revisions: dict[str, int] = {}
        """Of every key in the store, also of those that are not in the view."""
        self._wanted: dict[str, Record] = {}
        self._left_out: dict[str, str] = {}
        self._claims: dict[str, str] = {}

    def shown(self, key: str) -> Record | None:
        """Find a record in the view by its key."""
        kind, _, name = key.partition("/")
        match kind:
            case "hosts":
                return self.view.hosts.get(name)
            case "networks":
                return self.view.networks.get(name)
            case "endpoints":
                return self.view.endpoints.get(name)
            case _:
                return None

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
                kind, _, name = owner.partition("/")
                return Clash(f"{claim.what} is taken by {kind.removesuffix('s')} {name}", claim.field)
        return None

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
        for kind in ("endpoints", "networks", "hosts"):
            for key in batch.keys(kind):
                self._release(key, batch)
        for _ in range(2):  # what finds no place at first may fit in the place of what had to go later
            for kind in ("hosts", "networks", "endpoints"):
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
        match record:
            case Host():
                self.view.remove_host(record.name)
            case Network():
                self.view.remove_network(record.name)
            case Endpoint():
                self.view.remove_endpoint(record.id)

    def _on(self, record: Record) -> list[Endpoint]:
        match record:
            case Host():
                return list(self.view.endpoints_of(record.name))
            case Network():
                return [endpoint for endpoint in self.view.endpoints.values() if endpoint.network == record.name]
            case Endpoint():
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
            return replace(new, name=old.name, labels=old.labels) == old
        case _:
            return False


class Inventory:
    """Hosts, networks and endpoints as the store has them; `run` must go on for writes to return."""

    def __init__(self, store: Store, view: View, *, retry_seconds: float = RETRY_SECONDS) -> None:
        self.view = view
        self._store = store
        self._retry_seconds = retry_seconds
        self._mirror = Mirror(view)
        self._listeners: list[Callable[[Changed], None]] = []
        self._turn = asyncio.Lock()
        self._progress = asyncio.Event()
        self._loaded = False
        self._ended = False

    @property
    def revision(self) -> int:
        """The revision of the store that the view is at."""
        return self._mirror.revision

    def subscribe(self, listener: Callable[[Changed], None]) -> None:
        """Have `listener` called after each batch that changed the view, in order, before the write returns."""
        self._listeners.append(listener)

    # -- following the store -------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read everything, and apply what differs from what is known."""
        snapshot = await self._store.read()
        known = self._mirror.revisions
        gone = known.keys() - {entry.key for entry in snapshot.entries}
        changes: list[tuple[str, bytes | None, int]] = [(key, None, snapshot.revision) for key in sorted(gone)]
        changes += [(key, value, at) for key, value, at in snapshot.entries if known.get(key) != at]
        self._loaded = True
        self._follow(snapshot.revision, changes)

    async def run(self) -> None:
        """Follow the store until it is closed."""
        try:
            while True:
                try:
                    if not self._loaded:
                        await self.load()
                    async for applied in self._store.watch(self.revision):
                        self._follow(applied.revision, applied.changes)
                except WatchLost as lost:
                    log.warning("inventory_watch_lost", since=lost.since)
                    self._loaded = False
                except StoreUnavailable as error:
                    log.warning("inventory_store_unavailable", reason=error.reason)
                    await asyncio.sleep(self._retry_seconds)
                else:
                    return
        finally:
            self._ended = True
            self._wake()

    def _follow(self, revision: int, changes: Iterable[tuple[str, bytes | None, int]]) -> None:
        changed = self._mirror.apply(revision, changes)
        if changed.hosts or changed.networks or changed.endpoints:
            for listener in self._listeners:
                listener(changed)
        self._wake()

    def _wake(self) -> None:
        progress, self._progress = self._progress, asyncio.Event()
        progress.set()

    async def _reached(self, revision: int) -> None:
        while self.revision < revision:
            if self._ended:
                raise StoreUnavailable("the inventory no longer follows the store")
            await self._progress.wait()

    # -- writing -------------------------------------------------------------------------------------------------

    async def put_host(self, spec: HostSpec) -> Written:
        """Register a host, or change what may change of it; Clash where another has its name, dpid or address."""
        return await self._write(lambda: self._plan_host(spec))

    async def remove_host(self, name: str) -> Written:
        """Remove a host with its endpoints."""
        return await self._write(lambda: self._plan_host_removal(name))

    async def put_network(self, spec: NetworkSpec) -> Written:
        """Make a network; Clash where its subnet or gateway is not that of the one there is, or overlaps another."""
        return await self._write(lambda: self._plan_network(spec))

    async def remove_network(self, name: str) -> Written:
        """Remove a network; InUse while it has endpoints."""
        return await self._write(lambda: self._plan_network_removal(name))

    async def put_endpoint(self, spec: EndpointSpec) -> Written:
        """Put an endpoint where it is now; Clash where another has its address, MAC or port."""
        return await self._write(lambda: self._plan_endpoint(spec))

    async def remove_endpoint(self, endpoint_id: str) -> Written:
        """Remove an endpoint."""
        return await self._write(lambda: self._plan_endpoint_removal(endpoint_id))

    async def replace_endpoints(self, host: str, specs: Sequence[ListedEndpoint]) -> Written:
        """Take the whole list of a host's endpoints, all or nothing; an endpoint of another host moves here."""
        return await self._write(lambda: self._plan_list(host, specs))

    async def _write(self, make_plan: Callable[[], _Plan]) -> Written:
        async with self._turn:
            for _ in range(ATTEMPTS):
                at = self.revision
                plan = make_plan()
                if not plan.changes:
                    return Written(at, changed=False)
                try:
                    revision = await self._store.commit(self._changes(plan))
                except Conflict as conflict:
                    # Another controller's commit is on its way to us, if it is not here by now.
                    await self._reached(max(at + 1, conflict.actual))
                    continue
                await self._reached(revision)
                return Written(revision, changed=True, created=plan.created, endpoints=plan.endpoints)
            raise StoreUnavailable(f"other controllers were faster {ATTEMPTS} times")

    def _changes(self, plan: _Plan) -> list[Change]:
        at = self._mirror.revisions
        changes = [Change(GUARD, b"", at.get(GUARD, ABSENT))]
        for key, record in plan.changes.items():
            changes.append(Change(key, None if record is None else encode(record), at.get(key, ABSENT)))
        return changes

    def _plan_host(self, spec: HostSpec) -> _Plan:
        host, old = spec.record(), self.view.hosts.get(spec.name)
        if old == host:
            return _Plan({})
        if old is not None and old.dpid != host.dpid:
            raise Clash(f"{host.name} is another machine, with dpid {dpid_text(old.dpid)}", "name")
        self._check(host, {host_key(host.name)})
        return _Plan({host_key(host.name): host}, created=old is None)

    def _plan_host_removal(self, name: str) -> _Plan:
        self.host(name)
        gone = tuple(endpoint.id for endpoint in self.view.endpoints_of(name))
        keys = [host_key(name), *map(endpoint_key, gone)]
        return _Plan(dict.fromkeys(keys), endpoints=Difference(removed=gone))

    def _plan_network(self, spec: NetworkSpec) -> _Plan:
        network, old = spec.record(), self.view.networks.get(spec.name)
        if old is None:
            self._check(network, {network_key(network.name)})
            return _Plan({network_key(network.name): network}, created=True)
        if old.subnet != network.subnet:
            raise Clash(f"network {old.name} has the subnet {old.subnet}", "subnet")
        if spec.gateway is not None and old.gateway != network.gateway:
            raise Clash(f"network {old.name} has the gateway {ipv4_text(old.gateway)}", "gateway")
        return _Plan({})

    def _plan_network_removal(self, name: str) -> _Plan:
        self.network(name)
        users = sorted(endpoint.id for endpoint in self.view.endpoints.values() if endpoint.network == name)
        if users:
            more = f" and {len(users) - NAMED} more" if len(users) > NAMED else ""
            raise InUse(f"network {name} has endpoints: {', '.join(users[:NAMED])}{more}")
        return _Plan({network_key(name): None})

    def _plan_endpoint(self, spec: EndpointSpec) -> _Plan:
        endpoint, old = spec.record(), self.view.endpoints.get(spec.id)
        if old == endpoint:
            return _Plan({})
        self._check(endpoint, {endpoint_key(endpoint.id)})
        ids = (endpoint.id,)
        difference = Difference(added=ids) if old is None else Difference(changed=ids)
        return _Plan({endpoint_key(endpoint.id): endpoint}, created=old is None, endpoints=difference)

    def _plan_endpoint_removal(self, endpoint_id: str) -> _Plan:
        self.endpoint(endpoint_id)
        return _Plan({endpoint_key(endpoint_id): None}, endpoints=Difference(removed=(endpoint_id,)))

    def _plan_list(self, host: str, specs: Sequence[ListedEndpoint]) -> _Plan:
        self.host(host)
        listed = [spec.at(host).record() for spec in specs]
        known = self.view.endpoints
        removed = {endpoint.id for endpoint in self.view.endpoints_of(host)} - {endpoint.id for endpoint in listed}
        released = {endpoint_key(endpoint_id) for endpoint_id in removed}
        released |= {endpoint_key(endpoint.id) for endpoint in listed}
        seen: dict[str, int] = {}
        for index, endpoint in enumerate(listed):
            try:
                self._check_listed(endpoint, index, host, seen)
                self._check(endpoint, released)
            except InventoryError as error:
                raise error.within(f"endpoints[{index}]") from None
        difference = Difference(
            tuple(endpoint.id for endpoint in listed if endpoint.id not in known),
            tuple(endpoint.id for endpoint in listed if endpoint != known.get(endpoint.id, endpoint)),
            tuple(sorted(removed)),
        )
        changes: dict[str, Record | None] = dict.fromkeys(map(endpoint_key, difference.removed))
        changes |= {endpoint_key(e.id): e for e in listed if e != known.get(e.id)}
        return _Plan(changes, endpoints=difference)

    @staticmethod
    def _check_listed(endpoint: Endpoint, index: int, host: str, seen: dict[str, int]) -> None:
        if endpoint.host != host:
            raise Invalid(f"this is the list of host {host}", "host")
        for claim in (Claim("id", f"id {endpoint.id}"), *claims(endpoint)):
            first = seen.setdefault(claim.what, index)
            if first != index:
                raise Invalid(f"{claim.what} is in this list twice, first at endpoints[{first}]", claim.field)

    def _check(self, record: Record, released: set[str]) -> None:
        fault = self._mirror.fault(record, released)
        if fault is not None:
            raise fault

    # -- finding -------------------------------------------------------------------------------------------------

    def host(self, name: str) -> Host:
        """Find a host by its name."""
        return _found(self.view.hosts.get(name), f"there is no host {name}")

    def network(self, name: str) -> Network:
        """Find a network by its name."""
        return _found(self.view.networks.get(name), f"there is no network {name}")

    def endpoint(self, endpoint_id: str) -> Endpoint:
        """Find an endpoint by its id."""
        return _found(self.view.endpoints.get(endpoint_id), f"there is no endpoint {endpoint_id}")

    def find_endpoint(self, text: str, field: str | None = None) -> Endpoint:
        """Find an endpoint by its id, its IPv4 address or its name, in this order; `field` is named in errors.

        Raises:
            NotFound: nothing is called so.
            Invalid: several endpoints have this name.
        """
        if text in self.view.endpoints:
            return self.view.endpoints[text]
        try:
            place = self.view.by_ipv4.get(IPv4Address(text).packed)
        except AddressValueError:
            pass
        else:
            return _found(place, f"no endpoint has the address {text}", field).endpoint
        named = sorted((e for e in self.view.endpoints.values() if e.name == text), key=lambda endpoint: endpoint.id)
        if len(named) > 1:
            candidates = ", ".join(f"{e.id} ({ipv4_text(e.ipv4)} on host {e.host})" for e in named[:NAMED])
            raise Invalid(f"{len(named)} endpoints are named {text}: {candidates}", field)
        return _found(next(iter(named), None), f"no endpoint has the id, name or address {text}", field)


def _found(thing: T | None, otherwise: str, field: str | None = None) -> T:
    if thing is None:
        raise NotFound(otherwise, field)
    return thing
