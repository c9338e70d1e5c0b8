"""A container moves to another host while a peer talks to it, and in the end all flows go."""

from __future__ import annotations

from daoli.lab.demo.publishing import check_greeted
from daoli.lab.demo.stage import Stage, ping_times
from daoli.lab.demo.talking import address_of

PINGS = 30
INTERVAL = 0.2
BEARABLE = 20
"""Pings that may be lost: the container's own restart, on however busy a machine."""


def tell_moving(stage: Stage) -> None:
    """Move web from h2 to h3 while one pings it."""
    stage.title("8  A container moves to another host; its peer goes on talking")
    before = address_of(stage, "web")
    pinging = stage.start("h1", f"docker exec one ping -c {PINGS} -i {INTERVAL} -W 1 web")
    stage.run("controller", "daolictl container move web --to h3")
    said = stage.finish(pinging)
    stage.print_output("…\n" + "\n".join(said.splitlines()[-4:]))
    answers = len(ping_times(said))
    stage.check(
        f"{answers} of {PINGS} pings were answered, and the last one",
        holds=answers >= PINGS - BEARABLE and f"seq={PINGS - 1} " in said,
        otherwise=said,
    )
    stage.run("h3", "docker ps --format '{{.Names}}: {{.Status}}'")
    stage.check(f"web has its address {before} on h3", holds=address_of(stage, "web") == before)
    said = stage.run("h1", "docker exec one wget -q -O - http://web/cgi-bin/hello")
    stage.check("one reaches it by its name", holds=said.startswith("web greets"), otherwise=said)
    check_greeted(stage, "h3", 8080, "its -p 8080:80 came along to h3")
    check_greeted(stage, "h1", 8000, "and what was published leads there")


def tell_idling(stage: Stage, idle_timeout: int) -> None:
    """Wait until nobody has talked for long enough."""
    stage.title(f"9  After: unused routes idle out ({idle_timeout} s here, 30 s by default)")
    gone = stage.wait("waiting for the flows to go", lambda: not stage.any_live() and not stage.routes(), 25.0)
    live = stage.flows()
    stage.check("only the static flows remain", holds=gone and not any(live.values()), otherwise=str(live))
    stage.check("and the controller has no routes", holds=not stage.routes(), otherwise=str(stage.routes()))
