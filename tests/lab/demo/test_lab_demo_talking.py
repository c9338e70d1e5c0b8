"""What is read of the talks of containers."""

from __future__ import annotations

from types import SimpleNamespace

from tests.lab.demo.stages import Places, api_of, stage_of

from daoli.lab.demo.talking import address_of, tell_tracing

TRACE = """traceroute to web (10.1.0.3), 30 hops max, 46 byte packets
 1  10.1.0.1  0.925 ms
 2  10.254.0.2  0.664 ms
 3  10.1.0.3  0.445 ms
"""
PING = "64 bytes from 10.254.0.251: seq=0 ttl=62 time=4.6 ms\n64 bytes from 10.254.0.251: seq=1 ttl=62 time=0.3 ms\n"


def test_address_is_the_controllers() -> None:
    """A container's address is what the controller knows of it by that name."""
    endpoints = [{"name": "one", "ipv4": "10.1.0.2"}, {"name": "web", "ipv4": "10.1.0.3"}]
    stage, _ = stage_of(api=api_of(endpoints=endpoints))
    assert address_of(stage, "web") == "10.1.0.3"


def test_hops_are_compared() -> None:
    """The chapter on traceroute fails when a hop is another than expected, and says which there were."""
    web = api_of(endpoints=[{"name": "web", "ipv4": "10.1.0.3"}])
    for host, failures in (("10.254.0.2", 0), ("10.254.0.9", 1)):
        hosts = {"h2": SimpleNamespace(address=host)}
        stage, output = stage_of(Places({"traceroute": TRACE, "ping": PING}), api=web, hosts=hosts)
        tell_tracing(stage)
        assert len(stage.failures) == failures
        assert ("['10.1.0.1', '10.254.0.2', '10.1.0.3']" in output.getvalue()) == bool(failures)
