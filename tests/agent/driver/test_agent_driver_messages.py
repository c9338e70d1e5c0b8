"""What libnetwork sends, read."""

from __future__ import annotations

from daoli.agent.driver.messages import CreateNetwork, EndpointCall, RequestAddress


def test_port_mappings() -> None:
    """Published ports are in the options of an endpoint, where there are any."""
    call = {"NetworkID": "n", "EndpointID": "e"}
    entry = {"Proto": 6, "IP": "", "Port": 80, "HostIP": "0.0.0.0", "HostPort": 8080, "HostPortEnd": 8090}
    (mapping,) = EndpointCall.model_validate(call | {"Options": {"com.docker.network.portmap": [entry]}}).ports
    assert (mapping.proto, mapping.port, mapping.host_port, mapping.host_port_end) == (6, 80, 8080, 8090)
    assert EndpointCall.model_validate(call | {"Options": {"com.docker.network.portmap": None}}).ports == []
    assert EndpointCall.model_validate(call).ports == []


def test_network_options() -> None:
    """Internal networks and the driver's own options are told apart from the rest."""
    options = {"com.docker.network.internal": True, "com.docker.network.generic": {"a": "b"}}
    call = CreateNetwork.model_validate({"NetworkID": "n", "Options": options})
    assert (call.internal, call.generic) == (True, {"a": "b"})
    call = CreateNetwork.model_validate({"NetworkID": "n", "Options": None})
    assert (call.internal, call.generic) == (False, {})


def test_gateway_request() -> None:
    """An address for the gateway is asked for by its type."""
    options = {"RequestAddressType": "com.docker.network.gateway"}
    assert RequestAddress.model_validate({"PoolID": "p", "Address": "", "Options": options}).for_gateway
    assert not RequestAddress.model_validate({"PoolID": "p", "Address": ""}).for_gateway
