"""Appending over HTTP to a real server: one statement a request, and batches of 1,000."""

from collections.abc import Iterator
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
BATCH: Final = 1_000
BATCH_CONNECTIONS: Final = 2
SINGLE_BAR: Final = Bar(2_500)
BATCH_BAR: Final = Bar(10_000)
KINDS: Final = ("submissions", "run events")
_JSON: Final = "application/json"
_NDJSON: Final = "application/x-ndjson"
_MADE_AT_S: Final = system_clock()


def measure(places: Places, scale: Scale) -> Iterator[Figure]:
    """The figures of this section; everything is checked, signatures included."""
    single: dict[str, list[Outcome]] = {kind: [] for kind in KINDS}
    batched: dict[str, list[Outcome]] = {kind: [] for kind in KINDS}
    with Server(places.fresh("http"), folder=places.room("http-files")) as server:
        for number in range(scale.rounds):
            say(f"{SECTION}: round {number + 1} of {scale.rounds}")
            for kind in KINDS:
                single[kind].append(_one_by_one(server, number, kind, scale.posted))
                batched[kind].append(_batches(server, number, kind, scale.posted_batches))
        _require_all_logged(server, scale)
    for kind in KINDS:
        yield from _single_figures(kind, single[kind])
        yield _batch_figure(kind, batched[kind])


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


def _batches(server: Server, number: int, kind: str, batches: int) -> Outcome:
    bodies = _bodies(f"http batch {number}", kind, batches * BATCH)
    requests = [
        post("/api/v1/statements/batch", b"\n".join(bodies[start : start + BATCH]), _NDJSON)
        for start in range(0, len(bodies), BATCH)
    ]
    return server.load(requests, connections=BATCH_CONNECTIONS)


def _require_all_logged(server: Server, scale: Scale) -> None:
    """Hold the log's size against what was posted: a batch may be answered and hold refusals."""
    statements = scale.rounds * (scale.posted + scale.posted_batches * BATCH)
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
    )
    for name, field in (("half", "p50_ms"), ("99 of 100", "p99_ms")):
        yield Figure(
            section=SECTION,
            what=f"  {name} are answered within",
            unit="ms",
            rounds=tuple(getattr(each, field) for each in outcomes),
        )


def _batch_figure(kind: str, outcomes: list[Outcome]) -> Figure:
    return Figure(
        section=SECTION,
        what=f"batches of {BATCH:,} {kind}, {BATCH_CONNECTIONS} connections",
        unit="/s",
        rounds=tuple(each.requests * BATCH / each.seconds for each in outcomes),
        bar=BATCH_BAR,
        note=f"a batch within {max(each.worst_ms for each in outcomes):,.0f} ms",
    )
