"""The switch's controllers: who may change it (6.3.6), and who is told what (6.1.2, 7.3.10)."""

from __future__ import annotations

import asyncio
from typing import Final

from daoli.datapath.emulated.bundles import Bundles
from daoli.datapath.emulated.refusal import Refused
from daoli.datapath.emulated.state import State
from daoli.datapath.emulated.wire import Wire
from daoli.ofproto import (
    CML_NO_BUFFER,
    ControllerRole,
    ErrorType,
    FlowRemovedMask,
    PacketInMask,
    PortStatusMask,
    RoleReply,
    RoleRequest,
    RoleRequestFailedCode,
    SetAsync,
)

_HALF: Final = 1 << 63
_NO_GENERATION: Final = 0xFFFF_FFFF_FFFF_FFFF

_NEWS: Final = SetAsync(
    (PacketInMask.NO_MATCH | PacketInMask.ACTION, 0),
    (sum(PortStatusMask), sum(PortStatusMask)),
    (sum(FlowRemovedMask), 0),
)
"""What a controller gets before it has said what it wants (6.1.2, 6.3.5)."""


class Controller:
    """What the switch knows of one controller; it ends with the connection."""

    def __init__(self, state: State) -> None:
        self.role = ControllerRole.EQUAL
        self.wanted = _NEWS
        self.miss_send_len = CML_NO_BUFFER
        self.bundles = Bundles(state)
        self.wire: Wire | None = None
        """The connection; None for one that talks by `EmulatedSwitch.answer`."""

    @property
    def is_slave(self) -> bool:
        """Whether it may change nothing."""
        return self.role == ControllerRole.SLAVE

    @property
    def connected(self) -> bool:
        """Whether its connection stands."""
        return self.wire is not None and self.wire.is_open

    async def disconnected(self) -> None:
        """Wait until its connection has ended."""
        if self.wire is not None:
            await asyncio.shield(self.wire.lost)

    async def close(self) -> None:
        """End its connection."""
        if self.wire is not None:
            self.wire.close()
        await self.disconnected()

    def wants(self, masks: tuple[int, int], reason: int) -> bool:
        """Tell whether it wants a message for a reason, as its role is; `masks` are one of `wanted`."""
        return bool(masks[self.is_slave] >> reason & 1)


class Controllers:
    """All controllers of a switch, and the largest generation that they have named."""

    def __init__(self, local: Controller) -> None:
        """`local` is the one without a connection."""
        self.local = local
        self.remote: list[Controller] = []
        self._generation: int | None = None

    def take_role(self, controller: Controller, request: RoleRequest) -> RoleReply:
        """Give a controller a role; a master makes any other a slave (6.3.6). Raises `Refused`.

        A generation is older if it is behind by less than half of all numbers.
        """
        role, generation_id = request.role, request.generation_id
        if role not in list(ControllerRole):
            raise Refused(ErrorType.ROLE_REQUEST_FAILED, RoleRequestFailedCode.BAD_ROLE)
        if role in (ControllerRole.MASTER, ControllerRole.SLAVE):
            if self._generation is not None and (generation_id - self._generation) % (2 * _HALF) >= _HALF:
                raise Refused(ErrorType.ROLE_REQUEST_FAILED, RoleRequestFailedCode.STALE)
            self._generation = generation_id
        if role == ControllerRole.MASTER:
            for other in (self.local, *self.remote):
                other.role = ControllerRole.SLAVE if other.role == ControllerRole.MASTER else other.role
        if role != ControllerRole.NOCHANGE:
            controller.role = ControllerRole(role)
        return RoleReply(controller.role, _NO_GENERATION if self._generation is None else self._generation)
