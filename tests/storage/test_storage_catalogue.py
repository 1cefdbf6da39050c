"""What opened records name: found once it is open and never before, as of every size."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kit
import pytest
from sqlalchemy import text

from ledger.assembly import Ledger
from ledger.records.words import index_words, query_words
from ledger.settings import Settings
from ledger.storage.driver import Driver
from ledger.storage.snapshot import Snapshot
from ledger.storage.store import Store

OPEN, PARTLY, SEALED, LATE = kit.ulid(1), kit.ulid(2), kit.ulid(3), kit.ulid(4)
WEIGHTS, OUTPUT = "ab" * 32, "cd" * 32
SINCE = (
    *("cosignatures", "policies", "quorums", "witnesses"),
    *("webhook_cursors", "webhook_deliveries"),
    *("egress_counters", "egress_days", "stored_artifacts", "held_gpus", "nodes"),
)
"""Tables of later schemas, which hold nothing of this history."""
HOSTILE = (
    "nul\0inside",
    "\0",
    "\u202eright to left\u202c",
    "' OR 1=1; DROP TABLE jobs; --",
    '" OR words : * NEAR(a b) -c ^d {e} AND',
    "'a':* & !b | (c <-> d) \\\\ \\'",
    "\U0001f980\U0010ffff\ufffe\uffff\u0000",
    "e\u0301\u0301\u0301 \u0301 \u00df\ufb03\u0130",
    "\u5b89" * 100,
    "x" * 120,
    "\u3000\u00a0\u2028\u2029\x85\x1f",
    "\ufdfa" * 60,
)


def plan(title: str, **more: Any) -> dict[str, Any]:
    return {
        "title": title,
        "model.name": "whale-4",
        "model.revision": "r1",
        "model.parameter_count": 7_000_000_000,
        "model.weights_digest": {"sha256": WEIGHTS},
    } | more


def output(name: str, *, digest: str = OUTPUT, **more: Any) -> dict[str, Any]:
    described = {
        "digest": {"sha256": digest},
        "name": name,
        "kind": "report",
        "bytes": 5,
        "content_access": "public",
    }
    return described | more


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return kit.make_ledger(database_url, tmp_path)


@pytest.fixture
def filled(settings: Settings) -> Settings:
    """Four jobs: opened whole, opened in part, opened on another day, and still sealed."""
    clock = kit.Clock()
    ledger = Ledger(settings, clock=clock)
    outcome = {
        "artifacts": [output("scores.json"), output("heads.npz", uri="https://example.org/h")],
        "metrics": [{"name": "accuracy", "value": "0.5"}],
    }
    kit.log(
        ledger,
        kit.submitted(OPEN, sealed=plan("Sparse probes for 安全 and 自编码器", protocol="红队")),
        kit.submitted(PARTLY, author="zhipu", sealed=plan("a withheldword", purpose="a openword")),
        kit.started(OPEN),
        kit.ended(OPEN, sealed=outcome),
    )
    kit.log(ledger, kit.withheld(PARTLY, 3, "title", "model.weights_digest"))
    kit.log(ledger, kit.corrected(OPEN, 1, "32"))
    clock.advance(days=1)
    kit.log(ledger, kit.submitted(LATE, sealed=plan("late probing", **{"model.name": "orca-1"})))
    clock.advance(days=89)
    ledger.embargo.open_due()
    clock.advance(days=1)
    ledger.embargo.open_due()
    kit.log(ledger, kit.submitted(SEALED, sealed=plan("a sealedword of probes")))
    kit.log(ledger, kit.corrected(SEALED, _size(ledger) - 2, "64"))
    ledger.close()
    return settings


def _size(ledger: Ledger) -> int:
    with ledger.store.snapshot() as reads:
        return reads.head().size


@pytest.fixture
def store(filled: Settings) -> Iterator[Store]:
    found = Store(filled.database_url)
    yield found
    found.close()


def jobs_with_word(reads: Snapshot, word: str, *, size: int) -> list[int]:
    """The submissions of the jobs with a text in which a word begins with ``word``."""
    texts = reads.texts_with_word(word, size=size)
    submitted = {
        stored.job_id: stored.index
        for stored in reads.entries(0, size)
        if stored.kind == "submitted"
    }
    return [submitted[stored.job_id] for stored in reads.entries_at(texts).values()]


def search(reads: Snapshot, query: str, *, size: int) -> set[int]:
    """The submissions that have all words of a query."""
    found = [set(jobs_with_word(reads, word, size=size)) for word in query_words(query)]
    return set.intersection(*found) if found else set()


def test_all_projections_are_what_the_entries_say(filled: Settings) -> None:
    kit.check_whole_log(filled)


@pytest.mark.parametrize(
    ("query", "jobs"),
    [
        ("probe", [OPEN]),
        ("PROB", [OPEN, LATE]),
        ("安全", [OPEN]),
        ("安", [OPEN]),
        ("红队", [OPEN]),
        ("自编码器", [OPEN]),
        ("全自", []),
        ("scores", [OPEN]),
        ("npz accuracy", [OPEN]),
        ("whale", [OPEN, PARTLY]),
        ("whale 4", [OPEN, PARTLY]),
        ("orca", [LATE]),
        ("openword", [PARTLY]),
        ("withheldword", []),
        ("sealedword", []),
        ("robes", []),
        ("1", [LATE]),
    ],
)
def test_words_are_found_on_either_engine(store: Store, query: str, jobs: list[str]) -> None:
    with store.snapshot() as reads:
        size = reads.head().size
        by_id = reads.jobs_by_id(jobs, size=size)
        expected = {job.submitted_index for job in by_id.values()}
        assert search(reads, query, size=size) == expected


def test_a_word_is_found_from_its_disclosure_on(filled: Settings, store: Store) -> None:
    checked = kit.check_whole_log(filled)
    opened: list[tuple[int, str, int]] = []
    for index, entry in enumerate(checked.entries):
        if entry.disclosed is not None:
            words = index_words([str(entry.disclosed.fields.get("title") or "")])
            submitted = next(
                at
                for at, each in enumerate(checked.entries)
                if each.kind == "submitted" and each.job_id == entry.job_id
            )
            opened += [(index, word, submitted) for word in words]
    assert len(opened) > 5
    with store.snapshot() as reads:
        for size in range(1, checked.size + 1):
            for word in {word for _, word, _ in opened}:
                expected = {
                    submitted
                    for index, other, submitted in opened
                    if index < size and other.startswith(word)
                }
                found = jobs_with_word(reads, word, size=size)
                assert set(found) == expected, (word, size)
            assert reads.count_artifacts(size=size) == 2 * any(
                entry.disclosed is not None and entry.disclosed.fields.get("artifacts")
                for entry in checked.entries[:size]
            )


def test_what_is_sealed_or_withheld_is_in_no_projection(filled: Settings, store: Store) -> None:
    stored = [row for table in kit.PROJECTIONS for row in kit.rows_of(store, table)]
    assert "scores" in repr(stored)
    for word in ("sealedword", "withheldword"):
        assert word not in repr(stored)
    if filled.sqlite_file is not None:
        with store.engine.connect() as connection:
            connection.execute(
                text("CREATE VIRTUAL TABLE temp.seen USING fts5vocab('main', 'job_words', 'row')")
            )
            terms = set(connection.execute(text("SELECT term FROM temp.seen")).scalars())
        assert "scores" in terms
        assert not terms & {"sealedword", "withheldword"}


@pytest.mark.parametrize("before", ["sealed", "opened"])
def test_nothing_is_found_before_anything_is_open(settings: Settings, before: str) -> None:
    clock = kit.Clock()
    ledger = Ledger(settings, clock=clock)
    kit.log(ledger, kit.submitted(OPEN, sealed=plan("probes")))
    if before == "opened":
        kit.log(ledger, kit.opened(OPEN, 1))
    with ledger.store.snapshot() as reads:
        size = reads.head().size
        assert jobs_with_word(reads, "probes", size=size) == [1] * (before == "opened")
        assert jobs_with_word(reads, "probes", size=size - 1) == []
    ledger.close()


@pytest.mark.parametrize(
    "word",
    ["", " ", "*", '"', "'", 'x" OR "probes', "x' | 'probes", "probes*", "words:a", "x" * 41, "\0"],
)
def test_what_is_no_word_is_found_nowhere(store: Store, word: str) -> None:
    with store.snapshot() as reads:
        assert reads.texts_with_word(word, size=reads.head().size) == []


def test_words_of_any_script_are_found_and_no_text_breaks_an_append(settings: Settings) -> None:
    clock = kit.Clock()
    ledger = Ledger(settings, clock=clock)
    jobs = {kit.ulid(number): title for number, title in enumerate(HOSTILE, start=1)}
    kit.log(
        ledger,
        *(
            kit.submitted(job, sealed={"title": title, "model.name": title, "purpose": title})
            for job, title in jobs.items()
        ),
    )
    outcome = {
        "artifacts": [output(title) for title in HOSTILE],
        "metrics": [{"name": title, "value": "1"} for title in HOSTILE],
    }
    kit.log(ledger, kit.started(OPEN), kit.ended(OPEN, sealed=outcome))
    for title in HOSTILE:
        kit.log(ledger, kit.corrected(OPEN, 1, title))
    clock.advance(days=91)
    assert ledger.embargo.open_due().failed == ()
    ledger.close()
    checked = kit.check_whole_log(settings)
    assert len(checked.disclosed) == len(HOSTILE) + 1
    store = Store(settings.database_url)
    with store.snapshot() as reads:
        for job, title in jobs.items():
            found = reads.job(job, size=checked.size)
            assert found is not None
            for word in index_words([title]):
                assert found.submitted_index in jobs_with_word(reads, word, size=checked.size)
        stored = reads.artifacts(below=(checked.size, 0), limit=100)
        assert [each.name for each in reversed(stored)] == [
            title.replace("\0", "\ufffd") for title in HOSTILE
        ]
        corrected = reads.corrections_of(OPEN, size=checked.size)
        assert len(corrected) == len(HOSTILE)
    store.close()


def test_pages_of_artifacts_go_on_inside_of_a_disclosure(store: Store) -> None:
    with store.snapshot() as reads:
        size = reads.head().size
        newest = reads.artifacts(below=(size, 0), limit=1)
        rest = reads.artifacts(below=(newest[0].disclosed_index, newest[0].n), limit=5)
        assert [each.name for each in (*newest, *rest)] == ["heads.npz", "scores.json"]
        assert [each.n for each in reads.artifacts_named(OUTPUT, size=size, limit=5)] == [0, 1]
        assert reads.artifacts_named(OUTPUT, size=newest[0].disclosed_index, limit=5) == []
        assert newest[0].uri == "https://example.org/h"


def test_what_is_said_of_a_model_comes_newest_first(store: Store) -> None:
    with store.snapshot() as reads:
        size = reads.head().size
        said = reads.models_named(WEIGHTS, size=size, limit=10)
        # The digest that the committee withholds is nobody's to see.
        assert [each.name for each in said] == ["orca-1", "whale-4"]
        before = reads.models_named(WEIGHTS, size=said[0].disclosed_index, limit=10)
        assert before == said[1:]
        assert reads.models_named("ff" * 32, size=size, limit=10) == []


def test_corrections_come_by_entry_and_by_job(store: Store) -> None:
    with store.snapshot() as reads:
        size = reads.head().size
        newest, oldest = reads.corrections(below=size, limit=10)
        assert (newest.job_id, newest.value) == (SEALED, "64")
        assert (oldest.job_id, oldest.value, oldest.corrects) == (OPEN, "32", 1)
        assert reads.corrections_of(OPEN, size=size) == [oldest]
        assert reads.corrections_of(OPEN, size=oldest.index) == []
        assert reads.count_corrections(size=size) == 2
        assert reads.count_corrections(size=newest.index) == 1


def test_a_statement_is_found_by_its_digest(filled: Settings, store: Store) -> None:
    checked = kit.check_whole_log(filled)
    with store.snapshot() as reads:
        for digest, index in checked.statements.items():
            assert reads.statement_index(digest, size=checked.size) == index
            assert reads.statement_index(digest, size=index) is None
        assert reads.statement_index(bytes(32), size=checked.size) is None


def test_a_ledger_of_the_first_schema_is_brought_up_to_date(filled: Settings) -> None:
    store = Store(filled.database_url)
    wanted = [kit.rows_of(store, table) for table in kit.PROJECTIONS]
    assert all(wanted)
    _back_to_the_first_schema(store)
    assert store.migrate() == ("0001", kit.NEWEST_SCHEMA)
    assert [kit.rows_of(store, table) for table in kit.PROJECTIONS] == wanted
    with store.snapshot() as reads:
        assert len(search(reads, "自编码器", size=reads.head().size)) == 1
    store.close()
    kit.check_whole_log(filled)


def _back_to_the_first_schema(store: Store) -> None:
    with store.engine.connect().execution_options(ledger_writes=True) as connection:
        with connection.begin():
            sqlite = connection.dialect.name == "sqlite"
            for table in ("job_texts", "models", "artifacts", "corrections", "charters", *SINCE):
                connection.execute(text(f"DROP TABLE {table}"))
            connection.execute(text("DROP TABLE job_words" if sqlite else "DROP FUNCTION words_in"))
            connection.execute(text("DROP INDEX jobs_by_version"))
            connection.execute(text("DROP INDEX embargoes_withheld"))
            connection.execute(text("ALTER TABLE log_head DROP COLUMN held_at"))
            connection.execute(text("DROP INDEX entries_objecting"))
            for column in ("disclosed_at", "model_digest", "charter_index", "finding_code"):
                connection.execute(text(f"ALTER TABLE jobs DROP COLUMN {column}"))
            for column in ("weights_tag", "model_tag"):
                connection.execute(text(f"ALTER TABLE openings DROP COLUMN {column}"))
            connection.execute(text("CREATE INDEX jobs_by_author ON jobs (author)"))
            connection.execute(text("CREATE INDEX jobs_by_state ON jobs (state)"))
            connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
        assert "disclosed_at" not in connection.execute(text("SELECT * FROM jobs")).keys()  # noqa: SIM118 - rows have no order of keys


def test_a_damaged_log_is_not_migrated_by_halves(filled: Settings) -> None:
    store = Store(filled.database_url)
    _back_to_the_first_schema(store)
    with store.engine.connect().execution_options(ledger_writes=True) as connection:
        with connection.begin():
            guard = "entries_no_delete" if connection.dialect.name == "sqlite" else None
            if guard:
                connection.execute(text(f"DROP TRIGGER {guard}"))
            else:
                connection.execute(text("ALTER TABLE entries DISABLE TRIGGER USER"))
            connection.execute(text("DELETE FROM entries WHERE leaf_index = 5"))
        jobs = connection.execute(text("SELECT count(*) FROM jobs")).scalar_one()
    with pytest.raises(Exception, match="1 of the entries 0 to"):
        store.migrate()
    with store.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM jobs")).scalar_one() == jobs
        version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        assert version == "0001"
    store.close()


def test_the_entries_of_a_job_are_found_as_of_every_size(store: Store) -> None:
    with store.snapshot() as reads:
        every = reads.entries(0, reads.head().size)
        kinds = {entry.kind for entry in every if entry.job_id is not None}
        assert {"submitted", "admitted", "started", "completed", "withheld", "disclosed"} <= kinds
        for size in range(len(every) + 1):
            last: dict[str, int] = {}
            for entry in every[:size]:
                if entry.job_id is not None:
                    last[entry.job_id] = entry.index
            for job_id in (OPEN, PARTLY, SEALED, LATE, kit.ulid(99)):
                own = [entry for entry in every[:size] if entry.job_id == job_id]
                assert reads.entries_of_job(job_id, size=size) == own
                some = [entry for entry in own if entry.kind in {"admitted", "disclosed"}]
                found = reads.entries_of_job(job_id, size=size, kinds=("admitted", "disclosed"))
                assert found == some
            found_last = reads.last_about_jobs(0, size, size=size)
            assert found_last == sorted(last.items(), key=lambda each: each[1])


def test_no_read_of_the_catalogue_scans_a_table(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, Any]] = []
    real = Driver.fetch

    def noting(driver: Driver, sql: str, parameters: Any = ()) -> Any:
        asked.append((sql, parameters))
        return real(driver, sql, parameters)

    monkeypatch.setattr(Driver, "fetch", noting)
    with store.snapshot() as reads:
        reads.texts_with_word("probe", size=99)
        reads.models_named(WEIGHTS, size=99, limit=5)
        reads.artifacts(below=(99, 0), limit=5)
        reads.artifacts_named(OUTPUT, size=99, limit=5)
        reads.corrections(below=99, limit=5)
        reads.corrections_of(OPEN, size=99)
        reads.statement_index(bytes(32), size=99)
        assert list(reads.job_versions(5, 9))
        assert reads.entries_of_job(OPEN, size=99)
        assert reads.last_about_jobs(0, 99, size=99)
        reads.entries_about_no_job("manifest", start=0, stop=99)
    monkeypatch.undo()
    assert len(asked) == 11
    with store.engine.connect() as connection:
        driver = Driver(connection)
        sqlite = connection.dialect.name == "sqlite"
        explain = "EXPLAIN QUERY PLAN" if sqlite else "EXPLAIN"
        if not sqlite:
            driver.run("SET enable_seqscan = off")  # tables as small as these are read whole
        for sql, parameters in asked:
            said = [str(row[-1]) for row in driver.fetch(f"{explain} {sql}", parameters)]
            scans = [line for line in said if "SCAN" in line or "Seq Scan" in line]
            # FTS5 says SCAN of every search, and INDEX of the one by a word.
            assert [line for line in scans if "VIRTUAL TABLE INDEX" not in line] == [], said
            assert "TEMP B-TREE" not in " ".join(said)
