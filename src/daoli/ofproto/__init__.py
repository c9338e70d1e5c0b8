"""OpenFlow 1.3.5 on the wire. Pure: no sockets, no clocks, no event loop may be imported here."""
