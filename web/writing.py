"""``/api/v1``, the writing half: takes bytes, bounds them, hands them on, and waits.

No password exists: the signature in the statement is the login. These addresses are answered in
front of the router, as the log's files are: it would cost more than everything else on the event
loop. ``check`` alone writes nothing: it says what would become of a submission.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec

from ledger.assembly.desk import Settled
from ledger.errors import FormatError, LedgerError, TooLarge
from ledger.records.asked import MAX_ASKED, parse_asked
from schemas.checking import SubmissionAsked, SubmissionJudged
from schemas.posting import LineAnswer, LineProblem, Receipted
from web import problems
from web.answer import Answer, Receive, Scope, answer
from web.api import BASE, JSON
from web.doors import House

MAX_SINGLE_BYTES: Final = 2**20
MAX_BATCH_BYTES: Final = 32 * 2**20
MAX_BATCH_LINES: Final = 1_000
NDJSON: Final = "application/x-ndjson"
CHECK: Final = f"{BASE}/check"
_IS_JSON: Final = (b"content-type", JSON.encode())
_ENTRIES: Final = f"{BASE}/entries/".encode()
_encode: Final = msgspec.json.Encoder().encode


Written = tuple[Answer, int]
"""An answer, and for how many of the statements sent nothing came into the log."""


class Disconnected(Exception):
    """The client went away before its statement had arrived whole."""


async def read_body(scope: Scope, receive: Receive, *, limit: int) -> bytes:
    """The whole body, refused as soon as it is seen to be over ``limit`` bytes."""
    for name, value in scope["headers"]:
        if name.lower() == b"content-length" and value.isdigit() and int(value[:20]) > limit:
            raise _too_large(int(value[:20]), limit)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Disconnected
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _too_large(size, limit)
        parts.append(chunk)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


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


async def _submit(scope: Scope, receive: Receive, house: House) -> Written:
    """Log one signed statement: 201 where this made the entry, 200 where an earlier one had."""
    body = await read_body(scope, receive, limit=MAX_SINGLE_BYTES)
    waiting = _Waiting()
    house.enter(body, waiting, _settle)
    receipted = await waiting
    accepted = receipted.accepted
    made = Answer(
        _status(receipted),
        (_IS_JSON, (b"location", b"%b%d" % (_ENTRIES, accepted.index))),
        _encode(accepted),
    )
    return made, 0 if receipted.created else 1


class _Waiting(asyncio.Future[Receipted]):
    """One request that waits for the answer to its statement."""

    def is_wanted(self) -> bool:
        """Whether its client has not gone."""
        return not self.cancelled()


def _settle(settled: Settled[_Waiting]) -> None:
    """Wake those who wait for their statements: all of one event loop in one go."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Waiting, Receipted | BaseException]]] = {}
    for each in settled:
        by_loop.setdefault(each[0].get_loop(), []).append(each)
    for loop, found in by_loop.items():
        # In a loop that is closed nobody waits any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_wake, found)


def _wake(settled: Settled[_Waiting]) -> None:
    for future, found in settled:
        if future.done():
            continue
        if isinstance(found, BaseException):
            future.set_exception(found)
        else:
            future.set_result(found)


async def _submit_batch(scope: Scope, receive: Receive, house: House) -> Written:
    """Log up to 1,000 statements, one a line; each line is answered on its own."""
    lines = split_lines(await read_body(scope, receive, limit=MAX_BATCH_BYTES))
    results = await asyncio.wrap_future(house.submit_batch(lines))
    encoded, in_vain = await asyncio.to_thread(encode_results, results)
    return answer(200, encoded, NDJSON), in_vain


async def _check(scope: Scope, receive: Receive, house: House) -> Written:
    """Say what the charter in force would make of a submission that nobody has made."""
    question = parse_asked(await read_body(scope, receive, limit=MAX_ASKED))
    judged = await asyncio.to_thread(_judge, house, question)
    return answer(200, msgspec.json.encode(judged), JSON, cache_control="no-store"), 1


def _judge(house: House, question: SubmissionAsked) -> SubmissionJudged:
    with house.reader.at() as view:
        return view.what_if(question, now=house.clock())


def encode_results(results: list[Receipted | LedgerError]) -> tuple[bytes, int]:
    """NDJSON: what became of each line; and how many of them were refused or known already.

    What the house itself could not do is no line's fault.
    """
    lines = [_line(number, result) for number, result in enumerate(results, start=1)]
    in_vain = sum(line.status != 201 and line.status < 500 for line in lines)
    return msgspec.json.Encoder().encode_lines(lines), in_vain


def _line(number: int, result: Receipted | LedgerError) -> LineAnswer | LineProblem:
    if isinstance(result, Receipted):
        return LineAnswer(line=number, status=_status(result), answer=result.accepted)
    problem = problems.problem_of(result)
    return LineProblem(line=number, status=problem.status, problem=problem)


def _status(receipted: Receipted) -> int:
    return 201 if receipted.created else 200


ADDRESSES: Final[Mapping[str, Callable[[Scope, Receive, House], Awaitable[Written]]]] = {
    f"{BASE}/statements": _submit,
    f"{BASE}/statements/batch": _submit_batch,
    CHECK: _check,
}
"""What answers a POST to each address; they take nothing else."""
