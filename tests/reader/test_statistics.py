"""Statistics against a slow and literal count over the entries of the log, at every size."""

import random
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from ledger_world import World

from ledger.errors import NotFound
from ledger.reader import View, statistics
from ledger.reader.seals import NONE, Seals
from ledger.reader.series import BY_PERIOD, NAMES
from ledger.reader.statistics import Coded, Jobs
from ledger.records.charter import Code
from ledger.records.deadline import DAY_S

ENDS = {"completed", "failed", "cancelled", "terminated_by_policy"}


# --- the judge ----------------------------------------------------------------------------------


def _seconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp())


def _replayed(view: View) -> tuple[dict[str, dict[str, Any]], dict[int, dict[str, Any]]]:
    """Jobs by id and sealed parts by index, from nothing but the bytes of the entries."""
    jobs: dict[str, dict[str, Any]] = {}
    seals: dict[int, dict[str, Any]] = {}
    for shown in view.entries(start=0, limit=view.size):
        entry = msgspec.json.decode(shown.entry)
        kind = entry["kind"]
        public = entry.get("statement", {}).get("public", {})
        if "publish_by" in entry:
            seals[shown.index] = {"due": _seconds(entry["publish_by"]), "opened": None}
        if kind == "submitted":
            jobs[entry["statement"]["job_id"]] = {
                "member": entry["statement"]["author"],
                "workload": public["workload_type"],
                "ceiling": public["egress_ceiling_bytes"],
                "at": _seconds(entry["logged_at"]),
                "plan": shown.index,
                "out": 0,
                "code": None,
                "ended": None,
                "gpu": 0,
            }
        elif kind == "rejected":
            jobs[entry["job_id"]]["code"] = entry["findings"][0]["code"]
        elif kind in ENDS:
            job = jobs[entry["statement"]["job_id"]]
            job["ended"], job["gpu"] = _seconds(public["ended_at"]), public["gpu_seconds"]
        elif kind == "egress":
            jobs[entry["statement"]["job_id"]]["out"] += public["egress_bytes"]
        elif kind == "disclosed":
            seals[entry["discloses"]]["opened"] = _seconds(entry["logged_at"])
    return jobs, seals


def _month(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m")


def _monday(second: int) -> str:
    day = datetime.fromtimestamp(second, UTC).date()
    return (day - timedelta(days=day.weekday())).isoformat()


def _months(found: set[str]) -> list[str]:
    if not found:
        return []
    month, listed = min(found), []
    while month <= max(found):
        listed.append(month)
        year, number = int(month[:4]), int(month[5:])
        month = f"{year + number // 12}-{number % 12 + 1:02}"
    return listed


def _weeks(found: set[str]) -> list[str]:
    if not found:
        return []
    day, listed = date.fromisoformat(min(found)), []
    while day.isoformat() <= max(found):
        listed.append(day.isoformat())
        day += timedelta(days=7)
    return listed


def _points(part: int, whole: int) -> int:
    return int(Fraction(part, whole) * 10_000 + Fraction(1, 2)) if whole else 0


def _judge(view: View, name: str, by: str = "month") -> list[tuple[Any, ...]]:  # noqa: C901, PLR0911, PLR0912 - one case a series
    jobs, seals = _replayed(view)
    every = list(jobs.values())
    ended = [job for job in every if job["ended"] is not None]
    members = sorted({job["member"] for job in every})
    total = sum(job["gpu"] for job in ended)

    def of(member: str) -> list[dict[str, Any]]:
        return [job for job in ended if job["member"] == member]

    if name in BY_PERIOD:
        key = "member" if name == "gpu-hours-by-member" else "workload"
        cut, fill = (_month, _months) if by == "month" else (_monday, _weeks)
        values = members if key == "member" else sorted({job[key] for job in ended})
        rows = []
        for period in fill({cut(job["ended"]) for job in ended}):
            for value in values:
                here = [j for j in ended if cut(j["ended"]) == period and j[key] == value]
                rows.append((period, value, len(here), sum(job["gpu"] for job in here)))
        return rows
    if name == "member-share":
        sums = [(m, len(of(m)), sum(job["gpu"] for job in of(m))) for m in members]
        shares = [(*each, _points(each[2], total)) for each in sums]
        return sorted(shares, key=lambda row: (-row[2], row[0]))
    if name == "member-share-by-month":
        rows = []
        for month in _months({_month(job["ended"]) for job in ended}):
            all_of_it = sum(job["gpu"] for job in ended if _month(job["ended"]) == month)
            for member in members:
                part = sum(job["gpu"] for job in of(member) if _month(job["ended"]) == month)
                rows.append((month, member, part, _points(part, all_of_it)))
        return rows
    if name == "days-to-publication":
        counts: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
        for day in range(91):
            counts[day] = [0, 0, 0]
        for job in every:
            seal = seals[job["plan"]]
            if seal["opened"] is not None:
                late = seal["opened"] - seal["due"]
                column = 0 if late < 0 else 1 if late <= 300 else 2
                counts[(seal["opened"] - job["at"]) // DAY_S][column] += 1
        return [(day, *counts[day]) for day in sorted(counts)]
    if name == "rejections-by-rule":
        met = Counter(job["code"] for job in every if job["code"])
        rules = {"R1": 1, "R2": 2, "R3": 3, "Q_": 4}
        return [
            (rules[code[:2]], code, met[code], len(every), _points(met[code], len(every)))
            for code in map(str, Code)
        ]
    if name == "rejections-by-month":
        rows = []
        for month in _months({_month(job["at"]) for job in every}):
            here = [job for job in every if _month(job["at"]) == month]
            bad = sum(job["code"] is not None for job in here)
            rows.append((month, len(here), bad, _points(bad, len(here))))
        return rows
    if name == "egress-used":
        tenths = Counter(_bin(job["out"], job["ceiling"]) for job in ended)
        bins: list[tuple[int, int | None]] = [(0, 0), *((at, at + 10) for at in range(0, 100, 10))]
        return [(*each, tenths[each]) for each in [*bins, (100, None)]]
    if name == "egress-by-member":
        rows = []
        for member in members:
            out = sum(job["out"] for job in of(member))
            allowed = sum(job["ceiling"] for job in of(member))
            over = sum(job["out"] > job["ceiling"] for job in of(member))
            rows.append((member, len(of(member)), out, allowed, _points(out, allowed), over))
        return sorted(rows, key=lambda row: (-row[2], row[0]))
    days: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for seal in seals.values():
        second = seal["due"] if seal["opened"] is None else seal["opened"]
        day = datetime.fromtimestamp(second, UTC).date().isoformat()
        days[day][seal["opened"] is None] += 1
    return [(day, *days[day]) for day in sorted(days)]


def _bin(out: int, ceiling: int) -> tuple[int, int | None]:
    if not out:
        return (0, 0)
    if out > ceiling:
        return (100, None)
    used = Fraction(100 * out, ceiling)
    return next((low, low + 10) for low in range(0, 100, 10) if low < used <= low + 10)


# --- random histories ---------------------------------------------------------------------------


def _random_history(world: World, seed: int, *, steps: int = 26) -> World:
    """Jobs of two labs that run, end, leak, are refused and are opened, over most of a year."""
    draw = random.Random(seed)
    admitted: list[str] = []
    for step in range(steps):
        name = f"job{step}"
        match draw.choice(["submit", "submit", "run", "run", "refuse", "open", "wait", "leak"]):
            case "submit":
                ceiling = draw.choice([0, 1, 250_000, 777_777, 10**12])
                workload = draw.choice(["eval_suite", "forward_pass", "linear_probe"])
                author = draw.choice(["alpha", "beta"])
                world.log(
                    world.submission(
                        name, author=author, egress_ceiling_bytes=ceiling, workload_type=workload
                    )
                )
                admitted.append(name)
            case "run" if admitted:
                job = admitted.pop(draw.randrange(len(admitted)))
                world.run(
                    job,
                    kind=draw.choice(["completed", "failed"]),
                    wall_s=draw.randint(1, 5 * DAY_S),
                )
                _leak(world, job, draw.choice([0, 1, 10**6]))
            case "refuse":
                ceiling = draw.choice([None, 10**13])
                world.log(world.submission(name, author="beta", egress_ceiling_bytes=ceiling))
            case "open":
                early = world.log(world.submission(name))[0]
                world.days(draw.randint(0, 20))
                opening = {"discloses": early.index}
                world.log(world.statement("alpha", "open", "job-open/1", opening, job=name))
            case "wait":
                world.days(draw.choice([1, 9, 40, 95]))
                world.clock.now += draw.choice([0, 299, 301, 7_000])
                if draw.random() < 0.7:
                    world.sweep()
            case _:
                continue
    return world


def _leak(world: World, job: str, count: int) -> None:
    egress = {"egress_bytes": count, "artifact_count": 0}
    world.log(world.statement("gateway", "egress", "job-egress/1", egress, job=job))


def _published_sizes(world: World) -> list[int]:
    with world.reader.at() as view:
        return [each.tree_size for each in view.checkpoints(limit=10_000)]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_series_is_what_a_literal_count_of_the_entries_gives(
    tmp_path: Path, database_url: str, seed: int
) -> None:
    with World(tmp_path / "w", database_url) as world:
        _random_history(world, seed)
        sizes = _published_sizes(world)
        assert len(sizes) > 20
        random.Random(seed).shuffle(sizes)
        for size in sizes:
            with world.reader.at(size) as view:
                for name in NAMES:
                    assert (size, name, list(view.statistics(name).rows)) == (
                        size,
                        name,
                        _judge(view, name),
                    )
                for name in BY_PERIOD:
                    found = list(view.statistics(name, by="week").rows)
                    assert found == _judge(view, name, "week")


def test_the_past_stays_as_it_was_when_the_log_grows(tmp_path: Path, database_url: str) -> None:
    with World(tmp_path / "w", database_url) as world:
        _random_history(world, 4)
        size = world.reader.tree_size()
        with world.reader.at(size) as view:
            before = {name: view.statistics(name) for name in NAMES}
        world.log(world.submission("later"))
        world.run("later")
        world.days(100)
        world.sweep()
        with world.reader.at() as view:
            assert all(
                view.statistics(name) != before[name]
                for name in ("member-share", "embargo-calendar")
            )
        world.reader.counts._values.clear()
        with world.reader.at(size) as view:
            assert {name: view.statistics(name) for name in NAMES} == before


def test_a_new_ledger_has_every_series_without_jobs(tmp_path: Path) -> None:
    with World(tmp_path / "w") as world, world.reader.at() as view:
        for name in NAMES:
            found = view.statistics(name)
            assert {sum(row[2:3] or row[1:2]) for row in found.rows} <= {0}
            assert all(len(row) == len(found.columns) for row in found.rows)


def test_a_series_that_does_not_exist_is_not_found(tmp_path: Path) -> None:
    with World(tmp_path / "w") as world, world.reader.at() as view:
        for name in ("", "member", "member-share.csv", "x" * 500):
            with pytest.raises(NotFound, match="there is no series"):
                view.statistics(name)


# --- arrays -------------------------------------------------------------------------------------


def _arrays(count: int, **given: Any) -> Jobs:
    def numbers(name: str, default: int) -> Any:
        value = given.get(name, default)
        return np.array(value if isinstance(value, list) else [value] * count, np.int64)

    members = given.get("members", ["alpha"])
    return Jobs(
        author=Coded(np.arange(count) % len(members), members),
        workload=Coded(np.zeros(count, np.int64), ["eval_suite"]),
        rejection=Coded(np.full(count, NONE), ["R1_weight_delta"]),
        submitted_at=numbers("submitted_at", 1_790_000_000),
        publish_by=numbers("publish_by", 1_797_776_000),
        disclosed_at=numbers("disclosed_at", NONE),
        ended_at=numbers("ended_at", 1_790_100_000),
        gpu_seconds=numbers("gpu_seconds", 3_600),
        egress_bytes=numbers("egress_bytes", 5),
        ceiling_bytes=numbers("ceiling_bytes", 10),
    )


def test_sums_are_exact_far_beyond_what_a_float_holds() -> None:
    largest = 2**53 - 1
    jobs = _arrays(3_001, gpu_seconds=largest, egress_bytes=largest, ceiling_bytes=largest)
    assert statistics.member_share(jobs) == (("alpha", 3_001, 3_001 * largest, 10_000),)
    ((_, count, out, allowed, used, over),) = statistics.egress_by_member(jobs)
    assert (count, out, allowed, used, over) == (3_001, 3_001 * largest, 3_001 * largest, 10_000, 0)
    assert statistics.egress_used(jobs)[10] == (90, 100, 3_001)


def test_one_byte_above_the_ceiling_is_above_it() -> None:
    most = 2**53 - 1
    jobs = _arrays(4, egress_bytes=[most, most - 1, 1, 0], ceiling_bytes=[most - 1, most, 10, 0])
    counts = {(low, high): jobs for low, high, jobs in statistics.egress_used(jobs)}
    assert {each for each, count in counts.items() if count} == {
        (100, None),
        (90, 100),
        (0, 10),
        (0, 0),
    }


def test_a_job_belongs_to_the_month_and_week_in_which_it_ended() -> None:
    ends = [
        "2026-12-31T23:59:59Z",
        "2027-01-01T00:00:00Z",
        "2027-01-03T23:59:59Z",
        "2027-01-04T00:00:00Z",
    ]
    jobs = _arrays(4, ended_at=[_seconds(end) for end in ends])
    rows = statistics.gpu_hours(jobs, jobs.author, "member", period=statistics.PERIODS["month"])
    assert [(row[0], row[2]) for row in rows] == [("2026-12", 1), ("2027-01", 3)]
    rows = statistics.gpu_hours(jobs, jobs.author, "member", period=statistics.PERIODS["week"])
    assert [(row[0], row[2]) for row in rows] == [("2026-12-28", 3), ("2027-01-04", 1)]


def test_a_clock_that_lies_by_decades_does_not_fill_the_table_with_empty_weeks() -> None:
    jobs = _arrays(2, ended_at=[_seconds("2000-01-01T00:00:00Z"), _seconds("2099-12-31T00:00:00Z")])
    for name in ("month", "week"):
        rows = statistics.gpu_hours(jobs, jobs.author, "member", period=statistics.PERIODS[name])
        assert len(rows) == 2


def test_the_five_minutes_after_a_deadline_are_not_late() -> None:
    due = 1_797_776_000
    opened = [due - 1, due, due + 300, due + 301, due + 40 * DAY_S]
    rows = statistics.days_to_publication(_arrays(5, disclosed_at=opened))
    assert [row for row in rows if any(row[1:])] == [(89, 1, 0, 0), (90, 0, 2, 1), (130, 0, 0, 1)]


def test_what_is_sealed_stands_on_its_deadline_and_what_is_open_on_its_day() -> None:
    day = _seconds("2026-11-21T00:00:00Z")
    seals = Seals(
        index=np.array([1, 2, 3]),
        publish_by=np.array([day, day + DAY_S - 1, day + DAY_S]),
        opened_at=np.array([day, NONE, NONE]),
    )
    assert statistics.embargo_calendar(seals) == (("2026-11-21", 1, 1), ("2026-11-22", 0, 1))


@pytest.mark.parametrize(
    ("part", "whole", "points"),
    [(0, 0, 0), (1, 3, 3_333), (2, 3, 6_667), (1, 20_000, 1), (1, 20_001, 0)],
)
def test_shares_are_rounded_half_up(part: int, whole: int, points: int) -> None:
    assert statistics.basis_points(part, whole) == points
