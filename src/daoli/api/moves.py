"""Moves: a container recreated on another host by the agents of both, step by step."""

from __future__ import annotations

from http import HTTPStatus

from pydantic import BaseModel

from daoli.api.operation import Answer, Ask, Operation, Query, Reply
from daoli.hosts.move import Move, MoveReport, MoveRequest


class MovesBody(BaseModel):
    """Moves, the latest first."""

    moves: list[Move]


async def list_moves(ask: Ask[None, Query]) -> Answer:
    """List moves: those under way, and the last hundred that are over."""
    return Answer(MovesBody.model_construct(moves=ask.services.moves.all()))


async def show_move(ask: Ask[None, Query]) -> Answer:
    """Show one move."""
    return Answer(ask.services.moves.find(ask.path["id"]))


async def begin_move(ask: Ask[MoveRequest, Query]) -> Answer:
    """Begin to recreate a container on another host, with its addresses; the agents of both do it."""
    move = await ask.services.moves.begin(ask.body)
    return Answer(move, HTTPStatus.ACCEPTED, f"/moves/{move.id}")


async def report_move(ask: Ask[MoveReport, Query]) -> Answer:
    """Take the report of the agent whose turn it is: the state that the move should go to."""
    return Answer(await ask.services.moves.report(ask.path["id"], ask.body))


OPERATIONS = (
    Operation(
        method="GET",
        path="/moves",
        handler=list_moves,
        replies={HTTPStatus.OK: Reply("The moves", MovesBody)},
    ),
    Operation(
        method="POST",
        path="/moves",
        handler=begin_move,
        body=MoveRequest,
        replies={HTTPStatus.ACCEPTED: Reply("The move has begun", Move)},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE),
    ),
    Operation(
        method="GET",
        path="/moves/{id}",
        handler=show_move,
        replies={HTTPStatus.OK: Reply("The move", Move)},
        problems=(HTTPStatus.NOT_FOUND,),
    ),
    Operation(
        method="POST",
        path="/moves/{id}/reports",
        handler=report_move,
        body=MoveReport,
        replies={HTTPStatus.OK: Reply("The move as it is after the report", Move)},
        problems=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE),
    ),
)
