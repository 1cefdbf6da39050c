"""Models, artifacts and corrections as of any size: what is open, and nothing that is not yet."""

from typing import Any

import pytest
from ledger_world import PLAN, World

from ledger.errors import NotFound
from ledger.reader import Reader
from ledger.reader.view import View
from ledger.records.deadline import format_time
from schemas.answers import ArtifactShown, ModelShown

WEIGHTS, OTHER, OUTPUT = "1a" * 32, "2b" * 32, "3c" * 32


def submit(
    world: World, job: str, *, weights: str | None, name: str | None = None, **more: Any
) -> int:
    """A submission with a model of the test's own; its index."""
    author = more.pop("author", "alpha")
    sealed = {
        "title": world.canary(job, "title"),
        "model.name": name,
        "model.weights_digest": {"sha256": weights} if weights else None,
    }
    body = world.statement(
        author, "submitted", "job-submitted/1", PLAN, job=job, sealed=sealed | more
    )
    return world.log(body)[0].index


def run(world: World, job: str, *names: str) -> None:
    """A run of one hour on 8 accelerators that names artifacts of the same bytes."""
    begun = format_time(world.clock.now)
    world.clock.now += 3_600
    ended = {
        "started_at": begun,
        "ended_at": format_time(world.clock.now),
        "wall_seconds": 3_600,
        "gpu_seconds": 28_800,
        "h200e_seconds": 28_800,
        "h200e_basis": "table/1",
        "exit_status": "completed",
        "weights_unchanged": True,
        "weights_check": "oms_root",
    }
    artifacts = [
        {
            "digest": {"sha256": OUTPUT},
            "name": name,
            "kind": "report",
            "bytes": 5,
            "content_access": "on_request",
        }
        for name in names
    ]
    world.log(
        world.statement(
            "orchestrator",
            "started",
            "job-started/1",
            {"started_at": begun, "gpu_count": 8},
            job=job,
        ),
        world.statement(
            "orchestrator",
            "completed",
            "job-ended/1",
            ended,
            job=job,
            sealed={"artifacts": artifacts},
        ),
    )


def open_early(world: World, job: str, index: int, *, author: str = "alpha") -> None:
    """An author opens its own plan."""
    world.log(world.statement(author, "open", "job-open/1", {"discloses": index}, job=job))


def correct(world: World, job: str, index: int, value: str) -> int:
    said = {"corrects": index, "field": "gpu_count", "value": value, "reason": "miscounted"}
    return world.log(world.statement("alpha", "corrected", "job-corrected/1", said, job=job))[
        0
    ].index


@pytest.fixture
def told(fresh: World) -> World:
    """One model under two names, another one, a withheld one, and one that stays sealed."""
    first = submit(fresh, "first", weights=WEIGHTS, name="whale-4", **{"model.dtype": "bfloat16"})
    run(fresh, "first", "scores.json", "heads.npz")
    open_early(fresh, "first", first)
    second = submit(fresh, "second", weights=OTHER, name="orca-1", author="beta")
    open_early(fresh, "second", second, author="beta")
    third = submit(
        fresh,
        "third",
        weights=WEIGHTS,
        name="Whale 4",
        author="beta",
        **{"model.parameter_count": 7_000_000_000, "model.revision": "r2"},
    )
    correct(fresh, "first", first, "16")
    open_early(fresh, "third", third, author="beta")
    run(fresh, "third", "third.json")
    withheld = submit(fresh, "withheld", weights="4d" * 32, name="seal-9")
    closing = {
        "withholds": withheld,
        "paths": ["model.weights_digest"],
        "basis": "hazard_cyber",
        "review_by": format_time(fresh.clock.now + 86_400),
    }
    fresh.log(fresh.statement("committee", "withheld", "job-withheld/1", closing, job="withheld"))
    fresh.days(91)
    fresh.sweep()
    submit(fresh, "sealed", weights="5e" * 32, name="kraken")
    correct(fresh, "first", first, "32")
    return fresh


def everything(view: View) -> tuple[Any, ...]:
    """All that this part of a view says."""
    return (
        view.models(limit=99),
        view.count_models(),
        view.artifacts(limit=99),
        view.count_artifacts(),
        view.corrections(limit=99),
        view.count_corrections(),
    )


def test_models_are_known_by_their_weights(told: World) -> None:
    with told.reader.at() as view:
        models = view.models(limit=99)
        assert view.count_models() == len(models) == 2
        assert [model.digest for model in models] == [OTHER, WEIGHTS]
        whale = view.model(WEIGHTS)
        first = view.job(told.job_id("first")).job
    assert whale == models[1]
    assert whale == ModelShown(
        digest=WEIGHTS,
        names=("Whale 4", "whale-4"),
        revision="r2",
        dtype=None,
        parameter_count=7_000_000_000,
        jobs=2,
        gpu_seconds=2 * 28_800,
        first_disclosed_index=first.disclosed_index or 0,
        members=("alpha", "beta"),
    )


def test_models_page_without_loss_or_repetition(told: World) -> None:
    with told.reader.at() as view:
        newest = view.models(limit=1)
        rest = view.models(below=newest[0].first_disclosed_index, limit=1)
        assert (*newest, *rest) == view.models(limit=99)
        assert view.models(below=rest[0].first_disclosed_index, limit=1) == ()


@pytest.mark.parametrize("digest", ["4d" * 32, "5e" * 32, "ff" * 32, "", "x", "1A" * 32, None])
def test_models_that_no_open_record_names_are_not_found(told: World, digest: str | None) -> None:
    with told.reader.at() as view, pytest.raises(NotFound):
        view.model(digest or "")


def test_artifacts_come_with_their_job(told: World) -> None:
    with told.reader.at() as view:
        found = view.artifacts(limit=99)
        assert view.count_artifacts() == len(found) == 3
        assert [each.name for each in found] == ["third.json", "heads.npz", "scores.json"]
        detail = view.job(told.job_id("first"))
        disclosed = detail.sealed[1].disclosure
        assert disclosed is not None
        assert found[1] == ArtifactShown(
            digest=OUTPUT,
            name="heads.npz",
            kind="report",
            bytes=5,
            content_access="on_request",
            uri=None,
            job_id=told.job_id("first"),
            member="alpha",
            disclosed_index=disclosed.index,
            disclosed_at=disclosed.logged_at,
            place=disclosed.index * 64 + 1,
        )
        assert view.artifact(OUTPUT) == found[::-1]
        pages: list[ArtifactShown] = []
        below = None
        while page := view.artifacts(below=below, limit=1):
            pages += page
            below = page[-1].place
        assert tuple(pages) == found
        for digest in ("00" * 32, "", "x"):
            with pytest.raises(NotFound):
                view.artifact(digest)


def test_corrections_say_what_they_correct(told: World) -> None:
    with told.reader.at() as view:
        newest, oldest = view.corrections(limit=99)
        assert (newest.value, oldest.value) == ("32", "16")
        assert oldest.corrected_kind == "submitted"
        assert oldest.corrects == view.submission_of(told.job_id("first"))
        assert view.corrections_of(told.job_id("first")) == (oldest, newest)
        assert view.corrections_of(told.job_id("second")) == ()
        assert view.corrections(below=newest.index, limit=99) == (oldest,)
        assert view.count_corrections() == 2
        with pytest.raises(NotFound):
            view.corrections_of("0" * 26)


def test_every_size_has_its_own_answers_for_ever(told: World) -> None:
    """What is said as of a size is what a log says that has never grown past it."""
    then: dict[int, tuple[Any, ...]] = {}
    for size in range(1, told.reader.tree_size() + 1):
        with told.reader.at(size) as view:
            if view.entry(size - 1).kind == "submitted":
                continue  # its decision is in the same batch: this size is never published
            then[size] = everything(view)
    models = [found[1] for found in then.values()]
    assert models == sorted(models)
    assert set(models) == {0, 1, 2}
    told.log(told.submission("another"))
    told.days(91)
    told.sweep()
    for reader in (told.reader, Reader(told.ledger.store)):
        for size, found in then.items():
            with reader.at(size) as view:
                assert everything(view) == found, size


def test_an_entry_is_found_by_its_leaf_hash_and_by_the_digest_of_its_statement(told: World) -> None:
    with told.reader.at() as view, told.ledger.store.snapshot() as reads:
        for stored in reads.entries(0, view.size):
            assert view.find(stored.leaf_hash.hex()) == stored.index
            with told.reader.at(stored.index or 1) as before:
                missing = None if stored.index else 0
                assert before.find(stored.leaf_hash.hex()) == missing
            if stored.statement_digest is not None:
                assert view.find(stored.statement_digest.hex()) == stored.index
                with told.reader.at(stored.index or 1) as before:
                    assert before.find(stored.statement_digest.hex()) is None
        for text in ("", "x", "ab" * 32, "AB" * 32, "ab" * 33):
            assert view.find(text) is None


def test_what_is_sealed_shows_nowhere(told: World) -> None:
    with told.reader.at() as view:
        said = repr(everything(view))
    assert WEIGHTS in said
    for secret in ("kraken", "5e" * 32, "4d" * 32, "seal-9"):
        assert secret not in said
