"""The OpenFlow channel: an asyncio listener and the handle of each connected datapath."""

from daoli.datapath.channel import Channel, ChannelSettings, Handler
from daoli.datapath.datapath import Datapath
from daoli.datapath.errors import DatapathError, Disconnected, ListenError, RequestFailed

__all__ = [
    "Channel",
    "ChannelSettings",
    "Datapath",
    "DatapathError",
    "Disconnected",
    "Handler",
    "ListenError",
    "RequestFailed",
]
