"""Docker's network and IPAM driver `daoli`: what libnetwork asks on a unix socket, answered from the agent's state."""
