"""Meters: rates above which packets are dropped or remarked (7.3.4.4), their counters and what a datapath offers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from construct import GreedyBytes, Int8ub, Int32ub, Padding

from daoli.ofproto.constants import (
    MessageType,
    MeterBandType,
    MeterFlags,
    MeterModCommand,
    MeterNo,
    MultipartType,
)
from daoli.ofproto.message import Message, message
from daoli.ofproto.multipart import Multipart, multipart_reply, multipart_request
from daoli.ofproto.number_text import duration_text, flags_text
from daoli.ofproto.record import Structure, wired
from daoli.ofproto.tlv import Tlv
from daoli.ofproto.wire import U8, U16, U32, U64, Many, Measured, Sized


class Band(Structure):
    """Base of a meter's bands."""

    __slots__ = ()

    def text(self, *, burst: bool) -> str:
        """Give the band; a meter without BURST leaves the size of bursts unsaid, as it means nothing (7.3.4.4)."""
        raise NotImplementedError

    def __str__(self) -> str:
        return self.text(burst=True)


@dataclass(frozen=True, slots=True)
class UnknownBand(Band):
    """A band that has no class; the body is what follows its length."""

    kind: int
    body: bytes

    def text(self, *, burst: bool) -> str:
        """Give its number and body."""
        return f"type={self.kind} body={self.body.hex()}"


BAND = Tlv("a band", UnknownBand, "7.3.4.4", counts_padding=False, align=1)
BANDS = Many(BAND)

B = TypeVar("B", bound=Band)


def band(kind: MeterBandType) -> Callable[[type[B]], type[B]]:
    """Make a dataclass the band of that type."""

    def declare(cls: type[B]) -> type[B]:
        BAND.register(kind.to_bytes(2, "big"), wired("7.3.4.4")(cls))
        return cls

    return declare


@band(MeterBandType.DROP)
@dataclass(frozen=True, slots=True)
class DropBand(Band):
    """Drop what exceeds the rate, in kb/s or packets/s as the meter's flags say."""

    rate: U32
    burst_size: Annotated[int, Int32ub, Padding(4)] = 0

    def text(self, *, burst: bool) -> str:
        """Give the rate."""
        return f"type=drop rate={self.rate}" + _burst(self.burst_size, said=burst)


@band(MeterBandType.DSCP_REMARK)
@dataclass(frozen=True, slots=True)
class DscpRemarkBand(Band):
    """Raise the drop precedence in the DSCP of what exceeds the rate by `prec_level`."""

    rate: U32
    burst_size: U32 = 0
    prec_level: Annotated[int, Int8ub, Padding(3)] = 0

    def text(self, *, burst: bool) -> str:
        """Give the rate and the precedence."""
        size = _burst(self.burst_size, said=burst)
        return f"type=dscp_remark rate={self.rate}{size} prec_level={self.prec_level}"


@band(MeterBandType.EXPERIMENTER)
@dataclass(frozen=True, slots=True)
class ExperimenterBand(Band):
    """What an experimenter does with what exceeds the rate."""

    rate: U32
    burst_size: U32 = 0
    experimenter: U32 = 0
    data: Annotated[bytes, GreedyBytes] = b""

    def text(self, *, burst: bool) -> str:
        """Give the rate, who defines the band, and the data."""
        said = f"experimenter={self.experimenter:#x} data={self.data.hex()}"
        return f"type=experimenter rate={self.rate}{_burst(self.burst_size, said=burst)} {said}"


def _burst(size: int, *, said: bool) -> str:
    return f" burst_size={size}" if said else ""


def meter_name(meter_id: int) -> str:
    """Name a meter as Open vSwitch does."""
    return MeterNo(meter_id).name.lower() if meter_id > MeterNo.MAX and meter_id in list(MeterNo) else str(meter_id)


def meter_text(meter_id: int, flags: int, bands: tuple[Band, ...]) -> str:
    """Give a meter as `ovs-ofctl dump-meters` does: a line, and one more for each band."""
    words = [f"meter={meter_name(meter_id)}", *(flags_text(MeterFlags, flags).lower().split() if flags else ())]
    return "\n  ".join(
        (" ".join((*words, "bands=")), *(said.text(burst=bool(flags & MeterFlags.BURST)) for said in bands))
    )


_COMMANDS: dict[int, str] = {
    MeterModCommand.ADD: "ADD",
    MeterModCommand.MODIFY: "MOD",
    MeterModCommand.DELETE: "DEL",
}


@message(MessageType.METER_MOD, "7.3.4.4")
@dataclass(frozen=True, slots=True)
class MeterMod(Message):
    """Add, change or delete a meter."""

    command: U16 = MeterModCommand.ADD
    flags: U16 = MeterFlags.KBPS
    meter_id: U32 = 1
    bands: Annotated[tuple[Band, ...], BANDS] = ()

    def detail(self) -> str:
        """Show the command and the meter."""
        command = _COMMANDS.get(self.command, str(self.command))
        return f"{command} {meter_text(self.meter_id, self.flags, self.bands)}"


@multipart_request(MultipartType.METER, "7.3.5.12")
@dataclass(frozen=True, slots=True)
class MeterStatsRequest(Multipart):
    """Ask for the counters of a meter, or of all of them."""

    meter_id: Annotated[int, Int32ub, Padding(4)] = MeterNo.ALL

    def detail(self) -> str:
        """Say which meter."""
        return f"meter={meter_name(self.meter_id)}"


@wired("7.3.5.12")
@dataclass(frozen=True, slots=True)
class BandStats(Structure):
    """What exceeded one band's rate."""

    packet_band_count: U64 = 0
    byte_band_count: U64 = 0


@wired("7.3.5.12")
@dataclass(frozen=True, slots=True)
class MeterStats(Structure):
    """One meter's counters; `flow_count` counts the flows that lead to it."""

    meter_id: Annotated[int, Int32ub, Padding(8)]
    flow_count: U32 = 0
    packet_in_count: U64 = 0
    byte_in_count: U64 = 0
    duration_sec: U32 = 0
    duration_nsec: U32 = 0
    band_stats: Annotated[tuple[BandStats, ...], Many(BandStats.wire)] = ()

    def __str__(self) -> str:
        bands = "".join(
            f"\n  {place}: packet_count:{stats.packet_band_count} byte_count:{stats.byte_band_count}"
            for place, stats in enumerate(self.band_stats)
        )
        return (
            f"meter:{meter_name(self.meter_id)} flow_count:{self.flow_count} packet_in_count:{self.packet_in_count} "
            f"byte_in_count:{self.byte_in_count} duration:{duration_text(self.duration_sec, self.duration_nsec)} "
            f"bands:{bands}"
        )


@multipart_reply(MultipartType.METER, "7.3.5.12")
@dataclass(frozen=True, slots=True)
class MeterStatsReply(Multipart):
    """The counters of meters."""

    meters: Annotated[tuple[MeterStats, ...], Many(Measured(MeterStats.wire, 4, "7.3.5.12"))] = ()

    def detail(self) -> str:
        """Show a meter on each line."""
        return "".join(f"\n  {meter}" for meter in self.meters)


@multipart_request(MultipartType.METER_CONFIG, "7.3.5.13")
@dataclass(frozen=True, slots=True)
class MeterConfigRequest(Multipart):
    """Ask for a meter, or for all of them."""

    meter_id: Annotated[int, Int32ub, Padding(4)] = MeterNo.ALL

    def detail(self) -> str:
        """Say which meter."""
        return f"meter={meter_name(self.meter_id)}"


@wired("7.3.5.13")
@dataclass(frozen=True, slots=True)
class MeterConfig(Structure):
    """One meter."""

    flags: U16 = 0
    meter_id: U32 = 0
    bands: Annotated[tuple[Band, ...], BANDS] = ()

    def __str__(self) -> str:
        return meter_text(self.meter_id, self.flags, self.bands)


@multipart_reply(MultipartType.METER_CONFIG, "7.3.5.13")
@dataclass(frozen=True, slots=True)
class MeterConfigReply(Multipart):
    """The datapath's meters."""

    meters: Annotated[tuple[MeterConfig, ...], Many(Sized(MeterConfig.wire, "7.3.5.13"))] = ()

    def detail(self) -> str:
        """Show a meter on each line."""
        return "".join(f"\n  {meter}" for meter in self.meters)


@multipart_request(MultipartType.METER_FEATURES, "7.3.5.14")
@dataclass(frozen=True, slots=True)
class MeterFeaturesRequest(Multipart):
    """Ask what the datapath can do with meters."""


@multipart_reply(MultipartType.METER_FEATURES, "7.3.5.14")
@dataclass(frozen=True, slots=True)
class MeterFeaturesReply(Multipart):
    """What the datapath can do with meters; bit t of `band_types` is band type t."""

    max_meter: U32 = 0
    band_types: U32 = 0
    capabilities: U32 = 0
    max_bands: U8 = 0
    max_color: Annotated[int, Int8ub, Padding(2)] = 0

    def detail(self) -> str:
        """Show all of it."""
        kinds = [kind.name.lower() for kind in MeterBandType if self.band_types >> kind & 1 and kind.name]
        return (
            f"max_meter:{self.max_meter} max_bands:{self.max_bands} max_color:{self.max_color}"
            f"\n  band_types: {' '.join(kinds) or self.band_types}"
            f"\n  capabilities: {flags_text(MeterFlags, self.capabilities).lower()}"
        )
