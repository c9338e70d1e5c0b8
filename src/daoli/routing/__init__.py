"""What to do with a punted packet. Pure: no sockets, no clocks, no event loop; time comes in as an argument."""
