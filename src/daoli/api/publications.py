"""Publications: a port on a host, or on all, that leads to a container anywhere."""

from __future__ import annotations

import secrets
from http import HTTPStatus

from pydantic import BaseModel

from daoli.api.operation import Answer, Ask, Operation, Query, Reply
from daoli.api.services import Services
from daoli.hosts.publication import Publication, PublicationRequest
from daoli.hosts.publishing import (
    find_publication,
    plan_container_removal,
    plan_publication,
    plan_publication_removal,
)


class HostProblem(BaseModel):
    """Why a port is not in place on a host."""

    host: str
    problem: str


class PublicationBody(Publication):
    """A published port, and what agents report of it."""

    problems: list[HostProblem]
    awaited: list[str]
    """Connected hosts whose agents have not said yet whether it is in place there."""


class PublicationsBody(BaseModel):
    """Publications, by port."""

    publications: list[PublicationBody]


class PublicationsRemoved(BaseModel):
    """Publications that are gone, by id."""

    revision: int
    removed: tuple[str, ...]


def publication_body(services: Services, publication: Publication) -> PublicationBody:
    """Join what is known of a published port."""
    problems = services.reported.of_publication(publication)
    return PublicationBody.model_construct(
        **dict(publication),
        problems=[HostProblem(host=host, problem=problem) for host, problem in problems.items()],
        awaited=services.reported.awaited(publication),
    )


async def list_publications(ask: Ask[None, Query]) -> Answer:
    """List published ports."""
    found = ask.services.inventory.mirror.publications.values()
    by_port = sorted(found, key=lambda p: (p.port, p.protocol, p.host or "", p.id))
    bodies = [publication_body(ask.services, each) for each in by_port]
    return Answer(PublicationsBody.model_construct(publications=bodies))


async def show_publication(ask: Ask[None, Query]) -> Answer:
    """Show one published port."""
    found = find_publication(ask.services.inventory.mirror, ask.path["id"])
    return Answer(publication_body(ask.services, found))


async def publish(ask: Ask[PublicationRequest, Query]) -> Answer:
    """Make a port on a host, or on all hosts, lead to a container anywhere."""
    inventory, new_id = ask.services.inventory, secrets.token_hex(6)
    await inventory.write(lambda mirror: plan_publication(mirror, ask.body, new_id))
    body = publication_body(ask.services, find_publication(inventory.mirror, new_id))
    return Answer(body, HTTPStatus.CREATED, f"/publish/{new_id}")


async def unpublish(ask: Ask[None, Query]) -> Answer:
    """Publish a port no more."""
    gone = ask.path["id"]
    written = await ask.services.inventory.write(lambda mirror: plan_publication_removal(mirror, gone))
    return Answer(PublicationsRemoved(revision=written.revision, removed=(gone,)))


async def remove_container(ask: Ask[None, Query]) -> Answer:
    """Forget what was published of a container that is no more; there may be nothing."""
    inventory, container = ask.services.inventory, ask.path["id"]
    gone = tuple(p.id for p in inventory.mirror.publications.values() if p.container == container)
    written = await inventory.write(lambda mirror: plan_container_removal(mirror, container))
    return Answer(PublicationsRemoved(revision=written.revision, removed=gone))


OPERATIONS = (
    Operation(
        method="GET",
        path="/publish",
        handler=list_publications,
        replies={HTTPStatus.OK: Reply("All published ports", PublicationsBody)},
    ),
    Operation(
        method="POST",
        path="/publish",
        handler=publish,
        body=PublicationRequest,
        replies={HTTPStatus.CREATED: Reply("The port is published", PublicationBody)},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE),
    ),
    Operation(
        method="GET",
        path="/publish/{id}",
        handler=show_publication,
        replies={HTTPStatus.OK: Reply("The published port", PublicationBody)},
        problems=(HTTPStatus.NOT_FOUND,),
    ),
    Operation(
        method="DELETE",
        path="/publish/{id}",
        handler=unpublish,
        replies={HTTPStatus.OK: Reply("The port is published no more", PublicationsRemoved)},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE),
    ),
    Operation(
        method="DELETE",
        path="/containers/{id}",
        handler=remove_container,
        replies={HTTPStatus.OK: Reply("Nothing is published of the container", PublicationsRemoved)},
        problems=(HTTPStatus.SERVICE_UNAVAILABLE,),
    ),
)
