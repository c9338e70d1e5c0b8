"""The REST API: aiohttp, JSON, RFC 9457 problems, server-sent events, Prometheus metrics."""

from __future__ import annotations

from daoli.api.app import make_app
from daoli.api.listen import ListenError, Listening, serve

__all__ = ["ListenError", "Listening", "make_app", "serve"]
