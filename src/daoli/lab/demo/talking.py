"""Containers find each other by name, and talk across hosts: the flows come with the first packet."""

from __future__ import annotations

import re

from daoli.lab.demo.stage import ROUTER_ADDRESS, Stage, ping_times
from daoli.lab.processes import wait_until

PINGS = 5
FILE_SIZE = 20 << 20


def tell_pinging(stage: Stage) -> None:
    """Ping by name, and look at the flows that it brought."""
    stage.title("3  A first packet becomes a pair of flows on each of two hosts")
    said = stage.run("h1", f"docker exec one ping -c {PINGS} -i 0.2 web")
    times = ping_times(said)
    stage.check(f"{PINGS} answers across hosts, by name, none lost", holds=len(times) == PINGS)
    stage.check("TTL 62: one router on each host, no tunnel", holds=said.count("ttl=62") == PINGS)
    if len(times) > 1:
        rest = sorted(times[1:])
        median = rest[len(rest) // 2]
        stage.console.print(
            f"  first packet [bold]{times[0]:.2f} ms[/], then [bold]{median:.2f} ms[/]", highlight=False
        )
    live = stage.flows()
    stage.check("two flows on h1 and h2, none on h3", holds=live == {"h1": 2, "h2": 2, "h3": 0}, otherwise=str(live))
    stage.run("controller", "daolictl route ls")
    routes = stage.routes()
    stage.check(
        "the controller knows one route, with its counters",
        holds=len(routes) == 1 and (routes[0]["packets"] or 0) > 0,
        otherwise=str(routes),
    )
    said = stage.run("h3", "docker exec three ping -c 2 -i 0.2 one")
    stage.check("h3 to h1, too", holds=len(ping_times(said)) == 2)


def tell_fetching(stage: Stage) -> None:
    """Ask the web server by its name, for a page and for a file."""
    stage.title("4  HTTP by name")
    said = stage.run("h3", "docker exec three wget -q -O - http://web/cgi-bin/hello")
    stage.check("web answers, and has seen the asker's own address", holds=address_of(stage, "three") in said)
    stage.run("h2", f"docker exec web dd if=/dev/urandom of=/www/file bs={FILE_SIZE} count=1")
    wanted = stage.run("h2", "docker exec web md5sum /www/file").split()[0]
    said = stage.run("h1", "docker exec one sh -c 'time wget -q -O - http://web/file | md5sum'")
    stage.check(f"{FILE_SIZE >> 20} MiB arrived unchanged", holds=wanted in said)


def tell_tracing(stage: Stage) -> None:
    """Show the hops, and the way to the outside."""
    stage.title("5  traceroute shows each host as a hop, and the outside is behind the own host")
    said = stage.run("h1", "docker exec one traceroute -n -q 1 -w 2 web")
    hops = re.findall(r"^\s*\d+\s+(\S+)", said, re.MULTILINE)
    wanted = [ROUTER_ADDRESS, stage.lab.hosts["h2"].address, address_of(stage, "web")]
    stage.check(f"the hops are {', '.join(wanted)}", holds=hops == wanted, otherwise=str(hops))
    outside = stage.outside
    said = stage.run("h1", f"docker exec one ping -c 2 -i 0.2 {outside}")
    stage.check(f"{outside}, a machine without daoli, answers", holds=len(ping_times(said)) == 2)


def address_of(stage: Stage, name: str) -> str:
    """A container's address, as the controller has it: it hears the name a moment after `docker run` is back."""

    def known() -> str:
        return next((each["ipv4"] for each in stage.endpoints() if each["name"] == name), "")

    return wait_until(known, 10.0, what=f"the container {name}")
