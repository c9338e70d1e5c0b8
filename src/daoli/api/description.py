"""/openapi.json: the OpenAPI 3.1 description, made from the operations' declarations and from nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from http import HTTPStatus
from typing import Any, Final, Literal

from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from daoli.api.operation import JSON, Ask, Operation, Query, Reply
from daoli.api.problems import MEDIA_TYPE, ProblemBody

Mode = Literal["validation", "serialization"]
Schemas = Mapping[Any, dict[str, Any]]
"""By (model, mode)."""

TEMPLATE: Final = "#/components/schemas/{model}"


class Description:
    """The document, made when it is first asked for: that takes some 40 ms, which a start need not."""

    def __init__(self, operations: Sequence[Operation], version: str, *, token: bool) -> None:
        self._operations = operations
        self._version = version
        self._token = token

    @cached_property
    def document(self) -> dict[str, Any]:
        """The whole document."""
        return describe(self._operations, self._version, token=self._token)


def describe(operations: Sequence[Operation], version: str, *, token: bool) -> dict[str, Any]:
    """Make the document."""
    schemas, definitions = models_json_schema(_models(operations), ref_template=TEMPLATE)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas, token=token)
    components: dict[str, Any] = {"schemas": definitions.get("$defs", {})}
    if token:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "daoli", "version": version},
        "paths": paths,
        "components": components,
    }


def _models(operations: Iterable[Operation]) -> list[tuple[type[BaseModel], Mode]]:
    wanted: dict[tuple[type[BaseModel], Mode], None] = {(ProblemBody, "serialization"): None}
    for operation in operations:
        if operation.body is not None:
            wanted[operation.body, "validation"] = None
        for reply in operation.replies.values():
            if reply.model is not None:
                wanted[reply.model, "serialization"] = None
    return list(wanted)


def _operation(operation: Operation, schemas: Schemas, *, token: bool) -> dict[str, Any]:
    document: dict[str, Any] = {
        "operationId": operation.handler.__name__,
        "summary": operation.summary,
        "responses": {str(int(status)): _reply(reply, schemas) for status, reply in operation.replies.items()},
    }
    if parameters := [*_path_parameters(operation.path), *_query_parameters(operation.query)]:
        document["parameters"] = parameters
    if operation.body is not None:
        content = {JSON: {"schema": schemas[operation.body, "validation"]}}
        document["requestBody"] = {"required": True, "content": content}
    for status in _problems(operation, token=token):
        content = {MEDIA_TYPE: {"schema": schemas[ProblemBody, "serialization"]}}
        document["responses"][str(int(status))] = {"description": status.phrase, "content": content}
    if token and not operation.open:
        document["security"] = [{"token": []}]
    return document


def _problems(operation: Operation, *, token: bool) -> list[HTTPStatus]:
    found = {HTTPStatus.BAD_REQUEST, *operation.problems}  # any operation refuses an unknown query parameter
    if operation.body is not None:
        found |= {HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}
    if token and not operation.open:
        found.add(HTTPStatus.UNAUTHORIZED)
    return sorted(found)


def _reply(reply: Reply, schemas: Schemas) -> dict[str, Any]:
    if reply.model is not None:
        schema = schemas[reply.model, "serialization"]
    else:
        schema = {"type": "object" if reply.media_type == JSON else "string"}
    return {"description": reply.description, "content": {reply.media_type: {"schema": schema}}}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = re.findall(r"\{(\w+)\}", path)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query_parameters(query: type[Query]) -> list[dict[str, Any]]:
    schema = query.model_json_schema()
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": described}
        for name, described in schema.get("properties", {}).items()
    ]


async def show_description(ask: Ask[None, Query]) -> web.StreamResponse:
    """Give this description."""
    return web.json_response(ask.services.description.document)


OPERATIONS = (
    Operation(
        method="GET",
        path="/openapi.json",
        handler=show_description,
        replies={HTTPStatus.OK: Reply("This description, as OpenAPI 3.1")},
    ),
)
