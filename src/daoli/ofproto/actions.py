"""What a flow does to a packet: OpenFlow's actions (7.2.5).

A new action is one class here; Open vSwitch's own are in `nicira`. One without a class is an `UnknownAction`, which
encodes back to the bytes it came from. No action holds actions, so nesting ends here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, TypeVar

from construct import Int8ub, Int16ub, Padding

from daoli.ofproto.constants import CML_NO_BUFFER, ActionType, VlanId
from daoli.ofproto.errors import EncodeError, shown
from daoli.ofproto.fields import READ_ONLY
from daoli.ofproto.number_text import port_named
from daoli.ofproto.oxm import OXM, MaskedValue, Oxm
from daoli.ofproto.record import Structure, wired
from daoli.ofproto.tlv import Tlv
from daoli.ofproto.wire import U32, Many


class Action(Structure):
    """Base of all actions."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class UnknownAction(Action):
    """An action that has no class; the body is what follows its length, padding included."""

    kind: int
    body: bytes


_WITHDRAWN = frozenset((*range(1, 11), 13, 14))
"""Actions of OpenFlow 1.0 and 1.1 that set_field replaced in 1.2."""

ACTION = Tlv("an action", UnknownAction, "7.2.5", counts_padding=True, withdrawn=_WITHDRAWN)
ACTIONS = Many(ACTION)

A = TypeVar("A", bound=Action)


def action(kind: ActionType) -> Callable[[type[A]], type[A]]:
    """Make a dataclass the action of that kind."""

    def declare(cls: type[A]) -> type[A]:
        ACTION.register(kind.to_bytes(2, "big"), wired("7.2.5")(cls))
        return cls

    return declare


@action(ActionType.OUTPUT)
@dataclass(frozen=True, slots=True)
class Output(Action):
    """Send the packet out of a port; to the controller at most `max_len` bytes of it.

    A reserved port may be given by its name: `Output("LOCAL")` is `Output(PortNo.LOCAL)`. EncodeError if there is none.
    """

    port: U32
    max_len: Annotated[int, Int16ub, Padding(6)] = CML_NO_BUFFER

    if TYPE_CHECKING:

        def __init__(self, port: int | str, max_len: int = CML_NO_BUFFER) -> None: ...

    def __post_init__(self) -> None:
        if isinstance(self.port, str):
            object.__setattr__(self, "port", port_named("Output.port", self.port))


@action(ActionType.COPY_TTL_OUT)
@dataclass(frozen=True, slots=True)
class CopyTtlOut(Action):
    """Copy the TTL from the second outermost header to the outermost."""

    _pad: ClassVar[Annotated[None, Padding(4)]] = None


@action(ActionType.COPY_TTL_IN)
@dataclass(frozen=True, slots=True)
class CopyTtlIn(Action):
    """Copy the TTL from the outermost header to the second outermost."""

    _pad: ClassVar[Annotated[None, Padding(4)]] = None


@action(ActionType.SET_MPLS_TTL)
@dataclass(frozen=True, slots=True)
class SetMplsTtl(Action):
    """Set the TTL of the outermost MPLS label."""

    ttl: Annotated[int, Int8ub, Padding(3)]


@action(ActionType.DEC_MPLS_TTL)
@dataclass(frozen=True, slots=True)
class DecMplsTtl(Action):
    """Decrement the TTL of the outermost MPLS label."""

    _pad: ClassVar[Annotated[None, Padding(4)]] = None


@action(ActionType.PUSH_VLAN)
@dataclass(frozen=True, slots=True)
class PushVlan(Action):
    """Add a VLAN tag of that ethertype."""

    ethertype: Annotated[int, Int16ub, Padding(2)]


@action(ActionType.POP_VLAN)
@dataclass(frozen=True, slots=True)
class PopVlan(Action):
    """Take off the outer VLAN tag."""

    _pad: ClassVar[Annotated[None, Padding(4)]] = None


@action(ActionType.PUSH_MPLS)
@dataclass(frozen=True, slots=True)
class PushMpls(Action):
    """Add an MPLS label of that ethertype."""

    ethertype: Annotated[int, Int16ub, Padding(2)]


@action(ActionType.POP_MPLS)
@dataclass(frozen=True, slots=True)
class PopMpls(Action):
    """Take off the outer MPLS label; what is beneath has that ethertype."""

    ethertype: Annotated[int, Int16ub, Padding(2)]


@action(ActionType.SET_QUEUE)
@dataclass(frozen=True, slots=True)
class SetQueue(Action):
    """Choose the queue of the port that the packet leaves by."""

    queue_id: U32


@action(ActionType.GROUP)
@dataclass(frozen=True, slots=True)
class Group(Action):
    """Have a group process the packet."""

    group_id: U32


@action(ActionType.SET_NW_TTL)
@dataclass(frozen=True, slots=True)
class SetNwTtl(Action):
    """Set the TTL of IPv4 or the hop limit of IPv6."""

    ttl: Annotated[int, Int8ub, Padding(3)]


@action(ActionType.DEC_NW_TTL)
@dataclass(frozen=True, slots=True)
class DecNwTtl(Action):
    """Decrement the TTL of IPv4 or the hop limit of IPv6; where it gets to 0 the packet goes to the controller."""

    _pad: ClassVar[Annotated[None, Padding(4)]] = None


@action(ActionType.SET_FIELD)
@dataclass(frozen=True, slots=True)
class SetField(Action):
    """Set a field of the packet to a value; `SetField(oxm)` itself takes the field as it is, unchecked."""

    oxm: Annotated[Oxm, OXM]

    @classmethod
    def of(cls, **field: MaskedValue) -> "SetField":
        """Make one from what people write: `SetField.of(eth_src="02:00:00:00:00:01")`.

        EncodeError names a field that cannot be set, or not to that, and says why.
        """
        if len(field) != 1:
            raise EncodeError("SetField", f"it sets one field, not {len(field)}")
        ((name, value),) = field.items()
        oxm = Oxm.of(name, value)
        if name in READ_ONLY:
            raise EncodeError(name, f"it cannot be set: {READ_ONLY[name]} (7.2.5)")
        if oxm.masked:
            raise EncodeError(
                name,
                f"{shown(value)} has a mask, and set_field has none (7.2.5): RegLoad2(Oxm.of(…)) is Open vSwitch's",
            )
        if name == "vlan_vid" and not int.from_bytes(oxm.value, "big") & VlanId.PRESENT:
            raise EncodeError(name, f"{shown(value)} lacks VlanId.PRESENT; PopVlan takes a tag off (7.2.5)")
        return cls(oxm)


@action(ActionType.PUSH_PBB)
@dataclass(frozen=True, slots=True)
class PushPbb(Action):
    """Add a PBB service tag of that ethertype."""

    ethertype: Annotated[int, Int16ub, Padding(2)]


@action(ActionType.POP_PBB)
@dataclass(frozen=True, slots=True)
class PopPbb(Action):
    """Take off the outer PBB service tag."""

    _pad: ClassVar[Annotated[None, Padding(4)]] = None
