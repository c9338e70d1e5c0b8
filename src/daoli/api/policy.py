"""All groups and rules at once."""

from __future__ import annotations

import secrets
import time
from http import HTTPStatus

from pydantic import BaseModel, ConfigDict

from daoli.api.cut import Cut, WriteQuery, change
from daoli.api.ledger import Since, reach_of, seconds_of
from daoli.api.operation import Answer, Ask, Operation, Query, Reply
from daoli.api.rules import ID_BYTES
from daoli.hosts.ledger import KEPT, Wanted
from daoli.hosts.rule import GroupSpec, RuleRequest, RuleSpec
from daoli.hosts.ruling import check_until
from daoli.hosts.whole import Changed, Whole, check_known, plan_whole, replay


class PolicyBody(BaseModel):
    """All groups and rules."""

    groups: list[GroupSpec]
    rules: list[RuleSpec]


class PolicyRequest(BaseModel):
    """All groups and rules that there are to be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    groups: list[GroupSpec] = []
    rules: list[RuleRequest] = []

    def whole(self) -> Whole:
        """Give each rule an id."""
        return Whole(self.groups, [rule.called(secrets.token_hex(ID_BYTES)) for rule in self.rules])


class ReplayRequest(PolicyRequest):
    """A policy to be tried on what the ledger has in memory."""

    since: Since | None = None
    """RFC 3339, or how long ago: ``90s``, ``10m``, ``2h``, ``1d``."""


class ReplayQuery(Query):
    """How a policy is tried."""

    allow_unknown: bool = False
    """Whether it may name what there is not."""


class ReplayBody(BaseModel):
    """Conversations that would be judged otherwise."""

    conversations: list[Changed]
    judged: int
    """How many conversations were judged anew."""
    left_out: int
    """How many could not be, since one of their ends is no more."""
    begins: str | None
    """As of ``GET /ledger``: since when the ledger's memory has all."""
    whole: bool
    """Whether it reaches back to `since`, if that was given."""


async def show_policy(ask: Ask[None, Query]) -> Answer:
    """Show all groups and rules, as they can be put."""
    mirror = ask.services.inventory.mirror
    groups = [mirror.groups[name] for name in sorted(mirror.groups)]
    rules = sorted(mirror.rules.values(), key=lambda rule: (-rule.priority, rule.action == "allow", rule.id))
    return Answer(PolicyBody.model_construct(groups=groups, rules=rules))


async def put_policy(ask: Ask[PolicyRequest, WriteQuery]) -> Answer:
    """Have these groups and rules and no others, in one step; routes that it forbids are cut before this answers."""
    for index, rule in enumerate(ask.body.rules):
        check_until(rule, time.time(), f"rules[{index}].until")
    whole = ask.body.whole()
    _, cut = await change(
        ask.services,
        lambda mirror: plan_whole(mirror, whole, allow_unknown=ask.query.allow_unknown),
        dry_run=ask.query.dry_run,
    )
    return Answer(Cut.model_construct(**cut))


async def replay_policy(ask: Ask[ReplayRequest, ReplayQuery]) -> Answer:
    """List the conversations in the ledger that these groups and rules would judge otherwise; nothing is changed."""
    since = 0.0 if ask.body.since is None else seconds_of(ask.body.since)
    inventory, ledger = ask.services.inventory, ask.services.ledger
    whole, view = ask.body.whole(), inventory.view
    if not ask.query.allow_unknown:
        check_known(inventory.mirror, whole)
    reach = reach_of(ledger, ask.body.since)
    entries = await ledger.read(Wanted(since=since, limit=KEPT))
    found = replay(view, whole.policy(view.networks), entries)
    return Answer(
        ReplayBody.model_construct(
            conversations=found.conversations, judged=found.judged, left_out=found.left_out, **reach
        )
    )


OPERATIONS = (
    Operation(
        method="GET",
        path="/policy",
        handler=show_policy,
        replies={HTTPStatus.OK: Reply("All groups and rules", PolicyBody)},
    ),
    Operation(
        method="PUT",
        path="/policy",
        handler=put_policy,
        body=PolicyRequest,
        query=WriteQuery,
        replies={HTTPStatus.OK: Reply("They are as asked for", Cut)},
        problems=(HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE),
    ),
    Operation(
        method="POST",
        path="/policy/replay",
        handler=replay_policy,
        body=ReplayRequest,
        query=ReplayQuery,
        replies={HTTPStatus.OK: Reply("What would be judged otherwise", ReplayBody)},
        problems=(HTTPStatus.UNPROCESSABLE_ENTITY,),
    ),
)
