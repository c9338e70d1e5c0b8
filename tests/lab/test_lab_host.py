"""A host's Open vSwitch and its endpoints."""

import json
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from daoli.lab import Endpoint, Host, Lab, LabError, UsageError, wait_until

pytestmark = pytest.mark.e2e

ROUTER_MAC = "02:da:01:1e:00:01"

ARP_ANSWER = (
    "priority=10,arp,arp_op=1,actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],"
    f"set_field:{ROUTER_MAC}->eth_src,set_field:2->arp_op,"
    f"move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],set_field:{ROUTER_MAC}->arp_sha,"
    "move:NXM_OF_ARP_SPA[]->NXM_NX_REG0[],move:NXM_OF_ARP_TPA[]->NXM_OF_ARP_SPA[],"
    "move:NXM_NX_REG0[]->NXM_OF_ARP_TPA[],IN_PORT"
)
"""Answers any ARP request with the router's MAC."""


def answer_arp(host: Host) -> None:
    host.ofctl("add-flow", "daoli", ARP_ANSWER)


def route(source: Endpoint, destination: Endpoint) -> None:
    """Install one direction of a route by hand, at both hosts."""
    here, there = source.host, destination.host
    pair = f"ip,nw_src={source.ip},nw_dst={destination.ip}"
    here.ofctl(
        "add-flow",
        "daoli",
        f"priority=100,in_port={here.ofport(source.port)},{pair},actions=dec_ttl,"
        f"set_field:{here.plan.uplink_mac}->eth_src,set_field:{there.plan.uplink_mac}->eth_dst,output:1",
    )
    there.ofctl(
        "add-flow",
        "daoli",
        f"priority=100,in_port=1,dl_dst={there.plan.uplink_mac},{pair},actions=dec_ttl,"
        f"set_field:{ROUTER_MAC}->eth_src,set_field:{destination.mac}->eth_dst,output:{there.ofport(destination.port)}",
    )


def connect(one: Endpoint, other: Endpoint) -> None:
    for host in (one.host, other.host):
        answer_arp(host)
    route(one, other)
    route(other, one)


def ping(source: Endpoint, destination: Endpoint, *options: str) -> str:
    return source.exec(["ping", "-c1", "-W2", *options, destination.ip], check=False).stdout


def is_cut_off(source: Endpoint, destination: Endpoint) -> bool:
    return "100% packet loss" in ping(source, destination, "-W0.5")


def test_bridge(shared_lab: Lab) -> None:
    """The bridge speaks OpenFlow 1.3 in user space, secure, with the host's number as its datapath id and port 1 up."""
    host = shared_lab.hosts["h2"]
    assert host.vsctl("get", "bridge", "daoli", "datapath_type", "fail_mode", "protocols").split() == [
        "netdev",
        "secure",
        "[OpenFlow13]",
    ]
    shown = host.ofctl("show", "daoli")
    assert "dpid:0000000000000002" in shown
    assert " 1(eth1): addr:02:dd:00:01:00:02" in shown
    assert host.ofport("eth1") == 1
    assert host.vsctl("get", "interface", "daoli", "mtu", "mac_in_use").split() == ["1500", '"02:dd:00:00:00:02"']


def test_no_flows_at_first(shared_lab: Lab) -> None:
    """A bridge without a controller has no flows: it forwards nothing by itself."""
    assert shared_lab.hosts["h2"].flows() == []
    assert is_cut_off(shared_lab.endpoint("h2/c1"), shared_lab.endpoint("h2/c2"))


@pytest.mark.parametrize("controller", ["tcp:10.254.0.250:6653", "tcp:10.254.0.250:6653 tcp:10.254.0.250:6654"])
def test_controllers(create: Callable[..., Lab], controller: str) -> None:
    """The bridge looks for the controllers that it was told, once a second."""
    host = create(hosts=1, endpoints=0, controller=controller).hosts["h1"]
    assert host.vsctl("get-controller", "daoli").split() == controller.split()
    backoff = host.vsctl("--columns=max_backoff", "--format=csv", "--no-headings", "list", "controller")
    assert set(backoff.split()) == {"1000"}


def test_endpoint_interface(shared_lab: Lab) -> None:
    """An endpoint has its planned MAC, address, route and MTU, no IPv6, and no checksum offload."""
    endpoint = shared_lab.endpoint("h2/c2")
    [link] = json.loads(endpoint.exec(["ip", "-j", "address", "show", "eth0"]).stdout)
    assert (link["address"], link["mtu"]) == (endpoint.mac, 1500)
    assert [(a["local"], a["prefixlen"]) for a in link["addr_info"]] == [(endpoint.ip, 24)]
    assert json.loads(endpoint.exec(["ip", "-j", "route", "show", "default"]).stdout)[0]["gateway"] == "10.1.0.1"
    assert "tx-checksumming: off" in endpoint.exec(["ethtool", "-k", "eth0"]).stdout
    assert shared_lab.hosts["h2"].ofport(endpoint.port) > 1


def test_ping_across_hosts(create: Callable[..., Lab]) -> None:
    """With hand-written flows endpoints of two hosts reach each other through two routers, at full packet size too."""
    lab = create()
    one, other = lab.endpoint("h1/c1"), lab.endpoint("h2/c1")
    connect(one, other)
    assert "ttl=62" in ping(one, other)
    assert "ttl=62" in ping(other, one, "-s", "1472", "-M", "do")
    assert is_cut_off(one, lab.endpoint("h2/c2"))
    assert len(lab.hosts["h1"].flows()) == 3
    assert all("n_packets" in flow for flow in lab.hosts["h1"].flows(stats=True))
    assert lab.hosts["h1"].flows(table=1) == []


def test_tcp_across_hosts(create: Callable[..., Lab]) -> None:
    """A TCP conversation passes: nobody leaves checksums unfilled."""
    lab = create(endpoints=1)
    one, other = lab.endpoint("h1/c1"), lab.endpoint("h2/c1")
    connect(one, other)
    page = lab.path / "page"
    page.mkdir()
    (page / "hello").write_text("x" * 100_000)
    with other.popen(["python3", "-m", "http.server", "--directory", str(page), "80"]):
        command = ["curl", "-s", "-m", "5", f"http://{other.ip}/hello"]
        assert len(wait_until(lambda: one.exec(command, check=False).stdout)) == 100_000


def test_dead_switch(create: Callable[..., Lab]) -> None:
    """A killed ovs-vswitchd forwards nothing; started again it has its ports, under the same numbers, but no flows."""
    lab = create()
    host, one, other = lab.hosts["h1"], lab.endpoint("h1/c1"), lab.endpoint("h2/c1")
    connect(one, other)
    before = host.ofport(one.port)
    for kill in (True, False):
        host.ovs_stop(kill=kill)
        assert not host.status()["ovs"]
        assert is_cut_off(one, other)
        host.ovs_start()
        assert host.flows() == []
        assert host.ofport(one.port) == before
        connect(one, other)
        wait_until(lambda: "ttl=62" in ping(one, other))  # the ARP requests of the dead time must fail first


def test_power_cycle(create: Callable[..., Lab]) -> None:
    """After power-off and boot a host has its bridge, ports and endpoints again, and its neighbours still reach it."""
    lab = create()
    host, one, other = lab.hosts["h1"], lab.endpoint("h1/c1"), lab.endpoint("h2/c1")
    extra = host.add_endpoint("extra")
    before = sorted(host.vsctl("list-ports", "daoli").split())
    host.power_off()
    assert host.status() == {"on": False, "ovs": False, "connected": False}
    host.boot()
    assert sorted(host.vsctl("list-ports", "daoli").split()) == before
    assert host.vsctl("--columns=error", "--format=csv", "--no-headings", "list", "interface").split() == ["[]"] * 5
    connect(one, other)
    assert "ttl=62" in ping(one, other)
    assert host.ofport(extra.port) > 1


def test_add_and_remove(create: Callable[..., Lab]) -> None:
    """An endpoint comes with the next free address and goes with all that runs in it; its name may come again."""
    lab = create(networks=2)
    host = lab.hosts["h2"]
    for _ in range(2):
        endpoint = host.add_endpoint("new", network="dnet2")
        assert (endpoint.ip, endpoint.id) == ("10.2.0.12", "h2-new")
        assert lab.endpoint("h2/new").port == endpoint.port
        assert host.ofport(endpoint.port) > 1
        running = endpoint.popen(["sleep", "86409"])
        wait_until(lambda: host.exec(["ip", "netns", "pids", "new"]).stdout)
        host.remove_endpoint("new")
        assert running.wait(5) == -signal.SIGKILL
        assert "new" not in host.endpoints
        assert endpoint.port not in host.vsctl("list-ports", "daoli")
        assert endpoint.port not in host.exec(["ip", "link"]).stdout


def test_detach_and_attach(create: Callable[..., Lab]) -> None:
    """An endpoint can be there without being a port; attaching and detaching twice is no error."""
    host = create(hosts=1, endpoints=0).hosts["h1"]
    endpoint = host.add_endpoint("late", ipv4="10.1.0.77", mac="02:00:00:00:00:77", attach=False)
    assert (endpoint.ip, endpoint.mac) == ("10.1.0.77", "02:00:00:00:00:77")
    for _ in range(2):
        assert endpoint.port not in host.vsctl("list-ports", "daoli")
        for _ in range(2):
            host.attach("late")
        assert endpoint.port in host.vsctl("list-ports", "daoli")
        for _ in range(2):
            host.detach("late")


def test_add_side_by_side(create: Callable[..., Lab]) -> None:
    """Endpoints that several threads add get different addresses, and all are remembered."""
    lab = create(endpoints=0)
    with ThreadPoolExecutor(4) as adders:
        made = list(adders.map(lambda n: lab.hosts[f"h{n % 2 + 1}"].add_endpoint(f"e{n}"), range(8)))
    assert len({endpoint.ip for endpoint in made}) == 8
    assert sum(len(host.endpoints) for host in lab.hosts.values()) == 8


def test_refused_endpoints(shared_lab: Lab) -> None:
    """A taken name, an unknown network and a missing endpoint are refused, and leave no trace."""
    host = shared_lab.hosts["h1"]
    with pytest.raises(UsageError, match="h1/c1 exists already"):
        host.add_endpoint("c1")
    with pytest.raises(UsageError, match="no network 'dnet9'"):
        host.add_endpoint("x", network="dnet9")
    with pytest.raises(UsageError, match="no endpoint 'x' on h1; there are: c1, c2"):
        host.remove_endpoint("x")
    with pytest.raises(LabError, match="endpoint h1/bad failed"):
        host.add_endpoint("bad", mac="not-a-mac")
    assert list(host.endpoints) == ["c1", "c2"]
    host.add_endpoint("bad")
    host.remove_endpoint("bad")


def test_off_host_takes_no_endpoint(create: Callable[..., Lab]) -> None:
    """An endpoint cannot be added to a host that is off."""
    host = create(hosts=1, endpoints=0).hosts["h1"]
    host.power_off()
    with pytest.raises(LabError, match="h1 is switched off"):
        host.add_endpoint("x")
    assert host.endpoints == {}
