"""Rules: who may open conversations with whom."""

from __future__ import annotations

import secrets
import time
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from daoli.api.cut import Cut, RemoveQuery, WriteQuery, change
from daoli.api.operation import Answer, Ask, Operation, Query, Reply, with_path
from daoli.api.services import Services
from daoli.hosts.errors import Invalid
from daoli.hosts.rule import RuleRequest, RuleSpec
from daoli.hosts.ruling import check_until, find_rule, matches, plan_rule, plan_rule_removal

ID_BYTES = 6


class RuleBody(RuleSpec):
    """A rule, and how many endpoints each side matches now."""

    source_matches: int
    destination_matches: int


class RulesBody(BaseModel):
    """All rules, in the order in which they are asked."""

    rules: list[RuleBody]


class RuleWritten(Cut, RuleBody):
    """A rule, and what the change of it cut."""


def rule_fields(services: Services, rule: RuleSpec) -> dict[str, Any]:
    """Join what is known of a rule."""
    mirror = services.inventory.mirror
    sides = {f"{side}_matches": matches(mirror, getattr(rule, side)) for side in ("source", "destination")}
    return {**dict(rule), **sides}


async def list_rules(ask: Ask[None, Query]) -> Answer:
    """List rules, those that are asked first before the others."""
    rules = ask.services.inventory.mirror.rules.values()
    ordered = sorted(rules, key=lambda rule: (-rule.priority, rule.action == "allow", rule.id))
    bodies = [RuleBody.model_construct(**rule_fields(ask.services, rule)) for rule in ordered]
    return Answer(RulesBody.model_construct(rules=bodies))


async def show_rule(ask: Ask[None, Query]) -> Answer:
    """Show one rule, and how much it matches."""
    rule = find_rule(ask.services.inventory.mirror, ask.path["id"])
    return Answer(RuleBody.model_construct(**rule_fields(ask.services, rule)))


async def make_rule(ask: Ask[RuleRequest, WriteQuery]) -> Answer:
    """Make a rule; routes that it forbids are cut before this answers."""
    check_until(ask.body, time.time())
    rule = ask.body.called(secrets.token_hex(ID_BYTES))
    created, cut = await change(
        ask.services,
        lambda mirror: plan_rule(mirror, rule, allow_unknown=ask.query.allow_unknown),
        dry_run=ask.query.dry_run,
    )
    body = RuleWritten.model_construct(**rule_fields(ask.services, rule), **cut)
    return Answer(body, HTTPStatus.CREATED, f"/rules/{rule.id}") if created else Answer(body)


async def put_rule(ask: Ask[RuleRequest, WriteQuery]) -> Answer:
    """Have a rule of this id say this, in one step; routes that it forbids are cut before this answers."""
    check_until(ask.body, time.time())
    if ask.body.id not in (None, ask.path["id"]):
        raise Invalid(f"the path says {ask.path['id']}", "id")
    rule = with_path(RuleSpec, ask.body, id=ask.path["id"])
    created, cut = await change(
        ask.services,
        lambda mirror: plan_rule(mirror, rule, allow_unknown=ask.query.allow_unknown, replace=True),
        dry_run=ask.query.dry_run,
    )
    body = RuleWritten.model_construct(**rule_fields(ask.services, rule), **cut)
    return Answer(body, HTTPStatus.CREATED if created else HTTPStatus.OK)


async def remove_rule(ask: Ask[None, RemoveQuery]) -> Answer:
    """Remove a rule; routes that it alone allowed are cut before this answers."""
    _, cut = await change(
        ask.services, lambda mirror: plan_rule_removal(mirror, ask.path["id"]), dry_run=ask.query.dry_run
    )
    return Answer(Cut.model_construct(**cut))


OPERATIONS = (
    Operation(
        method="GET",
        path="/rules",
        handler=list_rules,
        replies={HTTPStatus.OK: Reply("All rules", RulesBody)},
    ),
    Operation(
        method="POST",
        path="/rules",
        handler=make_rule,
        body=RuleRequest,
        query=WriteQuery,
        replies={
            HTTPStatus.OK: Reply("The rule was there already, or nothing was to be written", RuleWritten),
            HTTPStatus.CREATED: Reply("The rule is new", RuleWritten),
        },
        problems=(HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE),
    ),
    Operation(
        method="GET",
        path="/rules/{id}",
        handler=show_rule,
        replies={HTTPStatus.OK: Reply("The rule", RuleBody)},
        problems=(HTTPStatus.NOT_FOUND,),
    ),
    Operation(
        method="PUT",
        path="/rules/{id}",
        handler=put_rule,
        body=RuleRequest,
        query=WriteQuery,
        replies={
            HTTPStatus.OK: Reply("The rule is as asked for, or nothing was to be written", RuleWritten),
            HTTPStatus.CREATED: Reply("The rule is new", RuleWritten),
        },
        problems=(HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE),
    ),
    Operation(
        method="DELETE",
        path="/rules/{id}",
        handler=remove_rule,
        query=RemoveQuery,
        replies={HTTPStatus.OK: Reply("The rule is gone", Cut)},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE),
    ),
)
