"""Meters: rates above which packets are dropped or remarked (5.7), and the commands that change them (6.7).

Every band has a token bucket. Its time is what the caller says it is, in seconds of the switch's clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from daoli.datapath.emulated.clock import duration
from daoli.datapath.emulated.packet import Packet
from daoli.datapath.emulated.refusal import Refused
from daoli.ofproto import (
    BandStats,
    DropBand,
    DscpRemarkBand,
    ErrorType,
    MeterConfig,
    MeterFlags,
    MeterMod,
    MeterModCommand,
    MeterModFailedCode,
    MeterNo,
    MeterStats,
)

FLAGS: Final = sum(MeterFlags)
_UNITS: Final = MeterFlags.KBPS | MeterFlags.PKTPS
"""Of which a meter has one."""
KILO: Final = 1000
"""Bits in a kilobit."""
_LOWEST_PRECEDENCE, _HIGHEST_PRECEDENCE = 1, 3
_FIRST_CLASS, _LAST_CLASS = 1, 4


class TokenBucket:
    """Tokens that come at a rate, up to a capacity; full at first."""

    def __init__(self, rate: float, capacity: float, now: float) -> None:
        """`rate` is in tokens per second."""
        self._rate, self._capacity = rate, capacity
        self._tokens, self._at = capacity, now

    def take(self, tokens: float, now: float) -> bool:
        """Take tokens if there are so many; False, and none are taken, if there are not."""
        self._tokens = min(self._capacity, self._tokens + (now - self._at) * self._rate)
        self._at = now
        enough = self._tokens >= tokens
        self._tokens -= tokens if enough else 0
        return enough


class BandEntry:
    """A band, its tokens, and what exceeded its rate."""

    def __init__(self, band: DropBand | DscpRemarkBand, flags: int, now: float) -> None:
        unit = 1 if flags & MeterFlags.PKTPS else KILO
        burst = band.burst_size if flags & MeterFlags.BURST and band.burst_size else band.rate
        self.band = band
        self.tokens = TokenBucket(band.rate * unit, burst * unit, now)
        self.packets = self.bytes = 0

    def apply(self, packet: Packet) -> bool:
        """Do to a packet what is done above the rate; False if it is dropped."""
        self.packets += 1
        self.bytes += len(packet.frame)
        if isinstance(self.band, DropBand):
            return False
        remark(packet, self.band.prec_level)
        return True


def remark(packet: Packet, levels: int) -> None:
    """Raise the drop precedence of assured forwarding (RFC 2597, 6); any other DSCP has none and stays."""
    dscp = packet.get("ip_dscp")
    if dscp is None:
        return
    forwarding_class, precedence, rest = dscp >> 3, dscp >> 1 & 3, dscp & 1
    if _FIRST_CLASS <= forwarding_class <= _LAST_CLASS and precedence >= _LOWEST_PRECEDENCE and not rest:
        raised = min(_HIGHEST_PRECEDENCE, precedence + levels)
        packet.set("ip_dscp", forwarding_class << 3 | raised << 1)


class MeterEntry:
    """A meter: what was asked for, when it came, and its counters."""

    def __init__(self, mod: MeterMod, now: float) -> None:
        self.meter_id, self.flags = mod.meter_id, mod.flags
        self.created = now
        self.packets = self.bytes = 0
        known = (band for band in mod.bands if isinstance(band, DropBand | DscpRemarkBand))
        self.bands = [BandEntry(band, mod.flags, now) for band in known]

    def take(self, packet: Packet, now: float) -> bool:
        """Measure a packet; False if it is dropped. Of the bands whose rate it exceeds the highest is applied (5.7)."""
        size = len(packet.frame)
        self.packets += 1
        self.bytes += size
        tokens = 1 if self.flags & MeterFlags.PKTPS else 8 * size
        exceeded = [band for band in self.bands if not band.tokens.take(tokens, now)]
        return not exceeded or max(exceeded, key=lambda band: band.band.rate).apply(packet)

    def stats(self, flows: int, now: float) -> MeterStats:
        """Report what it did (7.3.5.12)."""
        bands = tuple(BandStats(band.packets, band.bytes) for band in self.bands)
        return MeterStats(self.meter_id, flows, self.packets, self.bytes, *duration(now - self.created), bands)

    def config(self) -> MeterConfig:
        """Report what it is (7.3.5.13)."""
        return MeterConfig(self.flags, self.meter_id, tuple(band.band for band in self.bands))


def _refuse(code: MeterModFailedCode) -> Refused:
    return Refused(ErrorType.METER_MOD_FAILED, code)


class Meters:
    """All meters of a switch."""

    def __init__(self, capacity: int, max_bands: int) -> None:
        """`capacity` is the number of meters, `max_bands` that of the bands of one."""
        self.capacity = capacity
        self.max_bands = max_bands
        self._meters: dict[int, MeterEntry] = {}

    def __contains__(self, meter_id: int) -> bool:
        return meter_id in self._meters

    def __getitem__(self, meter_id: int) -> MeterEntry:
        return self._meters[meter_id]

    def __iter__(self) -> Iterator[MeterEntry]:
        """Give the meters by their number."""
        return iter([self._meters[meter_id] for meter_id in sorted(self._meters)])

    def select(self, meter_id: int) -> list[MeterEntry]:
        """Give a meter, or all; `Refused` if it is not there."""
        if meter_id not in self._meters and meter_id != MeterNo.ALL:
            raise _refuse(MeterModFailedCode.UNKNOWN_METER)
        return [meter for meter in self if meter_id in (MeterNo.ALL, meter.meter_id)]

    def keep(self) -> Callable[[], None]:
        """Remember the meters as they are; what is given brings them back."""
        kept = dict(self._meters)

        def restore() -> None:
            self._meters = kept

        return restore

    def change(self, mod: MeterMod, now: float) -> frozenset[int]:
        """Do what a meter_mod says; give the meters that are gone. Raises `Refused`."""
        if mod.command == MeterModCommand.DELETE:
            gone = frozenset(self._meters if mod.meter_id == MeterNo.ALL else {mod.meter_id} & self._meters.keys())
            for number in gone:
                del self._meters[number]
            return gone
        known = mod.meter_id in self._meters
        if known and mod.command == MeterModCommand.ADD:
            raise _refuse(MeterModFailedCode.METER_EXISTS)
        if not known and mod.command == MeterModCommand.MODIFY:
            raise _refuse(MeterModFailedCode.UNKNOWN_METER)
        if not known and len(self._meters) >= self.capacity:
            raise _refuse(MeterModFailedCode.OUT_OF_METERS)
        if len(mod.bands) > self.max_bands:
            raise _refuse(MeterModFailedCode.OUT_OF_BANDS)
        self._meters[mod.meter_id] = MeterEntry(mod, now)
        return frozenset()


def check_meter(mod: MeterMod) -> None:
    """Refuse what cannot be a meter (7.3.4.4)."""
    if mod.command not in list(MeterModCommand):
        raise _refuse(MeterModFailedCode.BAD_COMMAND)
    if mod.command == MeterModCommand.DELETE:
        return
    if not 0 < mod.meter_id <= MeterNo.MAX:
        raise _refuse(MeterModFailedCode.INVALID_METER)
    if mod.flags & ~FLAGS or mod.flags & _UNITS not in (MeterFlags.KBPS, MeterFlags.PKTPS):
        raise _refuse(MeterModFailedCode.BAD_FLAGS)
    for band in mod.bands:
        if not isinstance(band, DropBand | DscpRemarkBand):
            raise _refuse(MeterModFailedCode.BAD_BAND)
        if not band.rate:
            raise _refuse(MeterModFailedCode.BAD_RATE)
