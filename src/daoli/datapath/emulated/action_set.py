"""The action set: at most one action of each kind, carried out in the specification's order (5.10)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from daoli.ofproto import Action, DecNwTtl, Group, Output, PopVlan, PushVlan, SetField, SetNwTtl, SetQueue

ACTIONS: Final[tuple[type[Action], ...]] = (
    PopVlan,
    PushVlan,
    DecNwTtl,
    SetNwTtl,
    SetField,
    SetQueue,
    Group,
    Output,
)
"""The actions that there are, in the order in which a set is carried out; SET_NW_TTL counts as setting."""


class ActionSet:
    """What a packet takes along from table to table, and what a group's bucket holds."""

    def __init__(self, actions: Iterable[Action] = ()) -> None:
        self._actions: dict[object, Action] = {}
        self.write(actions)

    def write(self, actions: Iterable[Action]) -> None:
        """Put actions in; each takes the place of one of its kind, for SET_FIELD also of its field."""
        for action in actions:
            self._actions[action.oxm.name if isinstance(action, SetField) else type(action)] = action

    def clear(self) -> None:
        """Take all out."""
        self._actions.clear()

    def in_order(self) -> tuple[Action, ...]:
        """Give what is to be done; where there is a group an output is not done."""
        left = [a for a in self._actions.values() if not (isinstance(a, Output) and Group in self._actions)]
        return tuple(sorted(left, key=lambda action: ACTIONS.index(type(action))))
