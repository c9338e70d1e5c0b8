"""The API's description of itself."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from tests.api.client import Api, serving

from daoli.api.app import OPERATIONS

Document = dict[str, Any]


@pytest.fixture
async def document(api: Api) -> Document:
    """The description that is served."""
    body: Document = (await api.ask("GET", "/openapi.json")).body
    return body


async def test_every_route(api: Api, document: Document) -> None:
    """Every route of the application is described, and nothing else is."""
    assert api.client.app is not None
    routes = {
        (route.method, route.resource.canonical)
        for route in api.client.app.router.routes()
        if route.resource is not None
    }
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert described == routes == {(operation.method, operation.path) for operation in OPERATIONS}


def test_references(document: Document) -> None:
    """Every reference leads to a schema, and every schema is referred to."""
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert references == set(document["components"]["schemas"])


def test_operations(document: Document) -> None:
    """Each operation has an id of its own, a summary, and a schema for each answer."""
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert operation["summary"]
        for response in operation["responses"].values():
            assert all(content["schema"] for content in response["content"].values())


def test_host(document: Document) -> None:
    """A request body says what is required and what is refused, and an answer what may come back."""
    post = document["paths"]["/hosts"]["post"]
    name = post["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    schema = document["components"]["schemas"][name]
    assert schema["required"] == ["name", "dpid", "address", "uplink"]
    assert schema["additionalProperties"] is False
    assert re.fullmatch(schema["properties"]["dpid"]["pattern"], schema["properties"]["dpid"]["examples"][0])
    assert set(post["responses"]) == {"200", "201", "400", "409", "413", "422", "503"}


def test_parameters(document: Document) -> None:
    """Path and query parameters are described, with which of them are required."""
    (name,) = document["paths"]["/hosts/{name}"]["get"]["parameters"]
    assert (name["name"], name["in"], name["required"]) == ("name", "path", True)
    query = document["paths"]["/explain"]["get"]["parameters"]
    assert {parameter["name"]: parameter["required"] for parameter in query} == {
        "source": True,
        "destination": True,
        "protocol": False,
        "port": False,
        "via": False,
        "why_not": False,
    }


def test_no_token(document: Document) -> None:
    """Without a token nothing is said of one."""
    assert "securitySchemes" not in document["components"]
    assert "security" not in document["paths"]["/hosts"]["get"]


async def test_token() -> None:
    """With a token each operation but the probes asks for it."""
    async with serving(token="secret") as api:  # noqa: S106 - a test's token
        body = (await api.ask("GET", "/openapi.json", headers={"Authorization": "Bearer secret"})).body
    assert body["components"]["securitySchemes"] == {"token": {"type": "http", "scheme": "bearer"}}
    for path, item in body["paths"].items():
        for operation in item.values():
            assert (
                ("security" in operation) == ("401" in operation["responses"]) == (path not in {"/healthz", "/readyz"})
            )
