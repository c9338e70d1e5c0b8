"""A switch in Python, to try controllers on: it speaks OpenFlow 1.3 over TCP or TLS and forwards what it is given."""

from daoli.datapath.emulated.packet import Packet
from daoli.datapath.emulated.pipeline import Pipeline, Punted, Sent
from daoli.datapath.emulated.refusal import Refused
from daoli.datapath.emulated.switch import EmulatedSwitch
from daoli.datapath.emulated.table import Ended, Entry, FlowTables

__all__ = ["EmulatedSwitch", "Ended", "Entry", "FlowTables", "Packet", "Pipeline", "Punted", "Refused", "Sent"]
