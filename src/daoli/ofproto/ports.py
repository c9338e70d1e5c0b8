"""A datapath's ports (7.2.1), and news of them (7.4.3)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from construct import Bytes, Int8ub, Int32ub, Padding

from daoli.ofproto.addresses import accept_text
from daoli.ofproto.constants import VERSION, MessageType, PortConfig, PortFeatures, PortReason, PortState
from daoli.ofproto.message import Message, message
from daoli.ofproto.number_text import flags_text, port_text
from daoli.ofproto.record import Structure, wired
from daoli.ofproto.text import value_text
from daoli.ofproto.wire import U32, Text


def features_text(features: int) -> str:
    """Name what a port can do as Open vSwitch does: `10GB-FD COPPER AUTO_NEG`."""
    words = [_FEATURES[flag] for flag in PortFeatures if features & flag]
    rest = features & ~sum(PortFeatures)
    return " ".join((*words, f"{rest:#x}") if rest else words) or "0"


_FEATURES = {
    PortFeatures.HD_10MB: "10MB-HD",
    PortFeatures.FD_10MB: "10MB-FD",
    PortFeatures.HD_100MB: "100MB-HD",
    PortFeatures.FD_100MB: "100MB-FD",
    PortFeatures.HD_1GB: "1GB-HD",
    PortFeatures.FD_1GB: "1GB-FD",
    PortFeatures.FD_10GB: "10GB-FD",
    PortFeatures.FD_40GB: "40GB-FD",
    PortFeatures.FD_100GB: "100GB-FD",
    PortFeatures.FD_1TB: "1TB-FD",
    PortFeatures.OTHER: "OTHER",
    PortFeatures.COPPER: "COPPER",
    PortFeatures.FIBER: "FIBER",
    PortFeatures.AUTONEG: "AUTO_NEG",
    PortFeatures.PAUSE: "AUTO_PAUSE",
    PortFeatures.PAUSE_ASYM: "AUTO_PAUSE_ASYM",
}


@wired("7.2.1")
@dataclass(frozen=True, slots=True)
class Port(Structure):
    """A port; features are bitmaps, speeds are in kb/s; the address may be given as text."""

    port_no: Annotated[int, Int32ub, Padding(4)]
    hw_addr: Annotated[bytes, Bytes(6), Padding(2)] = bytes(6)
    name: Annotated[str, Text(16)] = ""
    config: U32 = 0
    state: U32 = 0
    curr: U32 = 0
    advertised: U32 = 0
    supported: U32 = 0
    peer: U32 = 0
    curr_speed: U32 = 0
    max_speed: U32 = 0

    if TYPE_CHECKING:

        def __init__(
            self,
            port_no: int,
            hw_addr: bytes | str = ...,
            name: str = "",
            config: int = 0,
            state: int = 0,
            curr: int = 0,
            advertised: int = 0,
            supported: int = 0,
            peer: int = 0,
            curr_speed: int = 0,
            max_speed: int = 0,
        ) -> None: ...

    def __post_init__(self) -> None:
        accept_text(self, "mac", "hw_addr")

    def __str__(self) -> str:
        lines = [
            f"{port_text(self.port_no)}({value_text('name', self.name)}): addr:{self.hw_addr.hex(':')}",
            f"config:     {flags_text(PortConfig, self.config)}",
            f"state:      {flags_text(PortState, self.state)}",
            *(f"{name + ':':<11} {features_text(bits)}" for name, bits in self._features() if bits),
            f"speed: {self.curr_speed // 1000} Mbps now, {self.max_speed // 1000} Mbps max",
        ]
        return "\n    ".join(lines)

    def _features(self) -> tuple[tuple[str, int], ...]:
        return (
            ("current", self.curr),
            ("advertised", self.advertised),
            ("supported", self.supported),
            ("peer", self.peer),
        )


_REASONS: dict[int, str] = {PortReason.ADD: "ADD", PortReason.DELETE: "DEL", PortReason.MODIFY: "MOD"}


@message(MessageType.PORT_STATUS, "7.4.3")
@dataclass(frozen=True, slots=True)
class PortStatus(Message):
    """A port was added, deleted or changed."""

    reason: Annotated[int, Int8ub, Padding(7)]
    port: Annotated[Port, Port.wire]

    def detail(self) -> str:
        """Say what happened to which port."""
        return f"{_REASONS.get(self.reason, self.reason)}: {self.port}"


@message(MessageType.PORT_MOD, "7.3.4.3")
@dataclass(frozen=True, slots=True)
class PortMod(Message):
    """Change a port's configuration where `mask` has a bit; `advertise` 0 leaves what it tells its peer.

    The address, which must be the port's, may be given as text.
    """

    port_no: Annotated[int, Int32ub, Padding(4)] = 0
    hw_addr: Annotated[bytes, Bytes(6), Padding(2)] = bytes(6)
    config: U32 = 0
    mask: U32 = 0
    advertise: Annotated[int, Int32ub, Padding(4)] = 0

    if TYPE_CHECKING:

        def __init__(
            self,
            port_no: int = 0,
            hw_addr: bytes | str = ...,
            config: int = 0,
            mask: int = 0,
            advertise: int = 0,
            *,
            xid: int = 0,
            version: int = VERSION,
        ) -> None: ...

    def __post_init__(self) -> None:
        accept_text(self, "mac", "hw_addr")

    def detail(self) -> str:
        """Say which port, and which bits get which values."""
        return (
            f"port: {port_text(self.port_no)}: addr:{self.hw_addr.hex(':')}"
            f"\n  config: {flags_text(PortConfig, self.config)}"
            f"\n  mask:   {flags_text(PortConfig, self.mask)}"
            f"\n  advertise: {features_text(self.advertise) if self.advertise else 'UNCHANGED'}"
        )
