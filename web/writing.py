"""``/api/v1``, the writing half: takes bytes, bounds them, hands them on, and waits.

No password exists: the signature in the statement is the login.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
from litestar import Request, Response, Router, post
from litestar.datastructures import State

from ledger.errors import FormatError, LedgerError, TooLarge
from schemas.answers import LineAnswer, LineProblem, Receipted
from web import problems
from web.api import BASE, JSON
from web.doors import House

MAX_SINGLE_BYTES: Final = 2**20
MAX_BATCH_BYTES: Final = 32 * 2**20
MAX_BATCH_LINES: Final = 1_000
NDJSON: Final = "application/x-ndjson"


async def read_body(request: Request[Any, Any, Any], *, limit: int) -> bytes:
    """The whole body, refused as soon as it is seen to be over ``limit`` bytes."""
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > limit:
        raise _too_large(int(declared[:20]), limit)
    return await _gather(request.stream(), limit)


async def _gather(chunks: AsyncIterator[bytes], limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise _too_large(size, limit)
        parts.append(chunk)
    return b"".join(parts)


def _too_large(size: int, limit: int) -> TooLarge:
    return TooLarge(
        f"the body has {size} bytes or more; this address takes {limit}", limit=limit, size=size
    )


def split_lines(body: bytes) -> list[bytes]:
    """The statements of a batch: NDJSON, the last line's end may be missing."""
    lines = body.removesuffix(b"\n").split(b"\n") if body.strip() else []
    if not lines:
        raise FormatError("the batch is empty: one signed statement on each line")
    if len(lines) > MAX_BATCH_LINES:
        raise TooLarge(
            f"the batch has {len(lines)} lines; at most {MAX_BATCH_LINES} are taken",
            limit=MAX_BATCH_LINES,
            size=len(lines),
        )
    return lines


@post("/statements", request_max_body_size=None, status_code=201)
async def submit(request: Request[Any, Any, Any], state: State) -> Response[bytes]:
    """Log one signed statement: 201 where this made the entry, 200 where an earlier one had."""
    house: House = state.house
    body = await read_body(request, limit=MAX_SINGLE_BYTES)
    receipted = await asyncio.wrap_future(house.submit(body))
    return Response(
        msgspec.json.encode(receipted.accepted),
        media_type=JSON,
        status_code=_status(receipted),
        headers={"Location": f"{BASE}/entries/{receipted.accepted.index}"},
    )


@post("/statements/batch", request_max_body_size=None, status_code=200)
async def submit_batch(request: Request[Any, Any, Any], state: State) -> Response[bytes]:
    """Log up to 1,000 statements, one a line; each line is answered on its own."""
    house: House = state.house
    lines = split_lines(await read_body(request, limit=MAX_BATCH_BYTES))
    results = await asyncio.wrap_future(house.submit_batch(lines))
    return Response(
        await asyncio.to_thread(encode_results, results), media_type=NDJSON, status_code=200
    )


def encode_results(results: list[Receipted | LedgerError]) -> bytes:
    """NDJSON: what became of each line."""
    encoder = msgspec.json.Encoder()
    return encoder.encode_lines(
        [_line(number, result) for number, result in enumerate(results, start=1)]
    )


def _line(number: int, result: Receipted | LedgerError) -> LineAnswer | LineProblem:
    if isinstance(result, Receipted):
        return LineAnswer(line=number, status=_status(result), answer=result.accepted)
    problem = problems.problem_of(result)
    return LineProblem(line=number, status=problem.status, problem=problem)


def _status(receipted: Receipted) -> int:
    return 201 if receipted.created else 200


ROUTER: Final = Router(path=BASE, route_handlers=[submit, submit_batch])
