"""What hosts' agents report."""

from __future__ import annotations

from http import HTTPStatus

from pydantic import BaseModel

from daoli.api.operation import Answer, Ask, Operation, Query, Reply
from daoli.hosts.publication import HostReport


class ReportTaken(BaseModel):
    """The report was taken."""

    host: str


async def take_report(ask: Ask[HostReport, Query]) -> Answer:
    """Take an agent's word on what is in place on its host and what is not, in the place of its last one."""
    ask.services.reported.take(ask.path["name"], ask.body)
    return Answer(ReportTaken(host=ask.path["name"]))


OPERATIONS = (
    Operation(
        method="PUT",
        path="/hosts/{name}/problems",
        handler=take_report,
        body=HostReport,
        replies={HTTPStatus.OK: Reply("The report is known until the next one", ReportTaken)},
        problems=(HTTPStatus.NOT_FOUND,),
    ),
)
