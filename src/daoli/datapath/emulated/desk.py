"""Where messages are answered: by whom they may be sent, who does what they say, and what comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from daoli.datapath.emulated.bundles import CommitFailed
from daoli.datapath.emulated.controllers import Controller, Controllers
from daoli.datapath.emulated.features import features
from daoli.datapath.emulated.packet import ETHERNET_HEADER
from daoli.datapath.emulated.refusal import Refused
from daoli.datapath.emulated.state import News, State
from daoli.datapath.emulated.statistics import statistics
from daoli.datapath.emulated.support import check_actions
from daoli.ofproto import (
    NO_BUFFER,
    BadRequestCode,
    BarrierReply,
    BarrierRequest,
    BundleAdd,
    BundleControl,
    ConfigFlags,
    EchoReply,
    EchoRequest,
    Error,
    ErrorType,
    FeaturesRequest,
    FlowMod,
    GetAsyncReply,
    GetAsyncRequest,
    GetConfigReply,
    GetConfigRequest,
    GroupMod,
    Hello,
    Message,
    MeterMod,
    Multipart,
    PacketOut,
    PortMod,
    QueueGetConfigReply,
    QueueGetConfigRequest,
    RoleRequest,
    SetAsync,
    SetConfig,
    SwitchConfigFailedCode,
    TableMod,
    UnknownExperimenter,
)
from daoli.ofproto.experimenter import ExperimenterMessage

_CHANGES: Final = (FlowMod, GroupMod, MeterMod, PortMod, TableMod)
_NOT_FOR_SLAVES: Final = (*_CHANGES, PacketOut, BundleControl, BundleAdd)
"""What a slave may not send (6.3.6)."""
_SILENT: Final = (EchoReply, Error, Hello)
"""What has no answer and changes nothing."""


class Desk:
    """Does what controllers' messages say."""

    def __init__(
        self,
        dpid: int,
        state: State,
        controllers: Controllers,
        tell: Callable[[Iterable[News], Controller], None],
        execute: Callable[[PacketOut], None],
    ) -> None:
        """`tell` gives news of what a controller did, `execute` does a packet_out whose actions have been checked."""
        self._dpid = dpid
        self._state = state
        self._controllers = controllers
        self._tell = tell
        self._execute = execute
        self.fragments = 0
        """What becomes of IP fragments: one of `ConfigFlags`."""

    def answer(self, message: Message, controller: Controller, now: float) -> Iterator[Message]:
        """Do what a message of a controller's says; give the answers, with its xid. Raises `Refused`."""
        if controller.is_slave and isinstance(message, _NOT_FOR_SLAVES):
            raise Refused(ErrorType.BAD_REQUEST, BadRequestCode.IS_SLAVE)
        for answer in self._answers(message, controller, now):
            yield answer if isinstance(answer, Error) else answer.with_xid(message.xid)

    def _answers(self, message: Message, controller: Controller, now: float) -> Iterator[Message]:
        match message:
            case FlowMod() | GroupMod() | MeterMod() | PortMod() | TableMod():
                self._tell(self._state.change(message, now), controller)
            case PacketOut():
                self._packet_out(message)
            case Multipart():
                yield from statistics(message, self._dpid, self._state, now)
            case BundleControl():
                yield from self._bundle(message, controller, now)
            case BundleAdd():
                controller.bundles.add(message)
            case SetConfig():
                self._configure(message, controller)
            case SetAsync():
                controller.wanted = message
            case _ if not isinstance(message, _SILENT):
                yield self._said(message, controller)

    def _said(self, message: Message, controller: Controller) -> Message:
        """Answer what has one answer."""
        match message:
            case RoleRequest():
                return self._controllers.take_role(controller, message)
            case QueueGetConfigRequest(port):
                return QueueGetConfigReply(port, tuple(entry.queue for entry in self._state.ports.queues(port)))
            case UnknownExperimenter() | ExperimenterMessage():
                raise Refused(ErrorType.BAD_REQUEST, BadRequestCode.BAD_EXPERIMENTER)
            case EchoRequest(data):
                return EchoReply(data)
            case BarrierRequest():
                return BarrierReply()
            case FeaturesRequest():
                return features(self._dpid, self._state)
            case GetConfigRequest():
                return GetConfigReply(self.fragments, controller.miss_send_len)
            case GetAsyncRequest():
                wanted = controller.wanted
                return GetAsyncReply(wanted.packet_in_mask, wanted.port_status_mask, wanted.flow_removed_mask)
            case _:
                raise Refused(ErrorType.BAD_REQUEST, BadRequestCode.BAD_TYPE)

    def _configure(self, message: SetConfig, controller: Controller) -> None:
        if message.flags not in (ConfigFlags.FRAG_NORMAL, ConfigFlags.FRAG_DROP):
            raise Refused(ErrorType.SWITCH_CONFIG_FAILED, SwitchConfigFailedCode.BAD_FLAGS)
        controller.miss_send_len = message.miss_send_len
        if not controller.is_slave:
            self.fragments = message.flags

    def _packet_out(self, message: PacketOut) -> None:
        check_actions(message.actions, None)
        self._state.check_groups(message.actions)
        if message.buffer_id != NO_BUFFER:
            raise Refused(ErrorType.BAD_REQUEST, BadRequestCode.BUFFER_UNKNOWN)
        if len(message.data) < ETHERNET_HEADER:
            raise Refused(ErrorType.BAD_REQUEST, BadRequestCode.BAD_PACKET)
        self._execute(message)

    def _bundle(self, message: BundleControl, controller: Controller, now: float) -> Iterator[Message]:
        """Do a step of a bundle; where a commit fails the message at fault is told first, with its own xid."""
        try:
            news = controller.bundles.control(message, now)
        except CommitFailed as failure:
            yield failure.cause.error(failure.message.encode())
            raise failure.refusal from failure
        self._tell(news, controller)
        yield BundleControl(message.bundle_id, message.type + 1, message.flags)
