"""Networks: subnets with a gateway, the same on every host."""

from __future__ import annotations

from collections import Counter
from http import HTTPStatus

from pydantic import BaseModel

from daoli.api.cut import Cut, cut_by
from daoli.api.operation import Answer, Ask, Operation, Query, Reply
from daoli.api.services import Services
from daoli.hosts.spec import NetworkRequest, NetworkSpec
from daoli.routing.model import Network


class NetworkBody(NetworkSpec):
    """A network, and how many endpoints it has."""

    endpoints: int


class NetworksBody(BaseModel):
    """All networks, by name."""

    networks: list[NetworkBody]


def network_bodies(services: Services, networks: list[Network]) -> list[NetworkBody]:
    """Join what is known of networks."""
    count = Counter(endpoint.network for endpoint in services.inventory.view.endpoints.values())
    return [
        NetworkBody.model_construct(**dict(NetworkSpec.of(network)), endpoints=count[network.name])
        for network in networks
    ]


async def list_networks(ask: Ask[None, Query]) -> Answer:
    """List networks."""
    networks = sorted(ask.services.inventory.view.networks.values(), key=lambda network: network.name)
    return Answer(NetworksBody.model_construct(networks=network_bodies(ask.services, networks)))


async def show_network(ask: Ask[None, Query]) -> Answer:
    """Show one network."""
    network = ask.services.inventory.network(ask.path["name"])
    return Answer(network_bodies(ask.services, [network])[0])


async def make_network(ask: Ask[NetworkRequest, Query]) -> Answer:
    """Make a network, on every host at once; without a subnet it gets one of the controller's pool."""
    written = await ask.services.inventory.put_network(ask.body)
    (body,) = network_bodies(ask.services, [ask.services.inventory.network(ask.body.name)])
    if written.created:
        return Answer(body, HTTPStatus.CREATED, f"/networks/{ask.body.name}")
    return Answer(body)


async def remove_network(ask: Ask[None, Query]) -> Answer:
    """Remove a network that has no endpoints."""
    written = await ask.services.inventory.remove_network(ask.path["name"])
    return Answer(Cut.model_construct(**await cut_by(ask.services, written)))


OPERATIONS = (
    Operation(
        method="GET",
        path="/networks",
        handler=list_networks,
        replies={HTTPStatus.OK: Reply("All networks", NetworksBody)},
    ),
    Operation(
        method="POST",
        path="/networks",
        handler=make_network,
        body=NetworkRequest,
        replies={
            HTTPStatus.OK: Reply("The network was there already", NetworkBody),
            HTTPStatus.CREATED: Reply("The network is new", NetworkBody),
        },
        problems=(HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE),
    ),
    Operation(
        method="GET",
        path="/networks/{name}",
        handler=show_network,
        replies={HTTPStatus.OK: Reply("The network", NetworkBody)},
        problems=(HTTPStatus.NOT_FOUND,),
    ),
    Operation(
        method="DELETE",
        path="/networks/{name}",
        handler=remove_network,
        replies={HTTPStatus.OK: Reply("The network is gone", Cut)},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE),
    ),
)
