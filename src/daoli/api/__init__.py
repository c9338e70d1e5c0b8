"""The REST API: aiohttp, JSON, RFC 9457 problems, server-sent events, Prometheus metrics."""
