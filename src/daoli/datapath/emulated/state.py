"""What controllers change: flows, groups, meters and ports; each change by itself, or many at once or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from daoli.datapath.emulated.groups import Groups, check_buckets
from daoli.datapath.emulated.meters import Meters, check_meter
from daoli.datapath.emulated.ports import Ports
from daoli.datapath.emulated.refusal import Refused
from daoli.datapath.emulated.support import check, check_actions
from daoli.datapath.emulated.table import Ended, FlowTables
from daoli.ofproto import (
    NO_BUFFER,
    TABLE_ALL,
    Action,
    ApplyActions,
    BadActionCode,
    BadRequestCode,
    ErrorType,
    FlowMod,
    FlowModCommand,
    Group,
    GroupMod,
    Meter,
    MeterMod,
    MeterModFailedCode,
    PortMod,
    PortStatus,
    TableConfig,
    TableMod,
    TableModFailedCode,
    WriteActions,
)

Change = FlowMod | GroupMod | MeterMod | PortMod | TableMod
"""The messages that change something."""

News = Ended | PortStatus
"""What controllers may want to be told of a change."""


class State:
    """All that a switch does with packets, but for the packets."""

    def __init__(self, tables: FlowTables, ports: Ports, groups: Groups, meters: Meters) -> None:
        self.tables, self.ports, self.groups, self.meters = tables, ports, groups, meters

    def check(self, message: Change) -> None:
        """Refuse what is wrong whatever the state is."""
        match message:
            case FlowMod():
                check(message, len(self.tables))
                if message.buffer_id != NO_BUFFER:
                    raise Refused(ErrorType.BAD_REQUEST, BadRequestCode.BUFFER_UNKNOWN)
            case GroupMod():
                for bucket in message.buckets:
                    check_actions(bucket.actions, None)
                check_buckets(message)
            case MeterMod():
                check_meter(message)
            case TableMod(table_id, config):
                if table_id >= len(self.tables) and table_id != TABLE_ALL:
                    raise Refused(ErrorType.TABLE_MOD_FAILED, TableModFailedCode.BAD_TABLE)
                if config & ~int(TableConfig.DEPRECATED_MASK):
                    raise Refused(ErrorType.TABLE_MOD_FAILED, TableModFailedCode.BAD_CONFIG)

    def change(self, message: Change, now: float) -> list[News]:
        """Do what a message says, all of it or nothing; give what is to be told. Raises `Refused`."""
        self.check(message)
        news: list[News] = []
        match message:
            case FlowMod():
                self._check_references(message)
                news += self.tables.change(message, now)
            case GroupMod(group_id=own):
                to_others = (a for bucket in message.buckets for a in bucket.actions if a != Group(own))
                self.check_groups(to_others)
                news += self.tables.end_groups(self.groups.change(message, now), now)
            case MeterMod():
                news += self.tables.end_meters(self.meters.change(message, now), now)
            case PortMod():
                news += self.ports.change(message)
        return news

    def keep(self) -> Callable[[], None]:
        """Remember all as it is; what is given brings it back. Counters run on."""
        kept = [part.keep() for part in (self.tables, self.ports, self.groups, self.meters)]

        def restore() -> None:
            for bring_back in kept:
                bring_back()

        return restore

    def check_groups(self, actions: Iterable[Action]) -> None:
        """Refuse actions that lead to a group that is not there."""
        if any(isinstance(action, Group) and action.group_id not in self.groups for action in actions):
            raise Refused(ErrorType.BAD_ACTION, BadActionCode.BAD_OUT_GROUP)

    def _check_references(self, mod: FlowMod) -> None:
        if mod.command in (FlowModCommand.DELETE, FlowModCommand.DELETE_STRICT):
            return
        for part in mod.instructions:
            if isinstance(part, ApplyActions | WriteActions):
                self.check_groups(part.actions)
            if isinstance(part, Meter) and part.meter_id not in self.meters:
                raise Refused(ErrorType.METER_MOD_FAILED, MeterModFailedCode.INVALID_METER)
