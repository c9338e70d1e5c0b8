"""DNS queries and what is answered to them."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.names.test_zone import endpoint, zone_of

from daoli.agent.names.answers import TTL, answer
from daoli.agent.names.zone import Zone

ASKER = endpoint(2, "asker")


def ask(zone: Zone, name: str, kind: str = "A", **options: int) -> dns.message.Message | None:
    query = dns.message.make_query(name, kind, **options)  # type: ignore[arg-type]
    found = answer(zone, ASKER, query.to_wire())
    if found is None:
        return None
    message = dns.message.from_wire(found)
    assert message.id == query.id
    assert query.is_response(message)
    return message


@pytest.fixture
def zone() -> Zone:
    return zone_of(ASKER, endpoint(3, "web", aliases=["www"]))


def test_address(zone: Zone) -> None:
    """A name leads to its address, briefly, whatever its letters' case."""
    message = ask(zone, "WeB.")
    assert message is not None
    assert [str(item) for item in message.answer[0]] == ["10.1.0.3"]
    assert message.answer[0].ttl == TTL
    assert message.flags & dns.flags.AA
    assert ask(zone, "www.dnet1.") is not None


def test_ours_without_records_of_this_kind(zone: Zone) -> None:
    """A name of ours has no AAAA: an empty answer, so that the client does not take the name for unknown."""
    message = ask(zone, "web.", "AAAA")
    assert message is not None
    assert message.rcode() == dns.rcode.NOERROR
    assert message.answer == []


def test_questions_for_other_records_take_no_turn() -> None:
    """A client asks for A and AAAA at once: its A answers still alternate."""
    zone = zone_of(ASKER, *(endpoint(number, f"web{number}", aliases=["svc"]) for number in (3, 4)))
    first = set()
    for _ in range(2):
        message = ask(zone, "svc.")
        assert message is not None
        first.add(str(message.answer[0][0]))
        ask(zone, "svc.", "AAAA")
    assert first == {"10.1.0.3", "10.1.0.4"}


def test_pointer(zone: Zone) -> None:
    """An address leads to the name with its network."""
    message = ask(zone, "3.0.1.10.in-addr.arpa.", "PTR")
    assert message is not None
    assert [str(item) for item in message.answer[0]] == ["web.dnet1."]


@pytest.mark.parametrize(
    ("name", "kind"), [("example.org.", "A"), ("4.0.1.10.in-addr.arpa.", "PTR"), ("web.example.org.", "A"), (".", "NS")]
)
def test_what_is_not_ours_goes_on(zone: Zone, name: str, kind: str) -> None:
    """Unknown names are for the resolver that was asked."""
    assert ask(zone, name, kind) is None


def test_what_is_no_plain_query_goes_on(zone: Zone) -> None:
    """Answers, updates and other classes are not for us."""
    reply = dns.message.make_response(dns.message.make_query("web.", "A"))
    assert answer(zone, ASKER, reply.to_wire()) is None
    assert answer(zone, ASKER, dns.message.make_query("web.", "A", "CH").to_wire()) is None
    assert answer(zone, ASKER, b"\0" * 12) is None


def test_long_answer_is_cut_for_udp_only() -> None:
    """More addresses than fit say so, and come whole to a client that takes more, or by TCP."""
    zone = zone_of(ASKER, *(endpoint(number, "many") for number in range(3, 63)))
    message = ask(zone, "many.")
    assert message is not None
    assert message.flags & dns.flags.TC
    wide = ask(zone, "many.", payload=4096, use_edns=0)
    assert wide is not None
    assert len(wide.answer[0]) == 60
    found = answer(zone, ASKER, dns.message.make_query("many.", "A").to_wire(), tcp=True)
    assert found is not None
    assert len(dns.message.from_wire(found).answer[0]) == 60


def test_answer_fits_one_frame() -> None:
    """Whatever size a client says that it takes, an answer by UDP is not larger than a frame."""
    zone = zone_of(ASKER, *(endpoint(number, "many") for number in range(3, 253)))
    message = ask(zone, "many.", payload=65000, use_edns=0)
    assert message is not None
    assert message.flags & dns.flags.TC


def test_order_of_answers_rotates() -> None:
    """The first address is another one each time, in turn."""
    zone = zone_of(ASKER, *(endpoint(number, "many") for number in range(3, 6)))
    firsts = [str(message.answer[0][0]) for _ in range(6) if (message := ask(zone, "many.")) is not None]
    assert firsts[:3] == firsts[3:]
    assert len(set(firsts)) == 3


@given(st.binary(max_size=80))
def test_any_bytes_are_answered_or_passed_on(data: bytes) -> None:
    """No bytes raise, whatever they are."""
    zone = zone_of(ASKER)
    answer(zone, ASKER, data)
    answer(zone, ASKER, dns.message.make_query("asker.", "A").to_wire()[:12] + data)
