"""The OpenFlow channel: an asyncio listener and the handle of each connected datapath."""
