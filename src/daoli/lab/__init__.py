"""Docker hosts with Open vSwitch in namespaces of one machine: the demo, the tests and the benchmarks run on them."""

from daoli.lab.docker_host import DockerHost
from daoli.lab.docker_lab import DockerLab
from daoli.lab.errors import LabError, UsageError
from daoli.lab.host import Endpoint, Host
from daoli.lab.lab import Lab
from daoli.lab.machine import Machine, Place
from daoli.lab.processes import Process, wait_until

__all__ = [
    "DockerHost",
    "DockerLab",
    "Endpoint",
    "Host",
    "Lab",
    "LabError",
    "Machine",
    "Place",
    "Process",
    "UsageError",
    "wait_until",
]
