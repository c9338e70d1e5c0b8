"""``daolictl``: the controller's REST API for people, as they know docker and kubectl.

Whoever presses Tab waits for Python to start, so that what not every command needs (rich, yaml, http) is imported where
it is used, and nothing of the controller is.
"""
