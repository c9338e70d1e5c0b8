"""The OpenFlow channel: an asyncio listener and the handle of each connected datapath."""

from daoli.datapath.channel import Channel, ChannelSettings, Handler, serve
from daoli.datapath.datapath import Datapath
from daoli.datapath.errors import DatapathError, Disconnected, ListenError, RequestFailed, TlsError
from daoli.datapath.tls import client_context, server_context

__all__ = [
    "Channel",
    "ChannelSettings",
    "Datapath",
    "DatapathError",
    "Disconnected",
    "Handler",
    "ListenError",
    "RequestFailed",
    "TlsError",
    "client_context",
    "serve",
    "server_context",
]
