"""Appending in this process: what a statement costs, with and without its author's signature.

Three ledgers are fed the same statements, each in rounds that alternate:

``sequenced``      checked by intake beforehand and not timed; timed are order and life cycle,
                   hashing, commit, the checkpoint's signature and its publication
``no signatures``  from the posted bytes to the receipt: parsing, commitment, charter, encryption
                   of the opening, all of the above and the proof; all but the author's signature
``everything``     the same with the author's signature

Others' logs are fed records of 600 bytes in the same rounds (``peers``), and a plain table the very
statements (``yardstick``).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import product
from statistics import median
from typing import Final, Literal

from benchmarks import clients, syncs
from benchmarks.figures import Bar, Beside, Figure
from benchmarks.history import Clerk
from benchmarks.peers import AicsWriter, Peer, Pymerkle, absent, record, times
from benchmarks.pgbench import PgBench
from benchmarks.places import CannotMeasure, Places
from benchmarks.progress import say
from benchmarks.scale import Scale
from benchmarks.yardstick import PostgreSQLTable, SQLiteTable, Yardstick
from ledger.assembly import Ledger, system_clock
from ledger.errors import LedgerError

SECTION: Final = "append"
BATCH: Final = 1_000
Level = Literal["sequenced", "no signatures", "everything"]
LEVELS: Final[tuple[Level, ...]] = ("sequenced", "no signatures", "everything")
CLIENTS_BAR: Final = Bar(50_000)
SINGLE_TIMES: Final = {Pymerkle: 4.0, AicsWriter: 8.0}
BATCHED_TIMES: Final = 1.1
PGBENCH_TIMES: Final = 1.2
HELD: Final[tuple[Level, ...]] = ("sequenced", "no signatures")
"""What is held against others, who verify no signature either, and no statement."""
SLOW: Final = 5
"""A log that writes several files for each record is given so many times fewer of them."""
WAYS: Final = ("1 client", f"{clients.CLIENTS} clients", f"batches of {BATCH:,}")
KINDS: Final = ("submissions", "run events")
_ENTRIES_EACH: Final = {"submissions": 2, "run events": 1}

Key = tuple[str, str, str]
"""Way, kind and level; the level "plain" is the yardstick."""
PLAIN: Final = "plain"


def measure(
    places: Places, scale: Scale, *, rivals: Sequence[type[Peer]] = (Pymerkle, AicsWriter)
) -> Iterator[Figure]:
    """The figures of this section."""
    with ExitStack() as stack:
        ledgers: dict[Level, Ledger] = {}
        for level in LEVELS:
            settings = places.fresh(f"append-{level.replace(' ', '-')}")
            ledger = Ledger(settings, verify_signatures=level == "everything")
            stack.callback(ledger.close)
            ledgers[level] = ledger
        table = _yardstick(places)
        stack.callback(table.close)
        rounds = _Rounds(ledgers, table)
        rounds.others = [
            stack.enter_context(other(places.room(f"append-{other.tool}"))) for other in rivals
        ]
        rounds.pgbench = _pgbench(places)
        for number in range(scale.rounds):
            say(f"{SECTION}: round {number + 1} of {scale.rounds}")
            rounds.run(number, scale)
    yield from _figures(rounds)
    yield from _held_against(rounds)
    yield from syncs.measure(places, scale)


class _Rounds:
    """What the rounds have measured so far."""

    def __init__(self, ledgers: dict[Level, Ledger], table: Yardstick) -> None:
        self._ledgers = ledgers
        self._table = table
        self.taken: dict[Key, list[float]] = {}
        self.statement_bytes: dict[str, int] = {}
        self.others: list[Peer] = []
        self.pgbench: PgBench | None = None
        self.beside: dict[tuple[str, str], list[float]] = {}
        """Rates of others, by way and name."""

    def run(self, number: int, scale: Scale) -> None:
        """Append the same new statements to each ledger and to the table, in turn."""
        # A round begins with another level than the one before.
        order = [*LEVELS[number % 3 :], *LEVELS[: number % 3]]
        counts = (scale.single, scale.clients, scale.batched)
        for way, count in zip(WAYS, counts, strict=True):
            clerk = Clerk(f"append {number} {way}", made_at_s=system_clock())
            for kind in KINDS:
                write = clerk.submitted if kind == "submissions" else clerk.started
                bodies = [write(each) for each in range(count)]
                self.statement_bytes[kind] = sum(map(len, bodies)) // count
                for level in order:
                    seconds = _append(self._ledgers[level], level, way, bodies)
                    self._note((way, kind, level), count / seconds)
                self._note((way, kind, PLAIN), count / _insert(self._table, way, bodies))
            self._measure_others(way, [record(body) for body in bodies])

    def _measure_others(self, way: str, rows: Sequence[bytes]) -> None:
        found = self.beside
        for other in self.others:
            if not other.missing and way == WAYS[0]:
                some = rows[:: SLOW if isinstance(other, AicsWriter) else 1]
                rate = len(some) / other.append(some)
                found.setdefault((way, other.name), []).append(rate)
            if not other.missing and way == WAYS[2] and not isinstance(other, AicsWriter):
                rate = len(rows) / other.append(rows, at_once=BATCH)
                found.setdefault((way, other.name), []).append(rate)
        if self.pgbench is not None and not self.pgbench.missing and way == WAYS[1]:
            rate = self.pgbench.insert(len(rows))
            found.setdefault((way, self.pgbench.name), []).append(rate)

    def _note(self, key: Key, rate: float) -> None:
        self.taken.setdefault(key, []).append(rate)


def _append(ledger: Ledger, level: Level, way: str, bodies: Sequence[bytes]) -> float:
    if way == WAYS[2]:
        return _append_batches(ledger, level, bodies)
    if way == WAYS[1]:
        if level == "sequenced":
            return clients.sequence(ledger, [ledger.intake.check(body) for body in bodies])
        return clients.post(ledger, bodies)
    send: Callable[[int], object]
    if level == "sequenced":
        proposals = [ledger.intake.check(body) for body in bodies]
        sequencer = ledger.sequencer
        send = lambda each: _require(sequencer.log([proposals[each]]))  # noqa: E731 - the two are one choice
    else:
        send = lambda each: _require(ledger.log([bodies[each]]))  # noqa: E731 - as above
    begun = time.perf_counter()
    for each in range(len(bodies)):
        send(each)
    return time.perf_counter() - begun


def _append_batches(ledger: Ledger, level: Level, bodies: Sequence[bytes]) -> float:
    batches = [bodies[start : start + BATCH] for start in range(0, len(bodies), BATCH)]
    took = 0.0
    for batch in batches:
        if level == "sequenced":
            proposals = [ledger.intake.check(body) for body in batch]
            begun = time.perf_counter()
            logged = ledger.sequencer.log(proposals)
            took += time.perf_counter() - begun
            _require(logged)
        else:
            begun = time.perf_counter()
            receipts = ledger.log(batch)
            took += time.perf_counter() - begun
            _require(receipts)
    return took


def _insert(table: Yardstick, way: str, rows: Sequence[bytes]) -> float:
    if way != WAYS[2]:
        return table.one_by_one(rows)
    return sum(table.together(rows[start : start + BATCH]) for start in range(0, len(rows), BATCH))


def _require(results: Sequence[object]) -> None:
    for result in results:
        if isinstance(result, LedgerError):
            raise CannotMeasure(f"a statement was refused: {result}")


def _yardstick(places: Places) -> Yardstick:
    url = places.empty_database("rows")
    return PostgreSQLTable(url) if url else SQLiteTable(places.room("rows"))


def _figures(rounds: _Rounds) -> Iterator[Figure]:
    for way in WAYS:
        plain = "plain INSERTs" + (" in batches" if way == WAYS[2] else ", one connection")
        for kind in KINDS:
            for level in LEVELS:
                rates = tuple(rounds.taken[way, kind, level])
                entries = median(rates) * _ENTRIES_EACH[kind]
                yield Figure(
                    section=SECTION,
                    what=f"{way}, {kind}, {level}",
                    unit="/s",
                    rounds=rates,
                    bar=CLIENTS_BAR if way == WAYS[1] and level in HELD else None,
                    key=_key("clients_64", kind, level, "per_s") if way == WAYS[1] else "",
                    beside=Beside(plain, tuple(rounds.taken[way, kind, PLAIN])),
                    note=f"{entries:,.0f} entries/s" if kind == "submissions" else "",
                    more={
                        "entries_per_s": entries,
                        "statement_bytes": rounds.statement_bytes[kind],
                    },
                )


def _held_against(rounds: _Rounds) -> Iterator[Figure]:
    """Ours as multiples of others', each with its bar."""
    wanted: list[tuple[str, Peer | PgBench, float, str]] = []
    for other in rounds.others:
        [single] = (bar for kind, bar in SINGLE_TIMES.items() if isinstance(other, kind))
        wanted.append((WAYS[0], other, single, "one by one"))
        if isinstance(other, Pymerkle):
            wanted.append((WAYS[2], other, BATCHED_TIMES, "append_entries"))
    if rounds.pgbench is not None:
        wanted.append((WAYS[1], rounds.pgbench, PGBENCH_TIMES, "plain INSERTs"))
    for way, rival, bar, how in wanted:
        for kind, level in product(KINDS, HELD):
            what = f"{way}, {kind}, {level}: times {rival.name}, {how}"
            if rival.missing:
                yield absent(SECTION, what, bar, rival.missing)
            else:
                ours, theirs = rounds.taken[way, kind, level], rounds.beside[way, rival.name]
                rival_key = "pgbench" if isinstance(rival, PgBench) else rival.tool
                yield times(
                    *(SECTION, what, bar),
                    ours=ours,
                    theirs=theirs,
                    unit="/s",
                    key=_key(_SLUGS[way], kind, level, f"times_{rival_key}"),
                )


_SLUGS: Final = dict(zip(WAYS, ("one_client", "clients_64", "batches_1000"), strict=True))


def _key(way: str, kind: str, level: Level, ending: str) -> str:
    return f"{way}_{kind}_{level}_{ending}".replace(" ", "_")


def _pgbench(places: Places) -> PgBench | None:
    url = places.empty_database("pgbench")
    if url is None:
        return None
    return PgBench(url, places.room("pgbench"), record(b"a plain row"))
