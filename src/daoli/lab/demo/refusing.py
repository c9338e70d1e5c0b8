"""What is not allowed fails at once, and can be asked about."""

from __future__ import annotations

import time

from daoli.lab.demo.joining import comes_to
from daoli.lab.demo.stage import IMAGE, Stage
from daoli.lab.demo.talking import address_of

AT_ONCE = 2.0
"""Seconds; most of them are `docker exec`'s on a busy machine."""


def tell_refusing(stage: Stage) -> None:
    """Try to reach another network."""
    stage.title("7  What is not allowed fails at once, and says why")
    stage.run("controller", "daolictl network create dnet2")
    comes_to(stage, "h3", "dnet2")
    stage.run("h3", f"docker run -d --init --name other --network dnet2 {IMAGE} httpd -f")
    began = time.monotonic()
    said = stage.run("h1", f"docker exec one nc -w 10 {address_of(stage, 'other')} 80", may_fail=True)
    took = time.monotonic() - began
    stage.check("the router says that it may not be", holds="No route to host" in said, otherwise=said)
    stage.check(f"after {took:.1f} s, not after a time-out", holds=took < AT_ONCE)
    said = stage.run("controller", "daolictl explain one other 80/tcp")
    stage.check("explain gives the reason: different networks", holds="different networks" in said and "denied" in said)
