"""How many packets Open vSwitch sampled for IPFIX: of a bridge, and for each set of collectors that flows sample to."""

from dataclasses import dataclass
from typing import Annotated

from construct import Int32ub, Padding

from daoli.ofproto.constants import NICIRA
from daoli.ofproto.experimenter import ExperimenterMultipart, experimenter_reply, experimenter_request
from daoli.ofproto.number_text import counter_text
from daoli.ofproto.record import Structure, wired
from daoli.ofproto.wire import U64, Many

_BRIDGE, _FLOW = 3, 4


@wired("7.3.5.15")
@dataclass(frozen=True, slots=True)
class IpfixStats(Structure):
    """What was sampled, what was sent, and what went wrong; all ones is a counter that the datapath lacks."""

    total_flows: U64 = 0
    current_flows: U64 = 0
    pkts: U64 = 0
    ipv4_pkts: U64 = 0
    ipv6_pkts: U64 = 0
    error_pkts: U64 = 0
    ipv4_error_pkts: U64 = 0
    ipv6_error_pkts: U64 = 0
    tx_pkts: U64 = 0
    tx_errors: U64 = 0
    collector_set_id: Annotated[int, Int32ub, Padding(4)] = 0

    def __str__(self) -> str:
        good = {
            "flows": self.total_flows,
            "current flows": self.current_flows,
            "sampled pkts": self.pkts,
            "ipv4 ok": self.ipv4_pkts,
            "ipv6 ok": self.ipv6_pkts,
            "tx pkts": self.tx_pkts,
        }
        bad = {
            "pkts errs": self.error_pkts,
            "ipv4 errs": self.ipv4_error_pkts,
            "ipv6 errs": self.ipv6_error_pkts,
            "tx errs": self.tx_errors,
        }
        first, second = (
            ", ".join(f"{name}={counter_text(value)}" for name, value in counters.items()) for counters in (good, bad)
        )
        return f"{first}\n          {second}"


@experimenter_request(NICIRA, _BRIDGE, "7.3.5.15")
@dataclass(frozen=True, slots=True)
class IpfixBridgeRequest(ExperimenterMultipart):
    """Ask what was sampled of the whole bridge."""


@experimenter_reply(NICIRA, _BRIDGE, "7.3.5.15")
@dataclass(frozen=True, slots=True)
class IpfixBridgeReply(ExperimenterMultipart):
    """What was sampled of the whole bridge."""

    stats: Annotated[tuple[IpfixStats, ...], Many(IpfixStats.wire)] = ()

    def detail(self) -> str:
        """Show the counters."""
        return "".join(f"\n  bridge ipfix: {stats}" for stats in self.stats)


@experimenter_request(NICIRA, _FLOW, "7.3.5.15")
@dataclass(frozen=True, slots=True)
class IpfixFlowRequest(ExperimenterMultipart):
    """Ask what flows sampled."""


@experimenter_reply(NICIRA, _FLOW, "7.3.5.15")
@dataclass(frozen=True, slots=True)
class IpfixFlowReply(ExperimenterMultipart):
    """What flows sampled, for each set of collectors."""

    stats: Annotated[tuple[IpfixStats, ...], Many(IpfixStats.wire)] = ()

    def detail(self) -> str:
        """Show the counters of each set of collectors."""
        ids = "".join(f"\n  id {stats.collector_set_id:>3}: {stats}" for stats in self.stats)
        return f"{len(self.stats)} ids{ids}"
