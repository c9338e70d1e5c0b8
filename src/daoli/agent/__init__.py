"""What runs on a Docker host: it makes the host part of the fabric, and keeps it so."""
