"""Who may ask: holders of the token, or on loopback without one anybody but a web page from elsewhere.

A browser on the operator's machine reaches loopback on behalf of any page. A page that posts is told by its Origin; one
that has its own name resolve to loopback (DNS rebinding), by a Host that is a name.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from daoli.api.problems import Problem
from daoli.api.refusals import Refusals

READ_ONLY: Final = {"GET", "HEAD"}


def guard(token: str | None, open_paths: Collection[str], refusals: Refusals) -> Middleware:
    """Make the middleware that lets requests pass, those for `open_paths` always; `refusals` counts the others."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in open_paths:
            if token is not None:
                _check_token(request, token, refusals)
            _check_page(request, named=token is not None)
        return await handler(request)

    return check


def _check_token(request: web.Request, token: str, refusals: Refusals) -> None:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    right = hmac.compare_digest(given.strip().encode(errors="surrogateescape"), token.encode())
    if scheme.lower() != "bearer" or not right:
        detail = "the token is wrong" if given else "send the header Authorization: Bearer and the token"
        refusals.note(request.remote or "unix", detail)
        headers = {"WWW-Authenticate": 'Bearer realm="daoli"'}
        raise Problem(HTTPStatus.UNAUTHORIZED, "unauthorized", detail, headers=headers)


def _check_page(request: web.Request, *, named: bool) -> None:
    origin = request.headers.get("Origin")
    if origin is not None and request.method not in READ_ONLY and _authority(origin) != request.host:
        raise Problem(HTTPStatus.FORBIDDEN, "foreign-page", f"a page from {origin} may not change anything here")
    over_tcp = request.transport is not None and isinstance(request.transport.get_extra_info("sockname"), tuple)
    if over_tcp and not named and not _is_local(request.host):
        detail = f"without a token the API is asked by address or as localhost, not as {request.host}"
        raise Problem(HTTPStatus.FORBIDDEN, "foreign-page", detail)


def _authority(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _is_local(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name == "localhost":
            return True
        ip_address(name)
    except ValueError:
        return False
    return True
