"""How many feed pages and jobs as JSON one server process gives in a second, out of its memory.

What machines fetch is the same for all of them as long as the log stands still, so a page is made
once and its bytes are sent again. Datasette is asked for the same in the same rounds: the newest
jobs of its table and one row of it, as JSON. It makes each answer anew, as it always does.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks.datasette import Datasette, exported
from benchmarks.figures import Bar, Beside, Figure
from benchmarks.logs import Kept
from benchmarks.places import Places
from benchmarks.progress import say
from benchmarks.scale import Scale
from benchmarks.serving import Server, get

SECTION: Final = "data"
BAR: Final = Bar(5_000)
JOBS: Final = 100
"""As many different jobs are asked for, over and over."""
FEED: Final = "a feed's page, as JSON Feed"
ATOM: Final = "the same as Atom"
JOB: Final = "one job as JSON"
NEWEST: Final = ".json?_sort_desc=submitted_index&_size=50"


def measure(
    places: Places, logs: Sequence[Kept], scale: Scale, *, rival: type[Datasette] = Datasette
) -> Iterator[Figure]:
    """The rates on each log, in answers a second, of one process on 64 connections."""
    for log in logs:
        file = exported(log, places.beside("datasette"))
        room = places.room(f"rates-{log.entries}")
        # One process on any engine: the bar is for one.
        one = log.settings.model_copy(update={"processes": 1})
        with Server(one, folder=room) as server, rival(file, folder=room) as other:
            yield from _measured(server, other, log, scale)


def _measured(server: Server, other: Datasette, log: Kept, scale: Scale) -> Iterator[Figure]:
    step = max(log.recipe.jobs // JOBS, 1)
    jobs = [log.recipe.job_id(number) for number in range(0, log.recipe.jobs, step)][:JOBS]
    ours = {
        FEED: ["/feeds/published.json"],
        ATOM: ["/feeds/published.atom"],
        JOB: [f"/api/v1/jobs/{job}" for job in jobs],
    }
    theirs = {
        FEED: [other.base + NEWEST],
        JOB: [f"{other.base}/{job}.json" for job in jobs],
    }
    taken: dict[str, list[float]] = {what: [] for what in ours}
    beside: dict[str, list[float]] = {what: [] for what in theirs}
    for paths in ours.values():
        server.time_each(paths)
    for paths in theirs.values():
        other.time_each(paths[:1])
    for number in range(scale.rounds):
        say(f"{SECTION}: {log.entries:,} entries, rates, round {number + 1} of {scale.rounds}")
        for what, paths in ours.items():
            done = server.load([get(path) for path in paths], seconds=scale.load_s)
            taken[what].append(done.requests / done.seconds)
            if what in theirs:
                answered = other.load([get(path) for path in theirs[what]], seconds=scale.load_s)
                beside[what].append(answered.requests / answered.seconds)
    for what, rounds in taken.items():
        yield Figure(
            SECTION,
            what,
            "/s",
            tuple(rounds),
            entries=log.entries,
            bar=BAR,
            beside=Beside(other.name, tuple(beside[what])) if what in beside else None,
        )
