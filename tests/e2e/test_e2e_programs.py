"""Programs of the real world in containers on three hosts: they find each other by name, and keep what they promise."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.e2e.docker_rig import Container, DockerRig
from tests.labs import require_lab

from daoli.lab import DockerLab, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

PATIENCE = 60.0
"""Seconds for programs to find each other, which they try by intervals of their own; they take two or three."""

HOSTS = ("h1", "h2", "h3")
DATA = ("--dir", "/tmp", "--save", "", "--protected-mode", "no", "--repl-diskless-sync-delay", "0")  # noqa: S108


@pytest.fixture(scope="module")
def docker_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerLab]:
    """Three Docker hosts that have images of Redis and etcd."""
    require_lab()
    root = tmp_path_factory.mktemp("labs")
    with DockerLab.up(hosts=len(HOSTS), images=("redis", "etcd"), state_dir=root) as lab:
        yield lab


def make(rig: DockerRig, network: str) -> None:
    """Make a network, and wait until all three hosts have it."""
    rig["h1"].docker("network", "create", "-d", "daoli", "--ipam-driver", "daoli", network)
    wait_until(lambda: all(network in rig.networks(host) for host in HOSTS), PATIENCE)


def serve(rig: DockerRig, host: str, name: str, *flags: str) -> Container:
    """Run a Redis server."""
    command = ("redis-server", *DATA, *flags)
    return rig.run(host, name, "--network", "redis", image="daoli/redis", command=command)


def redis(client: Container, server: str, *words: str) -> str:
    """Ask a Redis server, by its name, from another container; empty while it does not answer."""
    done = client.exec("redis-cli", "-h", server, *words, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def test_redis_replicas_follow_their_primary(docker_rig: DockerRig) -> None:
    """What is written on a Redis primary is read on replicas of two other hosts, also after either was restarted."""
    make(docker_rig, "redis")
    primary = serve(docker_rig, "h1", "primary")
    replicas = [serve(docker_rig, host, f"replica-{host}", "--replicaof", "primary", "6379") for host in ("h2", "h3")]
    first, second = replicas

    wait_until(lambda: "connected_slaves:2" in redis(primary, "localhost", "INFO", "replication"), PATIENCE)
    assert redis(primary, "localhost", "SET", "colour", "green") == "OK"
    wait_until(lambda: redis(first, second.name, "GET", "colour") == "green", PATIENCE)
    wait_until(lambda: redis(second, first.name, "GET", "colour") == "green", PATIENCE)
    assert "READONLY" in redis(second, first.name, "SET", "colour", "red")
    assert redis(second, "primary", "SET", "shape", "round") == "OK"

    first.host.docker("restart", first.name)
    wait_until(lambda: redis(primary, first.name, "GET", "shape") == "round", PATIENCE)

    primary.host.docker("restart", primary.name)
    wait_until(lambda: redis(second, "primary", "SET", "size", "small") == "OK", PATIENCE)
    wait_until(lambda: all(redis(primary, each.name, "GET", "size") == "small" for each in replicas), PATIENCE)


def join_cluster(rig: DockerRig, host: str) -> Container:
    """Run a member of an etcd cluster that has one on each host."""
    members = ",".join(f"etcd-{each}=http://etcd-{each}:2380" for each in HOSTS)
    name = f"etcd-{host}"
    member = ("--name", name, "--data-dir", "/tmp/etcd", "--initial-cluster", members)  # noqa: S108
    peers = ("--listen-peer-urls", "http://0.0.0.0:2380", "--initial-advertise-peer-urls", f"http://{name}:2380")
    clients = ("--listen-client-urls", "http://0.0.0.0:2379", "--advertise-client-urls", f"http://{name}:2379")
    command = ("etcd", *member, *peers, *clients)
    return rig.run(host, name, "--network", "etcd", image="daoli/etcd", command=command)


def etcd(client: Container, server: Container, *words: str) -> str:
    """Ask an etcd member, by its name, from another's container; empty while it does not answer."""
    done = client.exec("etcdctl", f"--endpoints=http://{server.name}:2379", *words, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def test_etcd_cluster_survives_a_member(docker_rig: DockerRig) -> None:
    """Three etcd members agree across hosts; with one killed the others go on, and it catches up once it is back."""
    make(docker_rig, "etcd")
    one, two, three = (join_cluster(docker_rig, host) for host in HOSTS)
    wait_until(lambda: etcd(one, two, "put", "colour", "green") == "OK", PATIENCE)
    wait_until(lambda: etcd(two, three, "get", "colour", "--print-value-only") == "green", PATIENCE)
    members = etcd(three, one, "member", "list").splitlines()
    assert len(members) == len(HOSTS)
    assert all("started" in member for member in members)

    three.host.docker("kill", three.name)
    wait_until(lambda: etcd(two, one, "put", "shape", "round") == "OK", PATIENCE)
    assert etcd(one, two, "get", "shape", "--print-value-only") == "round"

    three.host.docker("start", three.name)
    wait_until(lambda: etcd(one, three, "get", "shape", "--print-value-only") == "round", PATIENCE)
    two.host.docker("kill", two.name)
    wait_until(lambda: etcd(three, one, "put", "size", "small") == "OK", PATIENCE)
    assert etcd(one, three, "get", "size", "--print-value-only") == "small"
