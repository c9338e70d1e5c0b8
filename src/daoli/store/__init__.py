"""Desired state, durable: one interface, several stores."""
