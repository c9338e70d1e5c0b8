"""Publications as routing knows them."""

from __future__ import annotations

import pytest
from tests.hosts.records import commit, endpoint, put

from daoli.hosts.mirror import Mirror
from daoli.hosts.publication import Publication
from daoli.hosts.stored import key_of
from daoli.routing.model import Lead, Published
from daoli.routing.packet import TCP, UDP

WEB = "a" * 64
ENTRY = Publication(id="p1", port=8081, container=WEB, name="web", target_port=80)


@pytest.mark.parametrize(
    ("entry", "lead"),
    [
        (ENTRY, Lead("p1", None, WEB, None, Published(TCP, 8081, 80))),
        (
            ENTRY.model_copy(update={"protocol": "udp", "host": "h1", "address": "192.0.2.1", "network": "n1"}),
            Lead("p1", "h1", WEB, "n1", Published(UDP, 8081, 80, bytes((192, 0, 2, 1)))),
        ),
    ],
)
def test_record(entry: Publication, lead: Lead) -> None:
    """All that tells where a port leads is kept, as numbers and bytes."""
    assert entry.record() == lead


def test_doors_follow_the_store(mirror: Mirror) -> None:
    """A publication leads to its container in the view from when it is stored, changed and until it is gone."""
    put(mirror, endpoint(1, container=WEB))
    host = mirror.view.hosts["h1"]
    for each, ports in ((ENTRY, [80]), (ENTRY.model_copy(update={"target_port": 443}), [443]), (None, [])):
        commit(mirror, (key_of(ENTRY), each.stored() if each else None))
        assert [door.target_port for door in mirror.view.doors.at(host, TCP, 8081)] == ports
