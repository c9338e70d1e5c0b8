"""The inventory of hosts, networks and endpoints, and the fabric that they form."""
