"""What agents report of their hosts: which publications are in place there, and why others are not.

It is what is so now, and kept in memory: an agent says it anew each time that it finds the controller.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from daoli.hosts.events import EventHub
from daoli.hosts.inventory import Inventory
from daoli.hosts.mirror import Changed
from daoli.hosts.publication import HostReport, Publication


class Reported:
    """The last report of each host that made one; what is gone from the inventory is forgotten."""

    def __init__(self, inventory: Inventory, events: EventHub) -> None:
        self._inventory = inventory
        self._events = events
        self._hosts: dict[str, dict[str, str | None]] = {}
        inventory.subscribe(self._changed)

    def take(self, name: str, report: HostReport) -> None:
        """Take a host's report in the place of its last one; NotFound if there is no such host."""
        host = self._inventory.host(name).name
        known = self._inventory.mirror.publications
        before = self._hosts.get(host, {})
        self._hosts[host] = {each: problem for each, problem in report.publications.items() if each in known}
        for publication, problem in self._hosts[host].items():
            if problem and problem != before.get(publication):
                self._events.publish("publication.problem", id=publication, host=host, problem=problem)

    def _changed(self, changed: Changed) -> None:
        for old, new in changed.hosts:
            if old is not None and new is None:
                self._hosts.pop(old.name, None)
        gone = [old.id for old, new in changed.publications if old is not None and new is None]
        for publications in self._hosts.values() if gone else ():
            for publication in gone:
                publications.pop(publication, None)

    def of_host(self, name: str) -> Iterator[str]:
        """Say what is wrong on a host, a sentence each."""
        for publication, problem in self._hosts.get(name, {}).items():
            if problem:
                yield f"publication {publication} is not in place: {problem}"

    def of_publication(self, publication: Publication) -> Mapping[str, str]:
        """Say why a publication is not in place, by the hosts where it is not."""
        found = ((name, publications.get(publication.id)) for name, publications in sorted(self._hosts.items()))
        return {name: problem for name, problem in found if problem}

    def awaited(self, publication: Publication) -> list[str]:
        """Name the hosts that will soon tell of a publication: they are connected, and their agents report."""
        switches = (self._inventory.view.switches[host.dpid] for host in self._inventory.view.hosts.values())
        return sorted(
            switch.host.name
            for switch in switches
            if publication.host in (None, switch.host.name)
            and switch.connected
            and publication.id not in self._hosts.get(switch.host.name, {publication.id: None})
        )
