"""The part of an answer that tells what a change cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from daoli.api.operation import Query
from daoli.api.services import Services
from daoli.hosts.inventory import Written
from daoli.hosts.mirror import Mirror
from daoli.hosts.plans import Plan
from daoli.hosts.reports import CutReport, RouteReport


class Cut(BaseModel):
    """What a change cut, once the hosts have confirmed it."""

    revision: int
    """The inventory's revision after the change."""
    cut: tuple[RouteReport, ...]
    unconfirmed: tuple[str, ...]
    """Hosts that could not confirm: what they still have idles out, or goes when they reconnect."""


class RemoveQuery(Query):
    """Whether only to say what would be cut, and to write nothing."""

    dry_run: bool = False


class WriteQuery(RemoveQuery):
    """Also whether it may name what there is not yet."""

    allow_unknown: bool = False


async def change(
    services: Services, make_plan: Callable[[Mirror], Plan], *, dry_run: bool
) -> tuple[bool, dict[str, Any]]:
    """Change rules or groups, or only try it; tell whether something was made, and give the fields of `Cut`."""
    if not dry_run:
        written = await services.inventory.write(make_plan)
        return written.created, await cut_by(services, written)
    plan = make_plan(services.inventory.mirror)
    report = services.fabric.would_cut(plan.changes)
    return False, {"revision": services.inventory.revision, "cut": report.routes, "unconfirmed": report.unconfirmed}


async def cut_by(services: Services, written: Written) -> dict[str, Any]:
    """Wait for the hosts, and give the fields of `Cut`."""
    report = await services.fabric.confirmed(written.revision) if written.changed else CutReport()
    return {"revision": written.revision, "cut": report.routes, "unconfirmed": report.unconfirmed}
