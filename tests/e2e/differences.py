"""Where the emulated switch follows the specification, or lacks what is Open vSwitch's own: the sequences, and why."""

from collections.abc import Mapping
from types import MappingProxyType

DIFFERENCES: Mapping[str, str] = MappingProxyType(
    {
        "group to a group": "ref_count counts groups that lead there too (7.3.5.9); Open vSwitch counts flows alone",
        "group to no group": "a group that is not there may not be named (6.4); Open vSwitch drops the packets",
        "group to itself": "LOOP is refused where chains are checked (6.5); Open vSwitch ends the packet's way instead",
        "groups in a loop": "as above",
        "delete a chained group": "CHAINED_GROUP is refused (7.4.4); Open vSwitch leaves a bucket that leads nowhere",
        "meter": "Open vSwitch fills in the rate as the burst of a meter that has none",
        "modify a meter": "as above",
        "meter for the controller": "virtual meters are optional (5.7.1); they are not emulated",
        "bundle opened twice": "BUNDLE_EXIST (OpenFlow 1.4, 7.3.9.2); Open vSwitch says BAD_ID",
        "bundle step of unknown type": "BAD_TYPE; Open vSwitch answers with zeros",
        "bundle with unknown flags": "BAD_FLAGS; Open vSwitch opens the bundle",
        "meter in a bundle": "any change may be in a bundle; Open vSwitch takes flow_mods, group_mods and port_mods",
        "a new master": "Open vSwitch tells the old master by the ONF's role status, extension 191",
        "overlap of the same flow": "a flow overlaps with itself (6.4); Open vSwitch replaces it",
        "table that is not there": "table 254 is Open vSwitch's own",
        "table_mod of no table": "as above",
        "on to no table": "BAD_TABLE_ID (7.4.4); Open vSwitch lets the packet end there",
        "instruction twice": "1.3 has no error for it: UNSUP_INST; Open vSwitch has one of its own",
        "output to port 0": "ports are numbered from 1 (7.2.1); in Open vSwitch 0 is a port that is not there",
        "set a read-only field": "BAD_SET_TYPE (7.4.4); Open vSwitch says BAD_SET_ARGUMENT",
        "unknown port's counters": "BAD_PORT (7.4.4); Open vSwitch gives an empty answer",
        "reassembly": "BAD_FLAGS, as IP_REASM is not offered (7.3.2); Open vSwitch ignores the flag",
        "change a table's features": "EPERM: tables are as they are; Open vSwitch looks at the properties first",
        "packet_out of nothing": "BAD_PACKET (7.4.4); Open vSwitch drops it",
        "port_mod with unknown bits": "BAD_CONFIG (7.4.4); Open vSwitch ignores the bits",
    }
)
