"""How actions refuse bytes and values."""

import pytest

from daoli.ofproto import Action, ApplyActions, DecodeError, EncodeError, FlowMod
from daoli.ofproto.actions import ACTION


def check_refused(text: str, reason: str) -> None:
    """Have an action's bytes refused, with the place of what is wrong; their length is not."""
    data = bytes.fromhex(text)
    assert len(data) == int.from_bytes(data[2:4], "big")
    with pytest.raises(DecodeError, match=reason):
        ACTION.parse(data)


def check_misfit(action: Action, words: str) -> None:
    """Have an action's value refused when it is written, by the field's name."""
    with pytest.raises(EncodeError, match=words):
        FlowMod(instructions=(ApplyActions((action,)),)).encode()
