"""The answers to multipart requests (7.3.5), cut into parts where they are long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from daoli.datapath.emulated.features import group_features, meter_features, table_features
from daoli.datapath.emulated.refusal import Refused
from daoli.datapath.emulated.state import State
from daoli.datapath.emulated.support import check_match
from daoli.datapath.emulated.table import Entry
from daoli.ofproto import (
    TABLE_ALL,
    AggregateStatsReply,
    AggregateStatsRequest,
    BadRequestCode,
    DescReply,
    DescRequest,
    ErrorType,
    FlowStatsReply,
    FlowStatsRequest,
    GroupDescReply,
    GroupDescRequest,
    GroupFeaturesRequest,
    GroupStatsReply,
    GroupStatsRequest,
    Message,
    MeterConfigReply,
    MeterConfigRequest,
    MeterFeaturesRequest,
    MeterStatsReply,
    MeterStatsRequest,
    Multipart,
    MultipartFlags,
    PortDescReply,
    PortDescRequest,
    PortStatsReply,
    PortStatsRequest,
    QueueStatsReply,
    QueueStatsRequest,
    TableFeaturesFailedCode,
    TableFeaturesReply,
    TableFeaturesRequest,
    TableStats,
    TableStatsReply,
    TableStatsRequest,
    UnknownExperimenterRequest,
)
from daoli.ofproto.experimenter import ExperimenterMultipart

PART: Final = 32 * 1024
"""Bytes at which an answer goes on in a further part (7.3.5)."""


def statistics(request: Multipart, dpid: int, state: State, now: float) -> Iterator[Message]:
    """Give the answer to a request, without xid. Raises `Refused`."""
    match request:
        case DescRequest():
            yield DescReply("daoli", "emulated", "daoli.datapath.emulated", "", f"{dpid:016x}")
        case AggregateStatsRequest():
            flows = list(_selected(request, state))
            yield AggregateStatsReply(sum(e.packets for e in flows), sum(e.bytes for e in flows), len(flows))
        case GroupFeaturesRequest():
            yield group_features(state)
        case MeterFeaturesRequest():
            yield meter_features(state)
        case _:
            yield from parts(*_listed(request, state, now))


def _listed(request: Multipart, state: State, now: float) -> tuple[type[Any], Sequence[Any]]:
    """Give the class of an answer that is a list, and the list."""
    match request:
        case FlowStatsRequest():
            return FlowStatsReply, [entry.stats(now) for entry in _selected(request, state)]
        case TableStatsRequest():
            counts = zip(state.tables.lookups, state.tables.matched, strict=True)
            return TableStatsReply, [TableStats(n, len(state.tables[n]), *both) for n, both in enumerate(counts)]
        case TableFeaturesRequest(tables):
            if tables:
                raise Refused(ErrorType.TABLE_FEATURES_FAILED, TableFeaturesFailedCode.EPERM)
            return TableFeaturesReply, table_features(state)
        case PortStatsRequest(port_no):
            return PortStatsReply, state.ports.stats(port_no, now)
        case PortDescRequest():
            return PortDescReply, list(state.ports.values())
        case QueueStatsRequest(port_no, queue_id):
            return QueueStatsReply, state.ports.queue_stats(port_no, queue_id, now)
        case _:
            return _shared(request, state, now)


def _shared(request: Multipart, state: State, now: float) -> tuple[type[Any], Sequence[Any]]:
    """Give the lists of what flows share: groups and meters."""
    match request:
        case GroupStatsRequest(group_id):
            references = Counter(number for entry in state.tables for number in entry.groups())
            references.update(number for group in state.groups for number in group.leads_to())
            return GroupStatsReply, [g.stats(references[g.group_id], now) for g in state.groups.select(group_id)]
        case GroupDescRequest():
            return GroupDescReply, [group.description() for group in state.groups]
        case MeterStatsRequest(meter_id):
            flows = Counter(number for entry in state.tables for number in entry.meters())
            return MeterStatsReply, [m.stats(flows[m.meter_id], now) for m in state.meters.select(meter_id)]
        case MeterConfigRequest(meter_id):
            return MeterConfigReply, [meter.config() for meter in state.meters.select(meter_id)]
        case ExperimenterMultipart() | UnknownExperimenterRequest():
            raise Refused(ErrorType.BAD_REQUEST, BadRequestCode.BAD_EXPERIMENTER)
        case _:
            raise Refused(ErrorType.BAD_REQUEST, BadRequestCode.BAD_MULTIPART)


def _selected(request: FlowStatsRequest | AggregateStatsRequest, state: State) -> Iterator[Entry]:
    check_match(request.match)
    if request.table_id >= len(state.tables) and request.table_id != TABLE_ALL:
        raise Refused(ErrorType.BAD_REQUEST, BadRequestCode.BAD_TABLE_ID)
    return state.tables.select(
        request.table_id,
        request.match,
        request.cookie,
        request.cookie_mask,
        request.out_port,
        request.out_group,
    )


def parts(reply: type[Any], items: Sequence[Any]) -> Iterator[Message]:
    """Cut an answer into parts; every one but the last says that there are more (7.3.5)."""
    part: list[Any] = []
    size = 0
    for item in items:
        length = len(type(item).wire.write(item))
        if part and size + length > PART:
            yield reply(tuple(part), flags=MultipartFlags.MORE)
            part, size = [], 0
        part.append(item)
        size += length
    yield reply(tuple(part))
