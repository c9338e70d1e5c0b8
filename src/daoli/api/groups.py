"""Groups: networks whose endpoints may talk to each other where no rule says otherwise."""

from __future__ import annotations

from http import HTTPStatus

from pydantic import BaseModel

from daoli.api.cut import Cut, RemoveQuery, WriteQuery, change
from daoli.api.operation import Answer, Ask, Operation, Query, Reply, with_path
from daoli.hosts.rule import GroupRequest, GroupSpec
from daoli.hosts.ruling import find_group, plan_group, plan_group_removal


class GroupsBody(BaseModel):
    """All groups, by name."""

    groups: list[GroupSpec]


class GroupWritten(Cut, GroupSpec):
    """A group, and what the change of it cut."""


async def list_groups(ask: Ask[None, Query]) -> Answer:
    """List groups."""
    groups = ask.services.inventory.mirror.groups
    return Answer(GroupsBody.model_construct(groups=[groups[name] for name in sorted(groups)]))


async def show_group(ask: Ask[None, Query]) -> Answer:
    """Show one group."""
    return Answer(find_group(ask.services.inventory.mirror, ask.path["name"]))


async def put_group(ask: Ask[GroupRequest, WriteQuery]) -> Answer:
    """Make a group, or change its networks; routes that end by it are cut."""
    group = with_path(GroupSpec, ask.body, name=ask.path["name"])
    created, cut = await change(
        ask.services,
        lambda mirror: plan_group(mirror, group, allow_unknown=ask.query.allow_unknown),
        dry_run=ask.query.dry_run,
    )
    body = GroupWritten.model_construct(**dict(group), **cut)
    return Answer(body, HTTPStatus.CREATED if created else HTTPStatus.OK)


async def remove_group(ask: Ask[None, RemoveQuery]) -> Answer:
    """Remove a group; routes that were allowed by it alone are cut."""
    _, cut = await change(
        ask.services, lambda mirror: plan_group_removal(mirror, ask.path["name"]), dry_run=ask.query.dry_run
    )
    return Answer(Cut.model_construct(**cut))


OPERATIONS = (
    Operation(
        method="GET",
        path="/groups",
        handler=list_groups,
        replies={HTTPStatus.OK: Reply("All groups", GroupsBody)},
    ),
    Operation(
        method="GET",
        path="/groups/{name}",
        handler=show_group,
        replies={HTTPStatus.OK: Reply("The group", GroupSpec)},
        problems=(HTTPStatus.NOT_FOUND,),
    ),
    Operation(
        method="PUT",
        path="/groups/{name}",
        handler=put_group,
        body=GroupRequest,
        query=WriteQuery,
        replies={
            HTTPStatus.OK: Reply("The group is as asked for", GroupWritten),
            HTTPStatus.CREATED: Reply("The group is new", GroupWritten),
        },
        problems=(HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE),
    ),
    Operation(
        method="DELETE",
        path="/groups/{name}",
        handler=remove_group,
        query=RemoveQuery,
        replies={HTTPStatus.OK: Reply("The group is gone", Cut)},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE),
    ),
)
