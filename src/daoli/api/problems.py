"""Whatever goes wrong becomes a problem document (RFC 9457), here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import BaseModel

from daoli.hosts.errors import Clash, InUse, Invalid, InventoryError, NotFound
from daoli.hosts.spec import Fault
from daoli.store.base import StoreUnavailable

MEDIA_TYPE: Final = "application/problem+json"
URN: Final = "urn:daoli:problem:"

log = structlog.get_logger(__name__)


class FaultBody(BaseModel):
    """One field at fault."""

    field: str
    detail: str


class ProblemBody(BaseModel):
    """A problem document."""

    type: str
    """``urn:daoli:problem:`` and a word that does not change, or ``about:blank`` where the status says it all."""
    title: str
    status: int
    detail: str | None = None
    field: str | None = None
    """The field at fault, the first of several: ``subnet``, ``endpoints[3].mac``."""
    errors: list[FaultBody] | None = None
    """Every field at fault."""


TITLES: Final = {
    "malformed": "The body is not JSON",
    "invalid": "The request makes no sense",
    "query": "The query makes no sense",
    "not-found": "There is no such thing",
    "clash": "Something else has this",
    "in-use": "Others need this",
    "unavailable": "The store cannot be used now",
    "not-ready": "The controller is not ready",
    "unauthorized": "A token is needed",
    "foreign-page": "A page from elsewhere may not do this",
    "internal": "Something is wrong in the controller",
}

STATUS: Final[Mapping[type[InventoryError], tuple[HTTPStatus, str]]] = {
    Invalid: (HTTPStatus.UNPROCESSABLE_ENTITY, "invalid"),
    NotFound: (HTTPStatus.NOT_FOUND, "not-found"),
    Clash: (HTTPStatus.CONFLICT, "clash"),
    InUse: (HTTPStatus.CONFLICT, "in-use"),
}


class Problem(Exception):
    """An answer that says what is wrong; `kind` is a key of `TITLES`."""

    def __init__(
        self,
        status: HTTPStatus,
        kind: str,
        detail: str,
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.faults = faults
        self.headers = headers

    @classmethod
    def of_faults(cls, status: HTTPStatus, kind: str, faults: Sequence[Fault]) -> Problem:
        """Tell what is wrong with fields; a fault of the whole has the empty field and is not listed."""
        detail = "; ".join(f"{fault.field}: {fault.detail}" if fault.field else fault.detail for fault in faults)
        return cls(status, kind, detail, [fault for fault in faults if fault.field])

    def response(self) -> web.Response:
        """Render the document."""
        body = ProblemBody(
            type=URN + self.kind,
            title=TITLES[self.kind],
            status=self.status,
            detail=self.detail,
            field=self.faults[0].field if self.faults else None,
            errors=[FaultBody(field=fault.field, detail=fault.detail) for fault in self.faults] or None,
        )
        return _render(body, self.headers)


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error into a problem document; one that nobody expected is logged, and says nothing of itself."""
    try:
        return await handler(request)
    except Problem as problem:
        return problem.response()
    except InventoryError as error:
        status, kind = STATUS[type(error)]
        faults = [Fault(error.field, error.detail)] if error.field else []
        return Problem(status, kind, error.detail, faults).response()
    except StoreUnavailable as error:
        return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", error.reason).response()
    except web.HTTPException as error:
        return _blank(error)
    except web.RequestPayloadError as error:
        return Problem(HTTPStatus.BAD_REQUEST, "malformed", f"the body cannot be read: {error}").response()
    except Exception:  # the supervisor of a request
        log.exception("api_request_failed", method=request.method, path=request.path)
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        return Problem(status, "internal", "the controller's log has the details").response()


def _blank(error: web.HTTPException) -> web.Response:
    """Say what HTTP says: no such path, method not allowed, body too large."""
    status = HTTPStatus(error.status)
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
    detail = {
        HTTPStatus.NOT_FOUND: "the API has no such path; /openapi.json lists those that it has",
        HTTPStatus.METHOD_NOT_ALLOWED: f"this path takes {(headers or {}).get('Allow')}",
    }.get(status, error.text)
    return _render(ProblemBody(type="about:blank", title=status.phrase, status=status, detail=detail), headers)


def _render(body: ProblemBody, headers: Mapping[str, str] | None) -> web.Response:
    return web.Response(
        body=body.model_dump_json(exclude_none=True).encode(),
        status=body.status,
        content_type=MEDIA_TYPE,
        headers=headers,
    )
