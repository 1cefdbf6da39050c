"""How long the site takes for a page that it has not made before, and Datasette for the same.

Every answer is asked for at a tree size that was not asked for before, so that none comes out of
the memory of pages: nothing is measured but making it. Sizes are those of published checkpoints,
as the newest size always is. Each round asks every question of both, one after the other.
"""

import http.client
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from benchmarks.datasette import FACETS, Datasette, exported
from benchmarks.figures import Bar, Beside, Figure
from benchmarks.history import MEMBERS
from benchmarks.load import LOOPBACK
from benchmarks.logs import Kept
from benchmarks.places import CannotMeasure, Places
from benchmarks.progress import say
from benchmarks.scale import Scale
from benchmarks.serving import Server
from ledger.assembly import Ledger

SECTION: Final = "site"
MILLION: Final = 1_000_000
BAR: Final = Bar(50, "less")
ASKED_A_ROUND: Final = 5
"""Answers of each kind in a round; their median is the round's figure."""
COMMON_WORD: Final = "language"
FACET_QUERY: Final = "&".join(f"_facet={name}" for name in FACETS)
NEWEST: Final = "_sort_desc=submitted_index&_size=50"


@dataclass(frozen=True, slots=True)
class Question:
    """One question: the site's address for the n-th time it is asked, and Datasette's, if any.

    Addresses of Datasette begin below the table's.
    """

    what: str
    ours: Callable[[int], str]
    theirs: Callable[[int], str] | None = None


def measure(
    places: Places, logs: Sequence[Kept], scale: Scale, *, rival: type[Datasette] = Datasette
) -> Iterator[Figure]:
    """The figures of the section, a log at a time."""
    for log in logs:
        file = exported(log, places.beside("datasette"))
        room = places.room(f"site-{log.entries}")
        with Server(log.settings, folder=room) as server, rival(file, folder=room) as other:
            questions = _questions(log, _series(server))
            yield from _measured(server, other, log, questions, scale)


def _measured(
    server: Server, other: Datasette, log: Kept, questions: Sequence[Question], scale: Scale
) -> Iterator[Figure]:
    asked = scale.rounds * ASKED_A_ROUND
    sizes = iter(_sizes(log, (asked + 1) * len(questions)))
    ours: dict[str, list[float]] = {question.what: [] for question in questions}
    theirs: dict[str, list[float]] = {question.what: [] for question in questions}

    def once(question: Question, number: int) -> tuple[float, float | None]:
        address = question.ours(number)
        joined = f"{address}{'&' if '?' in address else '?'}at={next(sizes)}"
        (our_s,) = server.time_each([joined])
        if question.theirs is None:
            return our_s, None
        (their_s,) = other.time_each([other.base + question.theirs(number)])
        return our_s, their_s

    say(f"site: {log.entries:,} entries, warming up")
    for question in questions:
        once(question, 0)
    for number in range(scale.rounds):
        say(f"site: {log.entries:,} entries, round {number + 1} of {scale.rounds}")
        taken: dict[str, list[tuple[float, float | None]]] = {}
        for again in range(ASKED_A_ROUND):
            for question in questions:
                found = once(question, 1 + number * ASKED_A_ROUND + again)
                taken.setdefault(question.what, []).append(found)
        for what, times in taken.items():
            ours[what].append(median(our_s for our_s, _ in times) * 1e3)
            rival_s = [their_s for _, their_s in times if their_s is not None]
            if rival_s:
                theirs[what].append(median(rival_s) * 1e3)
    for question in questions:
        beside = theirs[question.what]
        yield Figure(
            SECTION,
            question.what,
            "ms",
            tuple(ours[question.what]),
            entries=log.entries,
            bar=BAR if log.entries >= MILLION else None,
            beside=Beside(other.name, tuple(beside)) if beside else None,
        )


def _questions(log: Kept, series: Sequence[str]) -> list[Question]:
    recipe = log.recipe

    def opened(number: int) -> str:
        return recipe.job_id((number * 7 + 3) % max(recipe.opened_jobs, 1))

    def member(number: int) -> str:
        return MEMBERS[number % len(MEMBERS)]

    def rare(number: int) -> str:
        return str(1_000 + number * 13) if recipe.opened_jobs > 5_000 else str(number % 9 + 1)

    def page(slug: str) -> Callable[[int], str]:
        return lambda _number: f"/en/{slug}"

    beside = [
        Question("jobs, the newest 50", page("jobs"), lambda _number: f"?{NEWEST}"),
        Question(
            "jobs of one member",
            lambda number: f"/en/jobs?member={member(number)}",
            lambda number: f"?member={member(number)}&{NEWEST}",
        ),
        Question(
            "jobs of one member, kind and state",
            lambda number: f"/en/jobs?member={member(number)}&workload=eval_suite&state=completed",
            lambda number: (
                f"?member={member(number)}&workload_type=eval_suite&state=completed&{NEWEST}"
            ),
        ),
        Question(
            "facet counts as JSON",
            lambda _number: "/api/v1/facets",
            lambda _number: f".json?{FACET_QUERY}&_size=0",
        ),
        Question(
            "facet counts of one member as JSON",
            lambda number: f"/api/v1/facets?member={member(number)}",
            lambda number: f".json?member={member(number)}&{FACET_QUERY}&_size=0",
        ),
        Question(
            "a word that many records hold",
            lambda _number: f"/en/jobs?q={COMMON_WORD}",
            lambda _number: f"?_search={COMMON_WORD}&{NEWEST}",
        ),
        Question(
            "a word that few records hold",
            lambda number: f"/en/jobs?q=measured+{rare(number)}",
            lambda number: f"?_search=measured+{rare(number)}&{NEWEST}",
        ),
        Question(
            "one job",
            lambda number: f"/en/jobs/{opened(number)}",
            lambda number: f"/{opened(number)}",
        ),
    ]
    alone = [
        ("home", ""),
        ("jobs in Chinese, with a word that none holds", "jobs?q=%E7%BA%A2%E9%98%9F"),
        ("embargo", "embargo"),
        ("log", "log"),
        ("log, consistency", "log?from=9"),
        ("entries", "entries"),
        ("members", "members"),
        ("workloads", "workloads"),
        ("models", "models"),
        ("artifacts", "artifacts"),
        ("rejections", "rejections"),
        ("corrections", "corrections"),
        ("statistics", "statistics"),
        *((f"statistics, {name}", f"statistics/{name}") for name in series),
        ("data", "data"),
        ("dictionary", "dictionary"),
        ("status", "status"),
        ("verify", "verify"),
        ("about", "about"),
        ("problems", "docs/problems"),
    ]
    changing = [
        Question("one member", lambda number: f"/en/members/{member(number)}"),
        Question("the proof of a job", lambda number: f"/en/jobs/{opened(number)}/proof"),
        Question("one entry", lambda number: f"/en/entries/{number * 11 + 1}"),
        Question("jobs as JSON", lambda _number: "/api/v1/jobs"),
        Question("feed", lambda _number: "/feeds/published.json"),
        Question("the card of a job for other sites", lambda n: f"/embed/en/jobs/{opened(n)}"),
    ]
    return [*beside, *(Question(what, page(slug)) for what, slug in alone), *changing]


def _series(server: Server) -> list[str]:
    """The names of the statistics that the site has."""
    connection = http.client.HTTPConnection(LOOPBACK, server.port)
    try:
        connection.request("GET", "/api/v1/stats")
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        raise CannotMeasure(f"/api/v1/stats was answered with status {answer.status}")
    names: list[str] = json.loads(body)["data"]
    return names


def _sizes(log: Kept, count: int) -> list[int]:
    """``count`` tree sizes, the newest first: of published checkpoints, as far as there are."""
    ledger = Ledger(log.settings, writer=False)
    try:
        with ledger.reader.at() as view:
            found = [each.tree_size for each in view.checkpoints(limit=count)]
    finally:
        ledger.close()
    between = iter(set(range(log.entries - 1, log.entries // 2, -1)) - set(found))
    return [*found, *sorted(next(between) for _ in range(count - len(found)))[::-1]]
