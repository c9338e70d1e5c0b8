"""Ports of hosts lead to containers: of the own host by `-p`, of any host by `daolictl publish`."""

from __future__ import annotations

from daoli.lab.demo.stage import Stage


def tell_publishing(stage: Stage) -> None:
    """Ask from a machine that is no part of the fabric."""
    stage.title("6  Published ports: docker run -p, and any host's port to a container anywhere")
    check_greeted(stage, "h2", 8080, "h2, where web was started with -p 8080:80, answers")
    stage.run("controller", "daolictl publish 8000 web:80")
    for name in stage.lab.hosts:
        check_greeted(stage, name, 8000, f"{name} leads to web")


def check_greeted(stage: Stage, host: str, port: int, fact: str) -> None:
    """Fetch web's page by a host's port, from outside."""
    url = f"http://{stage.lab.hosts[host].address}:{port}/cgi-bin/hello"
    said = stage.run("outside", f"curl -s -m 10 --retry 3 --retry-connrefused {url}", may_fail=True)
    holds = said.startswith("web greets") and stage.outside in said
    stage.check(f"{fact}, and web sees the client's own address", holds=holds, otherwise=said)
