"""Appending over HTTP to a real server: one statement a request, and batches of 100 and of 1,000.

An answer is a receipt, so the time to an answer is the time to a proof.
"""

from collections.abc import Iterator
from itertools import product
from typing import Final

from benchmarks.figures import Bar, Figure
from benchmarks.history import Clerk
from benchmarks.load import Outcome
from benchmarks.places import CannotMeasure, Places
from benchmarks.progress import say
from benchmarks.scale import Scale
from benchmarks.serving import CONNECTIONS, Server, post
from ledger.assembly import system_clock

SECTION: Final = "http"
BATCHES: Final = {100: 16, 1_000: 2}
"""Statements in a batch, and how many connections send such batches."""
SINGLE_BAR: Final = Bar(6_000)
PROVED_BAR: Final = Bar(25, "less")
BATCH_BARS: Final = {100: Bar(30_000)}
LONGEST: Final = max(BATCHES)
KINDS: Final = ("submissions", "run events")
_JSON: Final = "application/json"
_NDJSON: Final = "application/x-ndjson"
_MADE_AT_S: Final = system_clock()


def measure(places: Places, scale: Scale) -> Iterator[Figure]:
    """The figures of this section; everything is checked, signatures included."""
    single: dict[str, list[Outcome]] = {kind: [] for kind in KINDS}
    batched: dict[tuple[str, int], list[Outcome]] = {each: [] for each in product(KINDS, BATCHES)}
    with Server(places.fresh("http"), folder=places.room("http-files")) as server:
        for number in range(scale.rounds):
            say(f"{SECTION}: round {number + 1} of {scale.rounds}")
            for kind in KINDS:
                single[kind].append(_one_by_one(server, number, kind, scale.posted))
                for size in BATCHES:
                    statements = scale.posted_batches * LONGEST
                    batched[kind, size].append(_batches(server, number, kind, size, statements))
        _require_all_logged(server, scale)
    for kind in KINDS:
        yield from _single_figures(kind, single[kind])
        for size in BATCHES:
            yield _batch_figure(kind, size, batched[kind, size])


def _bodies(series: str, kind: str, count: int) -> list[bytes]:
    # The second kind speaks of the jobs that the first one has submitted.
    clerk = Clerk(series, made_at_s=_MADE_AT_S)
    write = clerk.submitted if kind == KINDS[0] else clerk.started
    return [write(each) for each in range(count)]


def _one_by_one(server: Server, number: int, kind: str, count: int) -> Outcome:
    requests = [
        post("/api/v1/statements", body, _JSON)
        for body in _bodies(f"http single {number}", kind, count)
    ]
    return server.load(requests, statuses=(201,))


def _batches(server: Server, number: int, kind: str, size: int, statements: int) -> Outcome:
    bodies = _bodies(f"http batches of {size} {number}", kind, statements)
    requests = [
        post("/api/v1/statements/batch", b"\n".join(bodies[start : start + size]), _NDJSON)
        for start in range(0, len(bodies), size)
    ]
    return server.load(requests, connections=BATCHES[size])


def _require_all_logged(server: Server, scale: Scale) -> None:
    """Hold the log's size against what was posted: a batch may be answered and hold refusals."""
    statements = scale.rounds * (scale.posted + len(BATCHES) * scale.posted_batches * LONGEST)
    expected = 1 + 3 * statements  # genesis; for each job submission, decision and start
    size = server.tree_size()
    if size != expected:
        raise CannotMeasure(
            f"the log has {size:,} entries after posting where {expected:,} should be"
        )


def _single_figures(kind: str, outcomes: list[Outcome]) -> Iterator[Figure]:
    what = f"one {kind.removesuffix('s')} a request, {CONNECTIONS} connections"
    yield Figure(
        section=SECTION,
        what=what,
        unit="/s",
        rounds=tuple(each.requests / each.seconds for each in outcomes),
        bar=SINGLE_BAR,
        key=f"http_{_slug(kind)}_per_s",
    )
    for name, field, bar in (("half", "p50_ms", None), ("99 of 100", "p99_ms", PROVED_BAR)):
        yield Figure(
            section=SECTION,
            what=f"  {name} are answered, with a proof, within",
            unit="ms",
            rounds=tuple(getattr(each, field) for each in outcomes),
            bar=bar,
            key=f"http_{_slug(kind)}_p99_ms" if bar else "",
        )


def _batch_figure(kind: str, size: int, outcomes: list[Outcome]) -> Figure:
    return Figure(
        section=SECTION,
        what=f"batches of {size:,} {kind}, {BATCHES[size]} connections",
        unit="/s",
        rounds=tuple(each.requests * size / each.seconds for each in outcomes),
        bar=BATCH_BARS.get(size),
        key=f"http_{_slug(kind)}_batches_per_s" if size in BATCH_BARS else "",
        note=f"a batch within {max(each.worst_ms for each in outcomes):,.0f} ms",
    )


def _slug(kind: str) -> str:
    return kind.replace(" ", "_")
