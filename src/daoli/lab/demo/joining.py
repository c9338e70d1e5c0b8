"""Three hosts with nothing but Docker and Open vSwitch become one fabric, and containers start on it."""

from __future__ import annotations

import shlex

from daoli.lab.demo.stage import IMAGE, NETWORK, SUBNET, Stage

PAGE = "printf '#!/bin/sh\\necho; echo $(hostname) greets $REMOTE_ADDR\\n' >/www/cgi-bin/hello"
SERVE = f"mkdir /www/cgi-bin; {PAGE}; chmod +x /www/cgi-bin/hello; exec httpd -f -h /www -p 0.0.0.0:80"
"""What the web server's container runs: its page tells by whom it was asked."""


def as_typed(command: list[str]) -> str:
    """Write a command of the lab's as a person types it: `daoli` is `python -m daoli`."""
    return shlex.join(["daoli", *command[command.index("daoli") + 1 :]])


def tell_joining(stage: Stage, idle_timeout: int) -> None:
    """Start the controller on its machine, the agent on each host, and ask the doctor."""
    lab = stage.lab
    stage.title("1  A controller, and one command on each host")
    flags = ("--idle-timeout", str(idle_timeout))
    stage.show("controller", f"{as_typed([*lab.controller_command, *flags])} &")
    lab.controller_start(*flags)
    for host in stage.hosts:
        stage.show(host.name, f"{as_typed(host.agent_command)} &")
    with stage.console.status("the hosts join"):
        lab.each_host(lambda host: host.agent_start())
        lab.wait_joined()
    stage.show("controller", "export " + " ".join(f"{name}={value}" for name, value in stage.settings.items()))
    stage.run("controller", "daolictl host ls")
    hosts = lab.api.get("/hosts").body["hosts"]
    stage.check(
        "all three hosts are connected, without problems",
        holds=len(hosts) == len(stage.hosts) and not any(host["status"]["problems"] for host in hosts),
        otherwise=str(hosts),
    )
    noted = "Open vSwitch notes its connections every five seconds"
    stage.wait(noted, lambda: all(host.status()["connected"] for host in stage.hosts))
    tell_examining(stage)


def tell_examining(stage: Stage) -> None:
    """Ask the doctor on all hosts, and show what it says on the first."""
    examinations = [stage.start(host.name, "daoli doctor") for host in stage.hosts]
    said = [stage.finish(examination) for examination in examinations]
    stage.print_output(said[0])
    for host, examination, findings in zip(stage.hosts, examinations, said, strict=True):
        fact = f"the doctor finds no fault with {host.name}"
        stage.check(fact, holds=examination.returncode == 0, otherwise=findings)


def tell_starting(stage: Stage) -> None:
    """Make a network on one host, find it on all, and run containers."""
    stage.title("2  One network for all hosts, and `docker run` on each")
    stage.run("h1", f"docker network create -d daoli --ipam-driver daoli --subnet {SUBNET} {NETWORK}")
    for host in stage.hosts:
        stage.check(f"{host.name} has the network", holds=comes_to(stage, host.name, NETWORK))
    stage.run("h1", f"docker run -d --init --name one --network {NETWORK} {IMAGE} sleep 3600")
    web = f"docker run -d --init --name web --hostname web --network {NETWORK} -p 8080:80 --restart always {IMAGE}"
    stage.run("h2", f"{web} sh -c {shlex.quote(SERVE)}")
    stage.run("h3", f"docker run -d --init --name three --network {NETWORK} {IMAGE} sleep 3600")
    stage.run("controller", "daolictl container ls")
    found = stage.endpoints()
    stage.check(
        "three containers on three hosts, each with an address of its own",
        holds=len({each["ipv4"] for each in found}) == len({each["host"] for each in found}) == len(stage.hosts),
        otherwise=str(found),
    )
    stage.say("Before they talk a host holds only its static flows, however many containers it has:")
    stage.check("no live flows on any host", holds=not any(stage.flows().values()))


def comes_to(stage: Stage, host: str, network: str) -> bool:
    """Wait until a host's engine has a network that was made elsewhere."""

    def known() -> bool:
        return stage.quietly(host, f"docker network inspect {network}").returncode == 0

    return stage.wait(f"{network} comes to {host}", known)
