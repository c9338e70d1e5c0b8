"""Action sets: one of a kind, in order."""

from daoli.datapath.emulated.action_set import ActionSet
from daoli.ofproto import Group, Output, PopVlan, SetField, SetQueue


def test_one_of_a_kind() -> None:
    """A later action takes the place of one of its kind, for set_field only of the same field."""
    actions = ActionSet((Output(1), SetField.of(eth_src=1), SetField.of(eth_dst=2)))
    actions.write((Output(2), SetField.of(eth_src=3)))
    assert set(actions.in_order()) == {Output(2), SetField.of(eth_src=3), SetField.of(eth_dst=2)}
    actions.clear()
    assert actions.in_order() == ()


def test_order() -> None:
    """Whatever the order of writing, what is done is done as 5.10 says; a group takes the place of an output."""
    actions = (Output(1), SetQueue(1), SetField.of(eth_src=1), PopVlan())
    assert ActionSet(actions).in_order() == actions[::-1]
    assert ActionSet((*actions, Group(5))).in_order()[-2:] == (SetQueue(1), Group(5))
