"""Each multipart request and its answer."""

from __future__ import annotations

from typing import Any

import pytest
from tests.datapath.emulated.test_datapath_emulated_state import flow, group, made

from daoli.datapath.emulated import Refused
from daoli.datapath.emulated.statistics import PART, parts, statistics
from daoli.ofproto import (
    BadRequestCode,
    DescRequest,
    DropBand,
    Group,
    GroupDescRequest,
    GroupFeaturesRequest,
    GroupStatsRequest,
    Message,
    MeterConfigRequest,
    MeterFeaturesRequest,
    MeterMod,
    MeterStatsRequest,
    Multipart,
    MultipartFlags,
    Output,
    Port,
    PortDescReply,
    QueueStatsRequest,
    TableFeatures,
    TableFeaturesFailedCode,
    TableFeaturesReply,
    TableFeaturesRequest,
    UnknownExperimenterRequest,
    UnknownMultipartRequest,
)

STATE = made(group(Output(1)), group(Group(1), group_id=2), MeterMod(bands=(DropBand(1),)), flow(Group(1), meter=1))


def ask(request: Multipart) -> Any:
    """The one answer."""
    (answer,) = statistics(request, 7, STATE, 2.0)
    assert isinstance(answer, Message)
    return answer


def test_groups() -> None:
    """Groups are listed with the number of flows and groups that lead to them; one that is not there is not."""
    assert [(g.group_id, g.ref_count, g.duration_sec) for g in ask(GroupStatsRequest()).groups] == [
        (1, 2, 2),
        (2, 0, 2),
    ]
    assert [g.group_id for g in ask(GroupStatsRequest(2)).groups] == [2]
    assert ask(GroupStatsRequest(9)).groups == ()
    assert [g.group_id for g in ask(GroupDescRequest()).groups] == [1, 2]
    assert ask(GroupFeaturesRequest()).types


def test_meters() -> None:
    """Meters are listed with the number of their flows."""
    assert [(m.meter_id, m.flow_count) for m in ask(MeterStatsRequest()).meters] == [(1, 1)]
    assert [m.bands for m in ask(MeterConfigRequest(1)).meters] == [(DropBand(1),)]
    assert ask(MeterFeaturesRequest()).max_bands == 9


def test_the_rest() -> None:
    """The switch names itself; its queues and its tables' features are listed."""
    assert ask(DescRequest()).dp_desc == f"{7:016x}"
    assert ask(QueueStatsRequest()).queues == ()
    answers = list(statistics(TableFeaturesRequest(), 7, STATE, 0.0))
    tables = [table.table_id for answer in answers if isinstance(answer, TableFeaturesReply) for table in answer.tables]
    assert tables == [0, 1, 2]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (UnknownExperimenterRequest(1, 2), BadRequestCode.BAD_EXPERIMENTER),
        (UnknownMultipartRequest(77), BadRequestCode.BAD_MULTIPART),
        (TableFeaturesRequest((TableFeatures(0),)), TableFeaturesFailedCode.EPERM),
    ],
)
def test_refused(request_: Multipart, code: int) -> None:
    """What it does not know it refuses, and to change its tables."""
    with pytest.raises(Refused) as caught:
        ask(request_)
    assert caught.value.code == code


def test_parts() -> None:
    """A long answer goes on in further parts, each full but none too long; an empty one is one part."""
    ports = [Port(number) for number in range(1, 2000)]
    answers: list[Any] = list(parts(PortDescReply, ports))
    assert [port for answer in answers for port in answer.ports] == ports
    assert [answer.flags for answer in answers] == [*[MultipartFlags.MORE] * (len(answers) - 1), 0]
    assert all(len(answer.encode()) <= PART + 100 for answer in answers)
    assert list(parts(PortDescReply, [])) == [PortDescReply()]
