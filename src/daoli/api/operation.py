"""An operation of the API: a method on a path, what it takes and what it answers, declared once.

The declaration is what parses the request, what renders the answer and what /openapi.json is made of.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, Generic, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json

from daoli.api.problems import Problem
from daoli.api.services import SERVICES, Services
from daoli.hosts.spec import Fault, faults

JSON: Final = "application/json"

Model = TypeVar("Model", bound=BaseModel)
B = TypeVar("B")
Q = TypeVar("Q")


class Query(BaseModel):
    """Query parameters; this one has none. Text is converted, what is unknown is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Ask(Generic[B, Q]):
    """A request whose body and query are what the operation declares."""

    services: Services
    request: web.Request
    path: Mapping[str, str]
    body: B
    query: Q


@dataclass(frozen=True, slots=True)
class Answer:
    """A body for the client, rendered as JSON."""

    body: BaseModel
    status: HTTPStatus = HTTPStatus.OK
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What an operation may answer: a model, or text of another media type."""

    description: str
    model: type[BaseModel] | None = None
    media_type: str = JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method on one path. The handler's name is the operation's id, its docstring the summary."""

    method: str
    path: str
    handler: Callable[[Ask[Any, Any]], Awaitable[Answer | web.StreamResponse]]
    replies: Mapping[HTTPStatus, Reply]
    body: type[BaseModel] | None = None
    query: type[Query] = Query
    problems: tuple[HTTPStatus, ...] = ()
    """Those that it may answer beside what its body and query may bring."""
    open: bool = False
    """Whether it is answered without a token."""
    tag: str = field(default="")

    @property
    def summary(self) -> str:
        """The first line of the handler's docstring."""
        return (inspect.getdoc(self.handler) or "").partition("\n")[0].rstrip(".")

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Parse the request, call the handler, render its answer."""
        query = parse_query(self.query, request)
        body = None if self.body is None else parse_body(self.body, await request.read())
        answer = await self.handler(Ask(request.app[SERVICES], request, request.match_info, body, query))
        if isinstance(answer, web.StreamResponse):
            return answer
        headers = {"Location": answer.location} if answer.location else None
        data = answer.body.model_dump_json().encode()
        return web.Response(body=data, status=answer.status, content_type=JSON, headers=headers)


def parse_body(model: type[Model], data: bytes) -> Model:
    """Read JSON as a model; what is wrong is a Problem with the line and column, or the fields."""
    if not data:
        raise Problem(HTTPStatus.BAD_REQUEST, "malformed", "the body is empty; JSON is expected")
    try:
        value = from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, "malformed", f"the body is not JSON: {error}") from error
    return _valid(model, value)


def with_path(model: type[Model], body: BaseModel, **named: str) -> Model:
    """Join a body with what the path names of it; what is wrong with that is a Problem, too."""
    return _valid(model, {**dict(body), **named})


def _valid(model: type[Model], value: Any) -> Model:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise Problem.of_faults(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", faults(error)) from error


def parse_query(model: type[Query], request: web.Request) -> Query:
    """Read query parameters as a model; one given twice is as wrong as an unknown one."""
    twice = [Fault(name, "this parameter is given twice") for name in set(request.query) if _count(request, name) > 1]
    if twice:
        raise Problem.of_faults(HTTPStatus.BAD_REQUEST, "query", twice)
    try:
        return model.model_validate(dict(request.query))
    except ValidationError as error:
        raise Problem.of_faults(HTTPStatus.BAD_REQUEST, "query", faults(error)) from error


def _count(request: web.Request, name: str) -> int:
    return len(request.query.getall(name))
