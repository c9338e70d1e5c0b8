"""The part of an answer that tells what a change cut."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from daoli.api.services import Services
from daoli.hosts.inventory import Written
from daoli.hosts.reports import CutReport, RouteReport


class Cut(BaseModel):
    """What a change cut, once the hosts have confirmed it."""

    revision: int
    """The inventory's revision after the change."""
    cut: tuple[RouteReport, ...]
    unconfirmed: tuple[str, ...]
    """Hosts that could not confirm: what they still have idles out, or goes when they reconnect."""


async def cut_by(services: Services, written: Written) -> dict[str, Any]:
    """Wait for the hosts, and give the fields of `Cut`."""
    report = await services.fabric.confirmed(written.revision) if written.changed else CutReport()
    return {"revision": written.revision, "cut": report.routes, "unconfirmed": report.unconfirmed}
