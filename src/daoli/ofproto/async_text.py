"""Which asynchronous messages a controller gets, in words: as `ovs-ofctl` prints the masks of reasons."""

from collections.abc import Iterable, Mapping

PACKET_IN, PORT_STATUS, FLOW_REMOVED = range(3)

_REASONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("PACKET_IN", ("no_match", "action", "invalid_ttl", "action_set", "group", "packet_out")),
    ("PORT_STATUS", ("add", "delete", "modify")),
    ("FLOW_REMOVED", ("idle", "hard", "delete", "group_delete", "meter_delete", "eviction")),
    ("ROLE_STATUS", ("primary_request", "config", "experimenter")),
    ("TABLE_STATUS", ("", "", "", "vacancy_down", "vacancy_up")),
    ("REQUESTFORWARD", ("group_mod_request", "meter_mod_request")),
)
"""Each kind of message, and the names of its reasons from the lowest bit on."""

KINDS = len(_REASONS)


def reason_text(kind: int, reason: int) -> str:
    """Name why a message of a kind was sent, or give the number."""
    names = _REASONS[kind][1]
    return names[reason] if reason < len(names) else str(reason)


def async_text(primary: Mapping[int, int], secondary: Mapping[int, int]) -> str:
    """Give the masks of both roles, by kind of message; one that is not there is off."""
    return f"\n  primary:{_role(primary)}\n  secondary:{_role(secondary)}"


def masks_text(masks: Iterable[tuple[int, int]]) -> str:
    """Give the masks of OpenFlow 1.3: for packet_in, port_status and flow_removed one for each of the two roles."""
    pairs = list(masks)
    primary, secondary = ({kind: pair[role] for kind, pair in enumerate(pairs)} for role in (0, 1))
    return async_text(primary, secondary)


def _role(masks: Mapping[int, int]) -> str:
    return "".join(f"\n  {name:>16}: {_mask(names, masks.get(kind, 0))}" for kind, (name, names) in enumerate(_REASONS))


def _mask(names: tuple[str, ...], mask: int) -> str:
    words = [name for bit, name in enumerate(names) if name and mask >> bit & 1]
    rest = mask & ~sum(1 << bit for bit, name in enumerate(names) if name)
    words += [f"{rest:#x}"] if rest else []
    return " ".join(words) or "(off)"
