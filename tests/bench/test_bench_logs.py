import json
from pathlib import Path

import pytest
from benchmarks import history, logs
from benchmarks.logs import kept_log
from benchmarks.places import CannotMeasure, Places
from benchmarks.progress import Counter
from benchmarks.recipe import DAY_S, EMBARGO_S, Recipe

from ledger.assembly import Ledger
from ledger.records.statement import decode_signed

NOW_S = 1_800_000_000


@pytest.mark.parametrize("entries", [100, 101, 102, 103, 600, 9_999, 10_000, 1_000_000])
def test_a_recipe_makes_exactly_as_many_entries_as_it_is_asked_for(entries: int) -> None:
    recipe = Recipe(entries, NOW_S)
    waiting = sum(map(recipe.waits, range(recipe.jobs)))
    made = 1 + 4 * recipe.jobs + 2 * recipe.opened_jobs - 2 * waiting
    assert made == recipe.size_with_jobs
    assert 0 <= entries - recipe.size_with_jobs < 8
    assert not recipe.waits(recipe.last_run)
    assert 0 < recipe.opened_jobs < recipe.jobs


def test_a_million_entries_are_a_quarter_of_a_million_jobs() -> None:
    assert round(Recipe(1_000_000, NOW_S).jobs, -2) == 250_000


def test_jobs_come_in_the_order_of_time_and_no_deadline_falls_into_two_months() -> None:
    recipe = Recipe(20_000, NOW_S)
    times = [recipe.time_of(number) for number in range(recipe.jobs)]
    assert times == sorted(times)
    opened, sealed = times[recipe.opened_jobs - 1], times[recipe.opened_jobs]
    assert opened + EMBARGO_S < sealed
    assert sealed + EMBARGO_S >= NOW_S + 61 * DAY_S
    assert times[-1] < NOW_S


def test_the_ids_of_jobs_are_distinct_and_sorted_by_time() -> None:
    recipe = Recipe(20_000, NOW_S)
    ids = [recipe.job_id(number) for number in range(recipe.jobs)]
    assert len(set(ids)) == recipe.jobs
    assert recipe.job_id(0) < recipe.job_id(recipe.jobs - 1)


def test_the_same_job_has_the_same_statements_in_every_run() -> None:
    first, second = (
        history.jobs_from_start_to_end("series", range(3), made_at_s=NOW_S) for _ in range(2)
    )
    assert first == second
    assert [decode_signed(body).statement.kind for body in first] == [
        *["submitted"] * 3,
        *["started"] * 3,
        "failed",
        *["completed"] * 2,
    ]


class Interrupted(BaseException):
    pass


def test_an_interrupted_build_goes_on_and_ends_with_the_very_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted in each of its phases: logging, opening, logging again."""
    stops = [40, 130, 190, 10_000]
    tell = Counter.at

    def at(counter: Counter, count: int) -> None:
        tell(counter, count)
        if count >= stops[0]:
            raise Interrupted

    monkeypatch.setattr(Counter, "at", at)
    with Places(tmp_path, None).opened() as places:
        while len(stops) > 1:
            with pytest.raises(Interrupted):
                kept_log(places, 303, jobs_at_once=5, part_jobs=10)
            del stops[0]
        kept = kept_log(places, 303, jobs_at_once=5, part_jobs=10)
        ledger = Ledger(kept.settings, writer=False)
        try:
            with ledger.reader.at() as view:
                now_s = kept.recipe.end_s
                shown = view.embargo(now=now_s + 60 * DAY_S)
                jobs = view.overview().jobs
                assert view.job(kept.recipe.job_id(0)).job.state == "failed"
        finally:
            ledger.close()
        assert view.size == 303
        assert jobs == kept.recipe.jobs
        assert shown.disclosed == 2 * kept.recipe.opened_jobs
        assert shown.overdue_count == 0
        assert kept_log(places, 303, jobs_at_once=5).recipe == kept.recipe


def test_a_log_of_another_recipe_is_built_anew(tmp_path: Path) -> None:
    with Places(tmp_path, None).opened() as places:
        kept = kept_log(places, 100)
        plan = kept.settings.data_dir / "recipe.json"
        plan.write_text(json.dumps({"recipe": 0, "end_s": kept.recipe.end_s}), "utf-8")
        again = kept_log(places, 100)
        assert json.loads(plan.read_text("utf-8"))["recipe"] == logs.RECIPE
        assert again.entries == 100


def test_two_runs_never_measure_in_one_folder(tmp_path: Path) -> None:
    with (
        Places(tmp_path, None).opened(),
        pytest.raises(CannotMeasure, match="another run"),
        Places(tmp_path, None).opened(),
    ):
        pass


def test_scratch_is_gone_at_the_end_and_what_a_killed_run_left_at_the_start(
    tmp_path: Path,
) -> None:
    with Places(tmp_path, None).opened() as places:
        settings = places.fresh("x")
        assert settings.data_dir.is_dir()
    assert not settings.data_dir.exists()
    settings.data_dir.mkdir(parents=True)
    with Places(tmp_path, None).opened():
        assert not settings.data_dir.exists()
