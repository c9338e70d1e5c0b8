"""``daolictl apply`` and ``policy``: all groups and rules at once, as a file has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TextIO

import click

from daoli.cli.client import Refused
from daoli.cli.complaints import complain, explained
from daoli.cli.ledger import note_reach
from daoli.cli.output import Format, as_yaml, count, plain
from daoli.cli.policy_file import PolicyFile, difference, exported, load
from daoli.cli.route import end_text
from daoli.cli.rule import asked, cuts
from daoli.cli.session import Failure, Session
from daoli.cli.verbs import Noun, Verb, pass_session

SAME: Final = 0
DIFFERENT: Final = 1
TROUBLE: Final = 2

POLICY_FILE: Final = click.File(encoding="utf-8")


@click.command(
    cls=Verb,
    examples=(
        "daolictl apply -f policy.yaml --dry-run",
        "daolictl apply -f policy.yaml",
        "daolictl policy export | daolictl apply -f - --dry-run",
    ),
)
@click.option("-f", "--file", type=POLICY_FILE, required=True, help="YAML with groups and rules; - is standard input.")
@click.option("--dry-run", is_flag=True, help="Only say what would change, and which live routes that would cut.")
@click.option("--allow-unknown", is_flag=True, help="It may name what there is not yet.")
@pass_session
def apply(session: Session, file: TextIO, *, dry_run: bool, allow_unknown: bool) -> int:
    """Have the groups and rules of a file, and no others, in one step.

    Rules are told apart by their ids; one without an id gets one that is made of what it says. The exit code of
    --dry-run is that of diff: 0 if nothing would change, 1 if something would, 2 if the file or the policy is refused.
    """
    if dry_run:
        return _as_diff(lambda: _apply(session, file, allow_unknown=allow_unknown, dry_run=True))
    _apply(session, file, allow_unknown=allow_unknown, dry_run=False)
    return SAME


def _apply(session: Session, file: TextIO, *, allow_unknown: bool, dry_run: bool) -> int:
    wanted = load(file)
    there = _present(session)
    query = asked(allow_unknown=allow_unknown, dry_run=dry_run)
    body = _sent(session, "PUT", "/policy" + query, wanted, wanted.body(), file.name)
    lines = difference(there, wanted)
    if not lines:
        session.result(body, "same", "nothing changes" if dry_run else "nothing has changed")
        return SAME
    session.result(body, "different", *lines, *cuts(body, dry_run=dry_run, client=session.client))
    return DIFFERENT


def _as_diff(work: Callable[[], int]) -> int:
    """Do something whose exit code is that of diff: what is refused or fails is not a difference."""
    try:
        return work()
    except Refused as refusal:
        complain(explained(refusal))
    except Failure as failure:
        complain(str(failure))
    return TROUBLE


def _sent(session: Session, method: str, path: str, wanted: PolicyFile, body: dict[str, Any], name: str) -> Any:
    """Send a policy; Failure says a refusal, and where in the file the fields at fault stand."""
    try:
        return session.client.request(method, path, body).body
    except Refused as refusal:
        fields = [str(error.get("field")) for error in refusal.errors]
        places = [f"{field}: {name}, {place}" for field in fields if (place := wanted.place(field))]
        raise Failure("\n".join([explained(refusal), *places])) from refusal


def _present(session: Session) -> PolicyFile:
    found = exported(**session.client.get("/policy"))
    return PolicyFile(found["groups"], found["rules"])


@click.group(cls=Noun, examples=("daolictl policy export > policy.yaml", "daolictl policy replay new.yaml --since 1d"))
def policy() -> None:
    """All groups and rules at once, as a file has them."""


@policy.command("export", examples=("daolictl policy export > policy.yaml", "daolictl policy export -o json"))
@pass_session
def export(session: Session) -> None:
    """Write all groups and rules as daolictl apply takes them: YAML, unless -o json asks for that."""
    found = exported(**session.client.get("/policy"))
    if session.format is Format.JSON:
        session.body(found)
    else:
        session.say(as_yaml(found))


@policy.command(
    "replay", examples=("daolictl policy replay new.yaml", "daolictl policy replay new.yaml --since 1d -o json")
)
@click.argument("file", type=POLICY_FILE)
@click.option("--since", metavar="TIME", help="RFC 3339, or how long ago: 90s, 10m, 2h, 1d.  [default: all there is]")
@click.option("--allow-unknown", is_flag=True, help="It may name what there is not yet.")
@pass_session
def replay(session: Session, file: TextIO, since: str | None, *, allow_unknown: bool) -> int:
    """List the conversations in the ledger whose verdict would be another by this policy; nothing is changed.

    The exit code is that of diff: 0 if none would be, 1 if some would, 2 if the file or the policy is refused.
    """
    return _as_diff(lambda: _replay(session, file, since, allow_unknown=allow_unknown))


def _replay(session: Session, file: TextIO, since: str | None, *, allow_unknown: bool) -> int:
    wanted = load(file)
    asked_for = wanted.body() | ({"since": since} if since else {})
    path = "/policy/replay" + asked(allow_unknown=allow_unknown)
    body = _sent(session, "POST", path, wanted, asked_for, file.name)
    note_reach(session, body)
    changed = body["conversations"]
    of = f"of {count(body['judged'], 'conversation')}"
    if body["left_out"]:
        of += f", and {body['left_out']} that cannot be judged any more"
    lines = plain([_line(conversation) for conversation in changed]) if changed else []
    session.result(body, str(len(changed)), *lines, f"{len(changed)} {of} would be judged otherwise")
    return DIFFERENT if changed else SAME


def _line(conversation: dict[str, Any]) -> list[str]:
    ends = " > ".join(end_text(conversation, side, ports=False) for side in ("source", "destination"))
    port = f"/{conversation['destination_port']}" if conversation["destination_port"] else ""
    was, now = ("allowed" if allowed else "denied" for allowed in (conversation["was"], conversation["allowed"]))
    times = f"{conversation['count']} times" if conversation["count"] > 1 else "once"
    return [ends, f"{conversation['protocol'] or 'all'}{port}", f"{was}, would be {now}", conversation["reason"], times]
