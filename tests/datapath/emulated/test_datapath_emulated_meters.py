"""Meters: tokens over time, what is done above a rate, and what makes a meter."""

from __future__ import annotations

import pytest
from tests.routing.frames import arp, ipv4

from daoli.datapath.emulated import Packet, Refused
from daoli.datapath.emulated.meters import MeterEntry, Meters, TokenBucket, check_meter, remark
from daoli.ofproto import (
    Band,
    BandStats,
    DropBand,
    DscpRemarkBand,
    ExperimenterBand,
    MeterFlags,
    MeterMod,
    MeterModCommand,
    MeterModFailedCode,
    MeterNo,
)

KB, PACKETS, BURST = MeterFlags.KBPS, MeterFlags.PKTPS, MeterFlags.BURST
ADD, MODIFY, DELETE = MeterModCommand.ADD, MeterModCommand.MODIFY, MeterModCommand.DELETE


def mod(*bands: Band, flags: int = PACKETS, meter_id: int = 1, command: int = ADD) -> MeterMod:
    """A meter_mod."""
    return MeterMod(command, flags, meter_id, bands)


def packet(dscp: int = 0, size: int = 125) -> Packet:
    """A packet of so many bytes."""
    made = Packet(ipv4(bytes(6), bytes(6), bytes(4), bytes(4), payload=bytes(size - 34)), 1)
    made.set("ip_dscp", dscp)
    return made


def test_tokens() -> None:
    """Tokens come with time and up to the capacity; taking more than there are takes none."""
    bucket = TokenBucket(rate=2, capacity=4, now=0.0)
    assert [bucket.take(3, 0.0), bucket.take(3, 0.0), bucket.take(1, 0.0)] == [True, False, True]
    assert [bucket.take(3, 1.0), bucket.take(3, 1.5), bucket.take(5, 100.0)] == [False, True, False]


def passed(meter: MeterMod, times: list[float]) -> int:
    """How many packets of 1000 bits pass at such times."""
    entry = MeterEntry(meter, 0.0)
    return sum(entry.take(packet(), now) for now in times)


@pytest.mark.parametrize(
    ("meter", "count"),
    [
        (mod(DropBand(3)), 3),
        (mod(DropBand(3, 7)), 3),
        (mod(DropBand(3, 7), flags=PACKETS | BURST), 7),
        (mod(DropBand(5), flags=KB), 5),
        (mod(DropBand(5, 8), flags=KB | BURST), 8),
        (mod(), 10),
        (mod(DropBand(3), DropBand(6)), 3),
    ],
)
def test_drop(meter: MeterMod, count: int) -> None:
    """At once as many packets pass as the burst has room for, without one a second's worth."""
    assert passed(meter, [0.0] * 10) == count


def test_drop_over_time() -> None:
    """Over ten seconds ten seconds' worth passes, besides what passes at once."""
    assert passed(mod(DropBand(3)), [second / 10 for second in range(100)]) in range(32, 34)


@pytest.mark.parametrize(
    ("dscp", "levels", "after"), [(0b001010, 1, 0b001100), (0b100100, 9, 0b100110), (0, 1, 0), (46, 1, 46)]
)
def test_remark(dscp: int, levels: int, after: int) -> None:
    """The drop precedence of assured forwarding is raised up to its highest; other code points stay."""
    remarked = packet(dscp)
    remark(remarked, levels)
    assert remarked.get("ip_dscp") == after


def test_remark_of_what_is_not_ip() -> None:
    """What has no DSCP stays as it is."""
    frame = arp(1, bytes(6), bytes(4), bytes(6), bytes(4))
    remark(other := Packet(frame, 1), 1)
    assert other.frame == frame


def test_bands() -> None:
    """Of the bands that are exceeded the one with the highest rate is applied, and counted."""
    meters = Meters(2, 2)
    meters.change(mod(DscpRemarkBand(1, 0, 1), DropBand(2)), 0.0)
    packets = [packet(0b001010) for _ in range(3)]
    assert [meters[1].take(each, 0.0) for each in packets] == [True, True, False]
    assert [each.get("ip_dscp") for each in packets] == [0b001010, 0b001100, 0b001010]
    stats = meters[1].stats(5, 1.0)
    assert (stats.packet_in_count, stats.byte_in_count, stats.flow_count, stats.duration_sec) == (3, 375, 5, 1)
    assert stats.band_stats == (BandStats(1, 125), BandStats(1, 125))
    assert meters[1].config().bands == (DscpRemarkBand(1, 0, 1), DropBand(2))


@pytest.mark.parametrize(
    ("refused", "code"),
    [
        (mod(), MeterModFailedCode.METER_EXISTS),
        (mod(meter_id=5, command=MODIFY), MeterModFailedCode.UNKNOWN_METER),
        (mod(meter_id=5), MeterModFailedCode.OUT_OF_METERS),
        (mod(*[DropBand(1)] * 3, command=MODIFY), MeterModFailedCode.OUT_OF_BANDS),
    ],
)
def test_refused(refused: MeterMod, code: MeterModFailedCode) -> None:
    """A change that clashes with what there is, or is too much, is refused."""
    meters = Meters(1, 2)
    meters.change(mod(), 0.0)
    with pytest.raises(Refused) as caught:
        meters.change(refused, 0.0)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("refused", "code"),
    [
        (mod(command=9), MeterModFailedCode.BAD_COMMAND),
        (mod(meter_id=0), MeterModFailedCode.INVALID_METER),
        (mod(meter_id=MeterNo.ALL), MeterModFailedCode.INVALID_METER),
        (mod(flags=KB | PACKETS), MeterModFailedCode.BAD_FLAGS),
        (mod(flags=0), MeterModFailedCode.BAD_FLAGS),
        (mod(flags=KB | 0x100), MeterModFailedCode.BAD_FLAGS),
        (mod(ExperimenterBand(1)), MeterModFailedCode.BAD_BAND),
        (mod(DropBand(0)), MeterModFailedCode.BAD_RATE),
    ],
)
def test_no_meter(refused: MeterMod, code: MeterModFailedCode) -> None:
    """What cannot be a meter is refused."""
    with pytest.raises(Refused) as caught:
        check_meter(refused)
    assert caught.value.code == code


def test_commands() -> None:
    """Meters come, change, and go one by one or all at once; those that are gone can be put back."""
    meters = Meters(9, 2)
    check_meter(mod(meter_id=MeterNo.ALL, command=DELETE))
    for meter_id in (1, 2, 3):
        meters.change(mod(meter_id=meter_id), 0.0)
    meters.change(mod(DropBand(9), command=MODIFY), 0.0)
    restore = meters.keep()
    assert meters.change(mod(meter_id=2, command=DELETE), 0.0) == {2}
    assert meters.change(mod(meter_id=2, command=DELETE), 0.0) == set()
    assert meters.change(mod(meter_id=MeterNo.ALL, command=DELETE), 0.0) == {1, 3}
    restore()
    assert [len(meter.bands) for meter in meters.select(MeterNo.ALL)] == [1, 0, 0]
    assert 2 in meters
    with pytest.raises(Refused) as caught:
        meters.select(7)
    assert caught.value.code == MeterModFailedCode.UNKNOWN_METER
