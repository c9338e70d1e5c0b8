"""What agents say of probes that they were asked about by `GET /watch`."""

from __future__ import annotations

from http import HTTPStatus

from pydantic import BaseModel

from daoli.api.operation import Answer, Ask, Operation, Query, Reply
from daoli.hosts.inquiry import Word


class WordTaken(BaseModel):
    """The agent's word was taken."""

    host: str
    id: str


async def answer_inquiry(ask: Ask[Word, Query]) -> Answer:
    """Take an agent's word on a probe: that it watches, and then what its host's stack did with it."""
    host, name = ask.path["name"], ask.path["id"]
    ask.services.fabric.inquiries.take(host, name, ask.body)
    return Answer(WordTaken(host=host, id=name))


OPERATIONS = (
    Operation(
        method="PUT",
        path="/hosts/{name}/inquiries/{id}",
        handler=answer_inquiry,
        body=Word,
        replies={HTTPStatus.OK: Reply("It was waited for", WordTaken)},
        problems=(HTTPStatus.NOT_FOUND,),
    ),
)
