"""The census counts what a look at every endpoint would."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from tests.routing.reference import End, Reference
from tests.routing.rulebook import GROUPINGS, LABELLINGS, SELECTORS
from tests.routing.world import Spot, endpoint

from daoli.routing.census import Census
from daoli.routing.rules import Group, Selector


@given(st.lists(st.tuples(LABELLINGS, st.booleans(), st.booleans()), max_size=6), SELECTORS, GROUPINGS)
def test_counts(drawn: list[tuple[dict[str, str], bool, bool]], selector: Selector, group: Group) -> None:
    """Whoever comes and goes, a selector counts for as many as it matches."""
    census = Census()
    stay = []
    for number, (labels, named, stays) in enumerate(drawn):
        found = replace(endpoint(number, Spot(0, number % 2)), labels=labels)
        found = replace(found, name="web") if named else found
        census.add(found)
        if stays:
            stay.append(found)
        else:
            census.remove(found)
    reference = Reference(groups={group.name: group.networks})
    wanted = sum(reference.selects(selector, End(each.ipv4, each)) for each in stay)
    assert census.count(selector, {group.name: group}) == wanted
