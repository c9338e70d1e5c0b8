"""Multi-host networking for Docker without an overlay."""

__version__ = "0.1.0"
